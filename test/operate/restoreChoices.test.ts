/** A restore that chooses its backup by time or version, unpacks it, goes elsewhere, or only looks. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCodeOf } from "../../layers/index.ts"
import { backUp, restoreChosen } from "../../layers/operate.ts"
import {
  crashAfter,
  independently,
  onlyFirst,
  openConnection,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { runProgram } from "../support/program.ts"

const restore = (chosen: Parameters<typeof restoreChosen>[0]) => Effect.provide(restoreChosen(chosen), platform)
const bodies = "SELECT body FROM notes ORDER BY id"
const add = (file: string, body: string) =>
  independently(file, (connection) => connection.prepare("INSERT INTO notes (body) VALUES (?)").run(body))

/** At 001 on 1 January; upgraded to 002; copied on 2 January and, compressed and with a row more, on 3 January. */
const prepared = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file, { migrations: onlyFirst })
  const { backup = "" } = yield* start(file)
  utimesSync(backup, new Date("2026-01-01T12:00:00Z"), new Date("2026-01-01T12:00:00Z"))
  const elsewhere = yield* temporaryFolder
  const copied = (day: number, ending: string) => {
    const name = join(elsewhere, `app.db.2026010${day}T120000000Z.backup${ending}`)
    return Effect.map(
      Effect.provide(
        backUp({ filename: file, to: elsewhere, ...(ending === "" ? {} : { compress: "gzip" }) }),
        platform
      ),
      (made) => {
        renameSync(made.backup, name)
        return name
      }
    )
  }
  yield* add(file, "second")
  const second = yield* copied(2, "")
  yield* add(file, "third")
  const third = yield* copied(3, ".gz")
  yield* add(file, "fourth")
  return { file, elsewhere, upgrade: backup, second, third }
})

