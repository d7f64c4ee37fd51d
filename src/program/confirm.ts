/** Asks before a command writes. */
import * as Prompt from "@effect/cli/Prompt"
import * as Effect from "effect/Effect"

/** Only a person on a terminal is asked. Fails with `no` where nobody is, or where the answer is no. */
export const confirm = <E>(question: string, no: E, json: boolean) => {
  if (json || !process.stdin.isTTY || !process.stdout.isTTY) return Effect.fail(no)
  return Prompt.run(Prompt.confirm({ message: question })).pipe(
    Effect.orElseSucceed(() => false),
    Effect.filterOrFail(
      (answer) => answer,
      () => no
    )
  )
}
