/** `status`: the same look, without a write. */
import * as Command from "@effect/cli/Command"
import { shared } from "../options.ts"
import { run } from "../start.ts"

export const status = Command.make("status", shared, run("inspect")).pipe(
  Command.withDescription("Check the same things without writing anything.")
)
