/** Migrations that are Effects with requirements and errors of their own. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { DatabaseReady, Migrations } from "../layers/index.ts"
import { notes, platform, rowsOf, temporaryFile } from "./support/database.ts"

class Signature extends Context.Tag("Signature")<Signature, string>() {}
class Separator extends Context.Tag("Separator")<Separator, string>() {}
class Unsigned extends Data.TaggedError("Unsigned")<{ readonly body: string }> {}

const sign = Migrations.fromEffect(
  "003_sign",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const signature = yield* Signature
    if (signature === "") return yield* new Unsigned({ body: "first" })
    yield* sql`UPDATE notes SET body = body || ${yield* Separator} || ${signature}`
  }),
  { version: "1" }
)

const starting = (filename: string, migrations: typeof sign | Migrations.Migrations<Signature | Separator>) =>
  DatabaseReady.layer({ filename, migrations: Migrations.all(notes, migrations) }).pipe(Layer.provide(platform))

const reportOf = <E, R>(layer: Layer.Layer<DatabaseReady, E, R>) =>
  Effect.scoped(
    Effect.provide(
      Effect.map(DatabaseReady, ({ report }) => report),
      Layer.fresh(layer)
    )
  )

describe("a migration that is an Effect", () => {
  it.scoped("gets the services that it needs from the layer of the database", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const layer = starting(file, sign)
      const needed: Layer.Layer<never, never, Layer.Layer.Context<typeof layer>> = Layer.empty
      const needing: Layer.Layer<never, never, Signature | Separator> = needed
      const report = yield* reportOf(layer).pipe(
        Effect.provide(needing),
        Effect.provideService(Signature, "me"),
        Effect.provideService(Separator, ", ")
      )
      assert.deepStrictEqual(
        report.applied.map(({ name }) => name),
        ["create_notes", "add_tags", "sign"]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first, me" }])
    })
  )

  it("asks for nothing if it needs only the client", () => {
    const alone = Migrations.fromEffect(
      "001_notes",
      Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE TABLE notes (body TEXT)`)
    )
    const needsNothing: Migrations.Migrations<never> = alone
    expectTypeOf(needsNothing).toEqualTypeOf<Migrations.Migrations<never>>()
  })

  it.scoped("uses the client of the start, whatever client its program has", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const other = yield* temporaryFile
      const others = DatabaseReady.layer({ filename: other, migrations: notes }).pipe(Layer.provide(platform))
      yield* reportOf(starting(file, sign).pipe(Layer.provide(others))).pipe(
        Effect.provideService(Signature, "me"),
        Effect.provideService(Separator, "-")
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first-me" }])
      assert.deepStrictEqual(yield* rowsOf(other, "SELECT body FROM notes"), [{ body: "first" }])
    })
  )

  it.scoped("that refuses a start gives its error back with its type", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const error = yield* Effect.flip(
        reportOf(starting(file, sign)).pipe(Effect.provideService(Signature, ""), Effect.provideService(Separator, "-"))
      )
      const failure: Option.Option<Unsigned | SqlError> = sign.failureIn(error)
      assert.deepStrictEqual(
        Option.map(failure, (known) => (known._tag === "Unsigned" ? known.body : known.message)),
        Option.some("first")
      )
      assert.strictEqual(error.reason, "EffectFailed")
      const twin = Migrations.fromEffect("003_sign", new Unsigned({ body: "first" }))
      assert.isTrue(Option.isNone(twin.failureIn(error)))
      assert.isTrue(Option.isNone(sign.failureIn("anything")))
    })
  )

  it.scoped("has a title like a file", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const error = yield* Effect.flip(reportOf(starting(file, Migrations.fromEffect("sign", Effect.void))))
      assert.strictEqual(error.reason, "BadName")
      assert.include(error.remedy, "NNN_name")
    }).pipe(Effect.provideService(Signature, ""), Effect.provideService(Separator, ""))
  )
})
