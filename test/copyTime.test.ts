/** A deadline that is certainly too short for the copy of an upgrade is refused before any work begins. */
import { readdirSync, statSync, utimesSync } from "node:fs"
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { exitCodeOf, Migrations } from "../layers/index.ts"
import { copyTime } from "../layers/sqlite/AppliedMigrations/CopyTime.ts"
import {
  independently,
  notesFiles,
  openConnection,
  pictureOf,
  refusal,
  start,
  temporaryFile
} from "./support/database.ts"

const gigabyte = 1_000_000_000

describe("the time of a copy", () => {
  it("is at least half a second per GB if no earlier one is known", () => {
    assert.deepStrictEqual(copyTime(10 * gigabyte, []), { least: 5000, likely: 5000 })
  })

  it("is estimated from the fastest earlier one by size, and at least a quarter of that", () => {
    const earlier = [
      { bytes: gigabyte, createdAt: 1000, modifiedAt: 9000 },
      { bytes: gigabyte / 2, createdAt: 50_000, modifiedAt: 52_000 }
    ]
    assert.deepStrictEqual(copyTime(2 * gigabyte, earlier), { least: 2000, likely: 8000 })
  })

  it("is not estimated from a file that was copied, unpacked or changed later, or has no creation time", () => {
    const earlier = [
      { bytes: gigabyte, createdAt: 9000, modifiedAt: 1000 },
      { bytes: gigabyte, createdAt: 9000, modifiedAt: 9000 },
      { bytes: gigabyte, createdAt: 9000, modifiedAt: 9000 + 86_400_000 },
      { bytes: gigabyte, createdAt: 0, modifiedAt: 8000 },
      { bytes: 0, createdAt: 9000, modifiedAt: 12_000 }
    ]
    assert.deepStrictEqual(copyTime(gigabyte, earlier), copyTime(gigabyte, []))
  })
})

const more = { "003_more.sql": "CREATE TABLE more (x);" }
const again = { "004_again.sql": "CREATE TABLE again (x);" }

/** A database of 20 MB. */
const large = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file)
  yield* independently(file, (connection) =>
    connection.exec("INSERT INTO notes (body) VALUES (CAST(zeroblob(20000000) AS TEXT) || 'x')")
  )
  return file
})

describe("a deadline from the settings", () => {
  const migrations = Migrations.fromRecord({ ...notesFiles, ...more })
  const tooShort = { migrations, policies: { migrations: { timeout: "5 millis" } } } as const

  it.scoped("that is too short for the copy is refused at once, with the setting, before the write lock", () =>
    Effect.gen(function* () {
      const file = yield* large
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      const before = yield* pictureOf(dirname(file))
      const error = yield* refusal(start(file, tooShort))
      assert.deepInclude(error, { _tag: "UpgradeError", reason: "DeadlineTooShort", retryable: false })
      assert.strictEqual(
        error.sentence,
        "The deadline is too short for the backup before 003_more (copying 20 MB takes 11ms at least, and the deadline is 5ms)"
      )
      assert.strictEqual(
        error.remedy,
        "Set `policies.migrations.timeout` to 1m 1s, or leave it unset: the default deadline is extended while the work makes progress. If you make backups yourself, set `backups` to 0. Nothing was changed."
      )
      assert.strictEqual(exitCodeOf(error), 64)
      const after = yield* pictureOf(dirname(file))
      assert.deepStrictEqual({ ...after, "app.db-shm": "" }, { ...before, "app.db-shm": "" })
    })
  )

  it.scoped("is long enough if no copy is made: without backups, without rows, with nothing pending", () =>
    Effect.gen(function* () {
      const file = yield* large
      assert.strictEqual((yield* start(file, { ...tooShort, backups: 0 })).schemaVersion, "003")
      assert.strictEqual((yield* start(file, tooShort)).schemaVersion, "003")
    })
  )

  it.scoped("is compared with the last copy: far too short is refused, slightly too short is a warning", () =>
    Effect.gen(function* () {
      const file = yield* large
      yield* start(file, { migrations })
      const folder = dirname(file)
      const [backup = ""] = readdirSync(folder).filter((name) => name.endsWith(".backup"))
      const { birthtimeMs } = statSync(`${folder}/${backup}`)
      if (birthtimeMs === 0) return
      utimesSync(`${folder}/${backup}`, birthtimeMs / 1000, birthtimeMs / 1000 + 8)
      const next = Migrations.fromRecord({ ...notesFiles, ...more, ...again })
      const said: Array<string> = []
      const logged = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ logLevel, message }) => void said.push(`${logLevel.label} ${message}`))
      )
      const error = yield* refusal(start(file, { migrations: next, timeout: "1 seconds" }))
      assert.deepInclude(error, { _tag: "UpgradeError", reason: "DeadlineTooShort" })
      assert.match(error.remedy, /^Set `timeout` \(`--timeout`, DATABASE_TIMEOUT\) to 1m /)
      yield* Effect.provide(start(file, { migrations: next, timeout: "6 seconds" }), logged)
      const warnings = said.filter((line) => line.startsWith("WARN"))
      assert.strictEqual(warnings.length, 1, said.join("\n"))
      assert.match(
        warnings[0] ?? "",
        /^WARN The backup of 20 MB before 004_again would take [89]s at the rate of the last one, and the deadline is 6s\. Set `timeout`/
      )
    })
  )
})
