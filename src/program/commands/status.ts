/** `status`: the same look, without a write. */
import * as Command from "@effect/cli/Command"
import { forPostgres, options, shared } from "../options.ts"
import { run } from "../start.ts"

const { create: _, ...looking } = forPostgres

export const status = Command.make(
  "status",
  { ...shared, database: options.databaseOrUrl, ...looking },
  run("inspect")
).pipe(Command.withDescription("Say whether the database is ready: check the same things as init, and write nothing."))
