/** Ends a command that was refused: with its lines or its JSON, and its exit code. */
import * as Effect from "effect/Effect"
import { exitCodeOf, refusalJson, refusalLines } from "../../layers/index.ts"
import { ExitWith } from "./ExitWith.ts"
import { say, tell } from "./say.ts"

export const refuseWith =
  (json: boolean, headline?: string) =>
  (error: Parameters<typeof exitCodeOf>[0]): Effect.Effect<never, ExitWith> =>
    Effect.zipRight(
      json ? say(refusalJson(error)) : tell(refusalLines(error, headline).join("\n")),
      new ExitWith({ code: exitCodeOf(error) })
    )
