/** The service's database on the PostgreSQL of the tests. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { DatabaseReady } from "../../layers/postgres.ts"
import { migrations } from "../../src/service/postgres/migrations.ts"
import { types } from "../../src/service/postgres/values.ts"
import { ask, copyOf, newDatabase } from "../postgres/databases.ts"
import { onServer } from "./database.ts"

/** A database with the service's migrations, from which those of the tests are copied. */
let migrated: string | undefined

const newMigrated = Effect.gen(function* () {
  if (migrated === undefined) {
    const url = yield* newDatabase
    yield* Effect.scoped(Layer.build(DatabaseReady.layer({ url, migrations })))
    migrated = url
  }
  return yield* copyOf(migrated)
}).pipe(Effect.orDie)

const urls = new Map<string, string>()

/** The same database each time for a folder. `rowsOf` on the file that would be there asks it. */
export const onPostgres = Effect.fnUntraced(function* (folder: string) {
  const url = urls.get(folder) ?? (yield* newMigrated)
  urls.set(folder, url)
  onServer.set(join(folder, "app.db"), (sql) => ask(url, sql, [], types))
  return { databaseUrl: Option.some(Redacted.make(url)) }
})
