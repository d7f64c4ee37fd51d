/** `init`: the start, once. */
import * as Command from "@effect/cli/Command"
import { forPostgres, options, shared } from "../options.ts"
import { run } from "../start.ts"

export const init = Command.make(
  "init",
  { ...shared, database: options.databaseOrUrl, backups: options.backups, ...forPostgres },
  run("initialize")
).pipe(Command.withDescription("Create, migrate and check the database, then say that it is ready."))
