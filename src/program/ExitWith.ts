import * as Data from "effect/Data"
import type { ExitCode } from "../../layers/index.ts"

/** Ends the program with this code. Everything that had to be said has been said. */
export class ExitWith extends Data.TaggedError("ExitWith")<{ readonly code: ExitCode }> {}
