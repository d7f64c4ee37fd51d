/** `@effect/sql`'s Migrator, imported by barrels as its documentation does. */
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { SqliteClient, SqliteMigrator } from "@effect/sql-sqlite-node"
import { Effect, Exit, Layer, ManagedRuntime, Scope } from "effect"
import type { Start } from "../subject.ts"

const service = ManagedRuntime.make(NodeContext.layer)

export const start: Start = async (filename, { effect }) => {
  mkdirSync(dirname(filename), { recursive: true })
  const client = SqliteClient.layer({ filename })
  const migrator = SqliteMigrator.layer({ loader: SqliteMigrator.fromFileSystem(effect) })
  const scope = Effect.runSync(Scope.make())
  await Layer.provideMerge(migrator, client).pipe(Layer.buildWithScope(scope), service.runPromise)
  return () => Effect.runPromise(Scope.close(scope, Exit.void))
}
