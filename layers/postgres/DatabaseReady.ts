/** Room 6: all the evidence, as the one service that programs ask for. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { InitializationError, ReadyDatabase } from "./ReadyDatabase.ts"
import { type LayerOptions, startWith } from "./startDatabase.ts"

/**
 * A PostgreSQL database that is provably ready: it can be reached, the server is one that this program can work on, its
 * sessions have the settings that it needs, and its history and schema are those of the program's migrations.
 *
 * @example
 * ```ts
 * import { SqlClient } from "@effect/sql"
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { DatabaseReady } from "database-ready/postgres"
 * import { Effect, Layer } from "effect"
 *
 * const Database = DatabaseReady.layer({
 *   url: "postgres://app@db.example.org/app?sslmode=verify-full",
 *   migrations: Migrations.fromDirectory("migrations/postgres")
 * }).pipe(Layer.provide(NodeContext.layer))
 *
 * export const program = Effect.gen(function* () {
 *   const { write } = yield* DatabaseReady
 *   const sql = yield* SqlClient.SqlClient
 *   yield* write(sql`INSERT INTO notes (text) VALUES ('hello')`)
 * }).pipe(Effect.provide(Database))
 * ```
 */
export class DatabaseReady extends Context.Tag("database-ready/postgres/DatabaseReady")<
  DatabaseReady,
  ReadyDatabase
>() {
  /**
   * `DatabaseReady` and the `SqlClient` and `PgClient` that only it gives. What depends on one of them is not built before
   * the database is ready. The connections are closed with the layer. Fails with an `InitializationError`.
   */
  static readonly layer = <R = never>(
    options: LayerOptions<R>
  ): Layer.Layer<DatabaseReady | SqlClient.SqlClient | PgClient.PgClient, InitializationError, R> =>
    Layer.scopedContext(
      Effect.map(startWith(options), ({ client, ready }) =>
        Context.make(DatabaseReady, ready).pipe(
          Context.add(SqlClient.SqlClient, client),
          Context.add(PgClient.PgClient, client)
        )
      )
    ).pipe(Layer.provide(Reactivity.layer))
}
