import { SqlClient } from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { DatabaseReady, Migrations } from "../layers/index.ts"
import { independently, notes, platform, refusal, rowsOf, temporaryFile } from "./support/database.ts"

class Notes extends DatabaseReady.Tag("notes")<Notes>() {}
class Jobs extends DatabaseReady.Tag("jobs")<Jobs>() {}

const jobs = Migrations.fromRecord({ "001_jobs.sql": "CREATE TABLE jobs (id INTEGER PRIMARY KEY, name TEXT);" })

const both = (files: { readonly notes: string; readonly jobs: string }) =>
  Layer.merge(
    DatabaseReady.layerAs(Notes, { filename: files.notes, migrations: notes }),
    DatabaseReady.layerAs(Jobs, { filename: files.jobs, migrations: jobs })
  ).pipe(Layer.provide(platform))

const twoFiles = Effect.all({ notes: temporaryFile, jobs: temporaryFile })

describe("several databases in one program", () => {
  it.scoped("each have a report, a health, a client and a write of their own", () =>
    Effect.gen(function* () {
      const files = yield* twoFiles
      yield* Effect.gen(function* () {
        const [one, other] = yield* Effect.all([Notes, Jobs])
        assert.deepStrictEqual(
          [one.report, other.report].map(({ database, schemaVersion }) => [database, schemaVersion]),
          [
            [files.notes, "002"],
            [files.jobs, "001"]
          ]
        )
        const { fingerprint } = yield* other.health
        assert.notStrictEqual((yield* one.health).fingerprint, fingerprint)
        yield* other.write(other.sql`INSERT INTO jobs (name) VALUES ('tidy')`)
        assert.deepStrictEqual(yield* other.sql`SELECT name FROM jobs`, [{ name: "tidy" }])
        assert.isTrue(Either.isLeft(yield* Effect.either(one.sql`SELECT name FROM jobs`)))
      }).pipe(Effect.provide(both(files)))
    })
  )

  it.scoped("have transactions of their own: what one rolls back stays in the other", () =>
    Effect.gen(function* () {
      const files = yield* twoFiles
      yield* Effect.gen(function* () {
        const [one, other] = yield* Effect.all([Notes, Jobs])
        const inBoth = Effect.zipRight(
          one.sql`INSERT INTO notes (body) VALUES ('lost')`,
          other.write(other.sql`INSERT INTO jobs (name) VALUES ('kept')`)
        )
        const failed = yield* Effect.flip(one.write(Effect.zipRight(inBoth, Effect.fail("no"))))
        assert.strictEqual(failed, "no")
      }).pipe(Effect.provide(both(files)))
      assert.deepStrictEqual(yield* rowsOf(files.notes, "SELECT body FROM notes"), [{ body: "first" }])
      assert.deepStrictEqual(yield* rowsOf(files.jobs, "SELECT name FROM jobs"), [{ name: "kept" }])
    })
  )

  it.scoped("are not built at all when one of them is refused, and the refusal names its file", () =>
    Effect.gen(function* () {
      const files = yield* twoFiles
      yield* Effect.scoped(Layer.build(both(files)))
      yield* independently(files.jobs, (connection) => connection.exec("DROP TABLE jobs"))
      const refused = yield* refusal(Effect.scoped(Layer.build(both(files))))
      assert.deepInclude(refused, { _tag: "IntegrityError", reason: "SchemaDiffers" })
      assert.include(refused.message, files.jobs)
      assert.notInclude(refused.message, files.notes)
    })
  )

  it.scoped("name their file in each line of the log, and their tag in the metrics", () =>
    Effect.gen(function* () {
      const files = yield* twoFiles
      const named = new Set<unknown>()
      const lines = Logger.make(({ annotations }) => {
        named.add(Option.getOrUndefined(HashMap.get(annotations, "database")))
      })
      yield* Effect.scoped(Layer.build(both(files))).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, lines)),
        Logger.withMinimumLogLevel(LogLevel.Debug)
      )
      assert.sameMembers([...named], [files.notes, files.jobs])
      const measured = (yield* Metric.snapshot).flatMap(({ metricKey: { tags } }) =>
        tags.filter(({ key }) => key === "database").map(({ value }) => value)
      )
      assert.includeMembers(measured, ["notes", "jobs"])
    })
  )

  it("give no SqlClient, so that no statement reaches the wrong one", () => {
    const needed: Effect.Effect<unknown, unknown, SqlClient> = SqlClient
    // @ts-expect-error a tagged database provides its own tag alone
    // @effect-diagnostics-next-line missingEffectContext:off
    const provided: Effect.Effect<unknown, unknown, never> = Effect.provide(needed, both({ notes: "n", jobs: "j" }))
    assert.isDefined(provided)
  })
})
