/** A database that was copied without its WAL, or is older than its backups. */
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { Migrations, restoreBackup } from "../layers/index.ts"
import {
  crashAfter,
  independently,
  notesFiles,
  onlyFirst,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

/** A database with a row that is only in its WAL, after a crash. */
const crashed = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file)
  yield* crashAfter(file, "PRAGMA wal_autocheckpoint = 0; INSERT INTO notes (body) VALUES ('late')")
  const elsewhere = join(yield* temporaryFolder, "copied.db")
  copyFileSync(file, elsewhere)
  return { file, elsewhere }
})

const warningsOf = (logged: Array<string>) => {
  const logger = Logger.make(({ logLevel, message }) => {
    if (logLevel._tag === "Warning") logged.push(String(message))
  })
  return Logger.replace(Logger.defaultLogger, logger)
}

describe("a database without its WAL", () => {
  it.scoped("is sound, and nothing in it tells: the report says when it was last written", () =>
    Effect.gen(function* () {
      const { elsewhere } = yield* crashed
      utimesSync(elsewhere, new Date(), new Date("2026-01-02T03:04:05.678Z"))
      const { lastWritten, stages, warnings } = yield* start(elsewhere)
      assert.deepStrictEqual([lastWritten, warnings], ["2026-01-02T03:04:05.678Z", []])
      assert.match(stages[1]?.found ?? "", /, existing, last written 2026-01-02T03:04:05Z$/)
    })
  )

  it.scoped("is recognized by its -shm, which counts the missing pages; its pages are checked", () =>
    Effect.gen(function* () {
      const { elsewhere, file } = yield* crashed
      copyFileSync(`${file}-shm`, `${elsewhere}-shm`)
      const logged: Array<string> = []
      const { integrity, stages, warnings } = yield* Effect.provide(start(elsewhere), warningsOf(logged))
      const [warning = ""] = warnings
      assert.match(
        warning,
        /^Commits are missing: \S+copied\.db-shm counts 1 pages of them in \S+-wal, and there is no/
      )
      assert.deepStrictEqual([warnings.length, logged], [1, [warning]])
      assert.deepStrictEqual([integrity.checked, integrity.because], ["quick", "commits are missing"])
      assert.match(stages[1]?.found ?? "", /, commits are missing$/)
      assert.deepStrictEqual((yield* start(elsewhere)).warnings, [])
    })
  )

  it.scoped("is recognized if the WAL was cut, but not if it is whole", () =>
    Effect.gen(function* () {
      const { elsewhere, file } = yield* crashed
      for (const suffix of ["-wal", "-shm"]) copyFileSync(`${file}${suffix}`, `${elsewhere}${suffix}`)
      writeFileSync(`${elsewhere}-wal`, readFileSync(`${file}-wal`).subarray(0, 32))
      assert.match((yield* start(elsewhere)).warnings.join(), /^Commits are missing: .*, and that file has 32 bytes\./)
      assert.deepStrictEqual((yield* start(file)).warnings, [])
    })
  )

  it.scoped("is recognized if a program wrote while it was copied: it is longer than its first page says", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      appendFileSync(file, Buffer.alloc(2 * 4096, 1))
      const { integrity, warnings } = yield* start(file, { access: "inspect" })
      assert.match(warnings.join(), /^The file is 2 pages longer than its header says: /)
      assert.deepStrictEqual([integrity.checked, integrity.because], ["quick", "commits are missing"])
    })
  )
})

describe("a database that is older than a backup of it", () => {
  const older = Effect.gen(function* () {
    const file = yield* temporaryFile
    yield* start(file, { migrations: onlyFirst })
    copyFileSync(file, `${file}.mine`)
    const { backup = "" } = yield* start(file)
    return { file, backup }
  })

  it.scoped("is a warning before anything is applied, but not once it is upgraded again", () =>
    Effect.gen(function* () {
      const { backup, file } = yield* older
      assert.deepStrictEqual((yield* start(file)).warnings, [])
      copyFileSync(`${file}.mine`, file)
      const expected = `The database is older than a backup of it: ${backup} was made when the database at 001 was upgraded, and it is at 001 now. `
      const logged: Array<string> = []
      const wrong = Migrations.fromRecord({ ...notesFiles, "003_wrong.sql": "CREATE TABEL x;" })
      yield* Effect.provide(refusal(start(file, { migrations: wrong })), warningsOf(logged))
      assert.isTrue(logged.join().startsWith(expected), logged.join())
      const { warnings } = yield* start(file)
      assert.isTrue(warnings.length === 1 && warnings.join().startsWith(expected), warnings.join())
      assert.deepStrictEqual((yield* start(file)).warnings, [])
    })
  )

  it.scopedLive("is no warning after a restore", () =>
    Effect.gen(function* () {
      const { file } = yield* older
      yield* Effect.provide(restoreBackup({ filename: file }), platform)
      assert.deepStrictEqual((yield* start(file, { migrations: onlyFirst })).warnings, [])
    })
  )

  it.scopedLive(
    "is a warning after a restore over nothing, which says how it ends, and ends with the next upgrade",
    () =>
      Effect.gen(function* () {
        const { backup, file } = yield* older
        for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true })
        yield* Effect.provide(restoreBackup({ filename: file }), platform)
        const { warnings } = yield* start(file, { migrations: onlyFirst })
        assert.isTrue(
          warnings
            .join()
            .endsWith(
              `If you restored a backup, go on: the next upgrade ends this warning. If not, an older copy was put there, or a copy without its WAL: to go back to the backup, run database-ready restore --database ${file} --backup ${backup}`
            ),
          warnings.join()
        )
        yield* start(file)
        assert.deepStrictEqual((yield* start(file)).warnings, [])
      })
  )

  it.scoped("is no warning if a later file of the same upgrade was refused", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const rebuild = "-- database-ready: foreign_keys = off\nCREATE TABLE rebuilt (x);"
      const files = { ...notesFiles, "003_rebuild.sql": rebuild, "004_wrong.sql": "INSERT INTO notes (id) VALUES (1);" }
      const error = yield* refusal(start(file, { migrations: Migrations.fromRecord(files) }))
      assert.strictEqual(error._tag, "UpgradeError")
      const { "004_wrong.sql": _, ...good } = files
      assert.deepStrictEqual((yield* start(file, { migrations: Migrations.fromRecord(good) })).warnings, [])
    })
  )

  it.scoped("is a warning if an empty page is all that is left of it", () =>
    Effect.gen(function* () {
      const { file } = yield* older
      rmSync(file)
      mkdirSync(dirname(file), { recursive: true })
      yield* independently(file, (connection) => connection.exec("PRAGMA journal_mode = wal"))
      const { warnings } = yield* start(file)
      assert.match(
        warnings.join(),
        /^The database is older than a backup of it: \S+ was made when .* at 001 .*it has none now\./
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS n FROM notes"), [{ n: 1 }])
    })
  )
})