describe("a restore", () => {
  it.scopedLive("takes the newest backup made at or before a time, also a compressed one", () =>
    Effect.gen(function* () {
      const { elsewhere, file, second, third, upgrade } = yield* prepared
      const at = (time: string) => restore({ filename: file, directory: elsewhere, at: Date.parse(time) })
      const restored = yield* at("2026-01-03T12:00:00Z")
      assert.strictEqual(restored.backup, third)
      assert.strictEqual(restored.schemaVersion, "002")
      assert.deepStrictEqual(yield* rowsOf(file, bodies), [{ body: "first" }, { body: "second" }, { body: "third" }])
      assert.deepStrictEqual(yield* rowsOf(restored.replaced ?? "", "SELECT count(*) AS n FROM notes"), [{ n: 4 }])
      assert.strictEqual((yield* at("2026-01-03T11:59:59.999Z")).backup, second)
      assert.strictEqual((yield* at("2026-01-01T13:00:00+01:00")).backup, upgrade)
      const error = yield* refusal(at("2025-12-31T00:00:00Z"))
      assert.strictEqual(`${error._tag}.${error.reason}`, "RestoreError.NoBackup")
      assert.include(error.sentence, "2025-12-31")
      assert.strictEqual(exitCodeOf(error), 64)
    })
  )

  it.scoped("takes the newest backup of a version, however it is written", () =>
    Effect.gen(function* () {
      const { elsewhere, file, third, upgrade } = yield* prepared
      const of = (version: string) => restore({ filename: file, directory: elsewhere, version, dryRun: true })
      assert.strictEqual((yield* of("1")).backup, upgrade)
      assert.strictEqual((yield* of("002")).backup, third)
      assert.strictEqual((yield* refusal(of("3"))).reason, "NoBackup")
    })
  )

  it.scoped("refuses to choose where the names of backups contradict the times of the files", () =>
    Effect.gen(function* () {
      const { file, upgrade } = yield* prepared
      const later = `${file}.002-to-003.backup`
      writeFileSync(later, readFileSync(upgrade))
      utimesSync(later, new Date("2025-06-01T12:00:00Z"), new Date("2025-06-01T12:00:00Z"))
      const error = yield* refusal(restore({ filename: file, at: Date.parse("2026-01-01T18:00:00Z") }))
      assert.strictEqual(error.reason, "Ambiguous")
      assert.include(error.sentence, later)
    })
  )

  it.scoped("to another path leaves the database alone, also while it is in use", () =>
    Effect.gen(function* () {
      const { elsewhere, file, third } = yield* prepared
      const folder = yield* temporaryFolder
      const user = yield* openConnection(file)
      user.exec("BEGIN IMMEDIATE")
      const before = yield* pictureOf(dirname(file))
      const output = join(folder, "new", "copy.db")
      const restored = yield* restore({ filename: file, directory: elsewhere, version: "2", output })
      assert.include(restored, { backup: third, database: output, replaced: undefined })
      assert.strictEqual(statSync(output).mode & 0o777, 0o600)
      // The newest beside the database.
      yield* restore({ filename: file, output: join(folder, "older.db") })
      assert.deepStrictEqual(yield* rowsOf(join(folder, "older.db"), bodies), [{ body: "first" }])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      assert.deepStrictEqual(yield* rowsOf(output, bodies), [{ body: "first" }, { body: "second" }, { body: "third" }])
      const error = yield* refusal(restore({ filename: file, output: file }))
      assert.strictEqual(`${error._tag}.${error.reason}`, "DirectoryError.Taken")
    })
  )

  it.scoped("goes to no path that is taken, or that belongs to the database", () =>
    Effect.gen(function* () {
      const { elsewhere, file } = yield* prepared
      const taken = join(elsewhere, "taken.db")
      writeFileSync(taken, "somebody's")
      const pictures = Effect.all([pictureOf(dirname(file)), pictureOf(elsewhere)])
      const before = yield* pictures
      for (const dryRun of [false, true]) {
        for (const output of [taken, elsewhere, file, ...["-wal", "-shm", "-journal"].map((end) => `${file}${end}`)]) {
          const error = yield* refusal(restore({ filename: file, directory: elsewhere, output, dryRun }))
          assert.deepInclude(error, { _tag: "DirectoryError", reason: "Taken" }, output)
          assert.strictEqual(exitCodeOf(error), 64)
          assert.match(error.remedy, /^Name a path at which there is nothing yet/)
          if (output === taken) assert.include(error.message, "a file is there already")
        }
      }
      assert.deepStrictEqual(yield* pictures, before)
    })
  )

  it.scoped("looks in a directory that is named, without a time or a version too", () =>
    Effect.gen(function* () {
      const { elsewhere, file, third } = yield* prepared
      assert.strictEqual((yield* restore({ filename: file, directory: elsewhere, dryRun: true })).backup, third)
      const error = yield* refusal(restore({ filename: file, directory: elsewhere, backup: third, dryRun: true }))
      assert.deepInclude(error, { reason: "TwoChoices", backup: third })
    })
  )

  it.scoped("refuses to choose between two copies of one time, unless they are the same", () =>
    Effect.gen(function* () {
      const { elsewhere, file, second } = yield* prepared
      const twin = join(dirname(file), "app.db.20260102T120000000Z.backup")
      writeFileSync(twin, readFileSync(second))
      const at = { filename: file, directory: elsewhere, at: Date.parse("2026-01-02T12:00:00Z"), dryRun: true }
      assert.include([second, twin], (yield* restore(at)).backup)
      yield* add(twin, "another")
      const error = yield* refusal(restore(at))
      assert.strictEqual(error.reason, "Ambiguous")
      assert.include(error.sentence, twin)
      assert.include(error.sentence, second)
    })
  )

  it.scoped("says which copies there are where no upgrade left a backup", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const { backup } = yield* Effect.provide(backUp({ filename: file }), platform)
      const error = yield* refusal(restore({ filename: file }))
      assert.strictEqual(error.reason, "NoBackup")
      assert.include(error.sentence, `No upgrade left a backup beside ${file} (there is ${backup})`)
    })
  )

  it.scoped("of a version is refused where the history of the backup is at another one than its header", () =>
    Effect.gen(function* () {
      const { elsewhere, file } = yield* prepared
      const lying = yield* Effect.provide(backUp({ filename: file, to: elsewhere }), platform)
      yield* independently(lying.backup, (connection) => connection.exec("PRAGMA user_version = 7"))
      const packed = join(elsewhere, "app.db.20270101T120000000Z.backup.gz")
      writeFileSync(packed, gzipSync(readFileSync(lying.backup)))
      rmSync(lying.backup)
      const before = yield* pictureOf(dirname(file))
      const error = yield* refusal(restore({ filename: file, directory: elsewhere, version: "7" }))
      assert.deepStrictEqual([error._tag, error.reason], ["RestoreError", "Ambiguous"])
      assert.include(error.sentence, "ends at 002, and not at 7")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("that only looks writes nothing, and refuses what a restore refuses", () =>
    Effect.gen(function* () {
      const { elsewhere, file, third } = yield* prepared
      const inWal = join(elsewhere, "in WAL mode.db")
      writeFileSync(inWal, readFileSync(file))
      const torn = join(elsewhere, "torn.gz")
      writeFileSync(torn, readFileSync(third).subarray(0, 200))
      const pictures = Effect.all([pictureOf(dirname(file)), pictureOf(elsewhere)])
      const before = yield* pictures
      const would = yield* restore({ filename: file, backup: third, dryRun: true })
      assert.match(would.replaced ?? "", /\.replaced-\w+$/)
      yield* restore({ filename: file, backup: inWal, dryRun: true })
      for (const dryRun of [true, false]) {
        const error = yield* refusal(restore({ filename: file, backup: torn, dryRun }))
        assert.strictEqual(`${error._tag}.${error.reason}`, "RestoreError.NotABackup")
        assert.strictEqual(exitCodeOf(error), 65)
      }
      const both = yield* refusal(restore({ filename: file, backup: third, version: "2" }))
      assert.strictEqual(both.reason, "TwoChoices")
      assert.deepStrictEqual(yield* pictures, before)
      const user = yield* openConnection(file)
      user.exec("SELECT 1 FROM notes")
      const error = yield* refusal(restore({ filename: file, backup: third, dryRun: true }))
      assert.strictEqual(error.reason, "InUse")
    })
  )

  it.scopedLive("leaves a backup in WAL mode and all around it as it was", () =>
    Effect.gen(function* () {
      const { elsewhere, file } = yield* prepared
      const [alone, withWal] = [join(elsewhere, "alone.db"), join(elsewhere, "with its WAL.db")]
      writeFileSync(alone, readFileSync(file))
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('in the WAL')")
      for (const part of ["", "-wal"]) writeFileSync(`${withWal}${part}`, readFileSync(`${file}${part}`))
      const before = yield* pictureOf(elsewhere)
      yield* restore({ filename: file, backup: alone })
      assert.lengthOf(yield* rowsOf(file, bodies), 4)
      assert.deepStrictEqual(yield* pictureOf(elsewhere), before)
      yield* restore({ filename: file, backup: withWal })
      assert.deepInclude(yield* rowsOf(file, bodies), { body: "in the WAL" })
      assert.deepStrictEqual(yield* pictureOf(elsewhere), before)
    })
  )

  it.scopedLive("by the program: a time needs its zone, and a dry run says that it only would", () =>
    Effect.gen(function* () {
      const { elsewhere, file } = yield* prepared
      mkdirSync(join(elsewhere, "app.db.20260105T120000000Z.backup"))
      const args = ["restore", "--database", file, "--directory", elsewhere, "--dry-run", "--json"]
      const would = yield* runProgram([...args, "--at", "2026-01-04T00:00:00Z"])
      assert.strictEqual(would.code, 0, would.stdout)
      assert.include(JSON.parse(would.stdout), { status: "would restore", schemaVersion: "002" })
      const names = readdirSync(dirname(file))
      const wrong = yield* runProgram([...args, "--at", "2026-01-04"])
      assert.strictEqual(wrong.code, 64)
      assert.deepStrictEqual(readdirSync(dirname(file)), names)
    })
  )
})
