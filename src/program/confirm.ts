/** Asks before a command writes. */
import { createInterface } from "node:readline"
import * as Effect from "effect/Effect"

/** Only a person on a terminal is asked. Fails with `no` where nobody is, or where the answer is no. */
export const confirm = <E>(question: string, no: E, json: boolean): Effect.Effect<void, E> =>
  json || !process.stdin.isTTY || !process.stdout.isTTY
    ? Effect.fail(no)
    : Effect.flatMap(ask(`${question} (y/N) `), (answer) =>
        /^y(es)?$/i.test(answer.trim()) ? Effect.void : Effect.fail(no)
      )

/** Plain text, in any terminal and without colours. Ctrl-C and Ctrl-D close the line: the answer is "". */
const ask = (question: string): Effect.Effect<string> =>
  Effect.async((resume) => {
    const line = createInterface({ input: process.stdin, output: process.stdout })
    let answer = ""
    line.once("close", () => resume(Effect.succeed(answer)))
    line.question(question, (given) => {
      answer = given
      line.close()
    })
    return Effect.sync(() => line.close())
  })
