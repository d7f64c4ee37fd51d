/**
 * The same migrations give the same data, however many are pending at once: compared with plain code that runs each
 * file alone. The lists are the same each time; long form: `SEED=2 CASES=100000 npx vitest run --config
 * test/vitest.config.ts test/oneMeaning.test.ts`.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as fc from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { type InitializationError, Migrations } from "../layers/index.ts"
import { start } from "./support/database.ts"
import { asMigration, migrationLists } from "./support/migrationLists.ts"
import { contentOf, fileByFile, type ReferenceFile, refusedBefore, type Verdict } from "./support/reference.ts"

const cases = Number(process.env["CASES"] ?? 400)

const recordOf = (files: ReadonlyArray<ReferenceFile>) =>
  Object.fromEntries(files.map((file, index) => [`${String(index + 1).padStart(3, "0")}_file.sql`, asMigration(file)]))

/** The result of one start, in the words of the reference. */
const verdictOf = (file: string, files: ReadonlyArray<ReferenceFile>): Effect.Effect<Verdict> =>
  start(file, { migrations: Migrations.fromRecord(recordOf(files)), backups: 0 }).pipe(
    Effect.either,
    Logger.withMinimumLogLevel(LogLevel.None),
    Effect.map((ended) => (Either.isRight(ended) ? ("ready" as const) : refusalOf(ended.left)))
  )

const refusalOf = (error: InitializationError): Verdict => {
  const migration = "migration" in error ? String(error.migration) : ""
  return `${error.reason} at ${Number(migration.slice(0, 3))}`
}

const contentAt = (file: string): string => {
  const database = new Sqlite(file)
  try {
    return contentOf(database)
  } finally {
    database.close()
  }
}

/**
 * Where a start may stop that is refused at a file: at the last switch of foreign keys before it, or where it began. A
 * reference deferred to the commit may need one more.
 */
const standingOf = (files: ReadonlyArray<ReferenceFile>, from: number, refusedIndex: number): ReadonlyArray<number> => {
  const before = files.slice(0, refusedIndex + 1)
  const isDeferred = before.some(({ sql }) => /defer/i.test(sql))
  const ends = before.flatMap((file, at) =>
    at > from &&
    (file.isOff !== files[at - 1]?.isOff || (isDeferred && /drop|defer_foreign_keys/i.test(files[at - 1]?.sql ?? "")))
      ? [at]
      : []
  )
  const last = ends.findLast((at) => files[at]?.isOff !== files[at - 1]?.isOff) ?? from
  return [last, ...ends.filter((at) => at > last)]
}

describe("a list of migrations", () => {
  it(`means each file on its own, in any number of starts (${cases} lists)`, { timeout: 36_000_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "database-ready-"))
    let count = 0
    try {
      await fc.assert(
        fc.asyncProperty(migrationLists, fc.array(fc.nat(6), { maxLength: 2 }), async (files, cuts) => {
          count += 1
          const expected = fileByFile(files)
          const file = join(folder, `${count}.db`)
          const stops = [...new Set(cuts.map((cut) => (cut % files.length) + 1)), files.length].sort((a, b) => a - b)
          let stands = 0
          for (const stop of stops) {
            const given = files.slice(0, stop)
            const verdict = await Effect.runPromise(verdictOf(file, given))
            const refusedAt = expected.verdict === "ready" ? Number.POSITIVE_INFINITY : expected.contents.length
            // A new database has no trial. Earlier files may fail because of rows; later ones never.
            const refused = stands === 0 ? undefined : refusedBefore(given, stands)
            if (refused !== undefined) {
              assert.strictEqual(verdict, refused)
              assert.isAtMost(refusedAt, Number(refused.split(" ").at(-1)))
              assert.strictEqual(contentAt(file), expected.contents[stands])
              continue
            }
            assert.strictEqual(verdict, refusedAt <= stop ? expected.verdict : "ready")
            const content = contentAt(file)
            const standing = refusedAt <= stop ? standingOf(files, stands, refusedAt - 1) : [stop]
            const found = standing.find((at) => expected.contents[at] === content)
            if (found === undefined) assert.strictEqual(content, expected.contents[standing[0] ?? 0])
            else stands = found
          }
          rmSync(file, { force: true })
        }),
        { numRuns: cases, seed: Number(process.env["SEED"] ?? 1) }
      )
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})
