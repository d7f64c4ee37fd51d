import * as Data from "effect/Data"
import type { ExitCode } from "../../layers/index.ts"

/** `plan` has found something that `init` would do, or `diff` a difference. No refusal, so none of the library's exit codes. */
export const somethingToDo = 2

/** Ends the program with this code. Everything that had to be said has been said. */
export class ExitWith extends Data.TaggedError("ExitWith")<{ readonly code: ExitCode | typeof somethingToDo }> {}
