import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../../layers/index.ts"
import { type RehearsalOptions, rehearsalLines, rehearseUpgrade } from "../../layers/operate.ts"
import {
  crashAfter,
  independently,
  notes,
  notesFiles,
  onlyFirst,
  pictureOf,
  platform,
  refusal,
  rivalProcess,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { runProgram, spawnProgram } from "../support/program.ts"

const rehearsal = (filename: string, options: Partial<RehearsalOptions<never>> = {}) =>
  rehearseUpgrade({ filename, migrations: notes, ...options }).pipe(Effect.provide(platform))

const more = Migrations.fromRecord({
  ...notesFiles,
  "003_more.sql": `ALTER TABLE notes ADD COLUMN author TEXT;
UPDATE notes SET author = 'nobody';
DROP INDEX tags_by_note;`,
  "R__all.sql": "CREATE VIEW all_notes AS SELECT * FROM notes;"
})

describe("a rehearsal", () => {
  it.scoped("runs the upgrade on a copy, says what it does, and leaves every byte of the database as it was", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      yield* independently(file, (sqlite) => {
        sqlite.exec("INSERT INTO notes (body) SELECT 'more' FROM json_each('[1,2,3,4]')")
        sqlite.pragma("wal_checkpoint(TRUNCATE)")
      })
      const before = yield* pictureOf(dirname(file))
      const result = yield* rehearsal(file, { migrations: more })
      assert.deepStrictEqual(
        result.applied.map(({ changedRows, version }) => [version, changedRows]),
        [["003", 5]]
      )
      assert.deepStrictEqual(result.repeated, ["R__all"])
      assert.strictEqual(result.schemaVersion, "003")
      assert.strictEqual(result.lockedMs.length, 1)
      assert.strictEqual(result.integrity.checked, "quick")
      assert.deepStrictEqual(
        result.schema.added.map(({ object }) => object),
        ["view all_notes"]
      )
      assert.deepStrictEqual(
        result.schema.changed.map(({ object, sql }) => [object, sql.includes("author")]),
        [["table notes", true]]
      )
      assert.deepStrictEqual(result.schema.removed, [
        { object: "index tags_by_note", sql: "CREATE INDEX tags_by_note ON tags(note)" }
      ])
      assert.include(rehearsalLines(result).join("\n"), "not rehearsed")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      const report = yield* start(file, { migrations: more })
      assert.strictEqual(report.integrity.fingerprint, result.integrity.fingerprint)
    })
  )

  it.scoped("takes one moment of a database that others write, with what is in the WAL only", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('in the WAL')")
      yield* rivalProcess(file, "BEGIN IMMEDIATE; INSERT INTO notes (body) VALUES ('not committed')")
      const count = Migrations.fromRecord({
        "001_create_notes.sql": notesFiles["001_create_notes.sql"],
        "002_touch.sql": "UPDATE notes SET body = body || '!';"
      })
      const { applied } = yield* rehearsal(file, { migrations: count })
      assert.strictEqual(applied[0]?.changedRows, 2)
      assert.isFalse(existsSync(`${file}.rehearsal`))
    })
  )

  it.scoped("is refused where the start would be, and names the database and not the copy", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const before = yield* pictureOf(dirname(file))
      const error = yield* refusal(
        rehearsal(file, { migrations: Migrations.fromRecord({ ...notesFiles, "003_x.sql": "DELETE FROM notes;" }) })
      )
      assert.strictEqual(error._tag, "UpgradeError")
      assert.strictEqual(error.reason, "RowsDeleted")
      assert.strictEqual(error.database, file)
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      const absent = yield* refusal(rehearsal(`${file}.absent`))
      assert.strictEqual(absent.reason, "Absent")
      assert.strictEqual((yield* refusal(rehearsal(":memory:"))).reason, "NoFile")
      assert.strictEqual((yield* refusal(rehearsal(file, { directory: `${file}.nowhere` }))).reason, "NotCopied")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("makes its copy where it is told, for its owner alone, and removes what a killed one left", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      chmodSync(file, 0o664)
      const directory = yield* temporaryFolder
      const place = join(directory, `${basename(file)}.rehearsal`)
      mkdirSync(place)
      writeFileSync(join(place, "copy.db"), "left")
      writeFileSync(join(place, "copy.db-wal"), "left")
      const modes: Array<number> = []
      const look = Effect.sync(() => {
        modes.push(statSync(place).mode & 0o777, statSync(join(place, "copy.db")).mode & 0o777)
      })
      yield* rehearsal(file, {
        directory,
        onProgress: ({ _tag, stage }) =>
          _tag === "StagePassed" && stage === "pragmas" && existsSync(join(place, "copy.db")) ? look : Effect.void
      })
      assert.deepStrictEqual(modes, [0o700, 0o600])
      assert.deepStrictEqual(readdirSync(directory), [])
    })
  )

  it.scoped("deletes nothing that it did not make", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      mkdirSync(`${file}.rehearsal`)
      writeFileSync(join(`${file}.rehearsal`, "mine"), "")
      assert.strictEqual((yield* refusal(rehearsal(file))).reason, "NotCopied")
      assert.deepStrictEqual(readdirSync(`${file}.rehearsal`), ["mine"])
    })
  )
})

describe("database-ready rehearse", () => {
  it.scoped("says what the upgrade does, and a signal leaves no copy", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const migrations = join(folder, "migrations")
      mkdirSync(migrations)
      for (const [name, text] of Object.entries(notesFiles)) writeFileSync(join(migrations, name), text)
      const file = join(folder, "it's.db")
      yield* start(file, { migrations: onlyFirst })
      const args = ["rehearse", "--database", file, "--migrations", migrations]
      const names = readdirSync(folder)
      const done = yield* runProgram([...args, "--json"])
      assert.strictEqual(done.code, 0, done.stderr)
      assert.match(done.stdout, /^\{"status":"rehearsed".*"version":"002".*\}\n$/)
      writeFileSync(
        join(migrations, "003_slow.sql"),
        `CREATE TABLE slow (x);
${"INSERT INTO slow WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 200000) SELECT x FROM n;\n".repeat(60)}`
      )
      const running = spawnProgram([...args, "--json=stream"])
      yield* Effect.promise(() => running.says(/statement/, "stdout"))
      running.process.kill("SIGTERM")
      const ended = yield* Effect.promise(() => running.ended)
      assert.strictEqual(ended.code, 143)
      assert.deepStrictEqual(readdirSync(folder), names)
    })
  )
})
