/** The edge of a room: where plain code ends and Effect begins. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { SystemFailure } from "../machine/SystemFailure.ts"
import type { Steps } from "../start/atOnce.ts"
import { answerOr, SqliteFailure } from "./SqliteFailure.ts"

export { atOnce, isPassed, type Steps } from "../start/atOnce.ts"

/** `atEdge`, which has run already. */
export const outcomeOf = <A, E>(
  question: () => A,
  refused: (failure: SqliteFailure) => E
): Exit.Exit<Exclude<A, Error>, Extract<A, Error> | E> =>
  answerOr<Exit.Exit<Exclude<A, Error>, Extract<A, Error> | E>, Exit.Exit<never, E>>(
    () => verdictOf(question()),
    (failure) => Exit.fail(refused(failure))
  )

/** `outcomeOf` for a question to the system: whatever it throws is what the system answered. */
export const systemOutcomeOf = <A, E>(question: () => A, refused: (failure: SystemFailure) => E): Exit.Exit<A, E> => {
  try {
    return Exit.succeed(question())
  } catch (thrown) {
    return Exit.fail(refused(SystemFailure.from(thrown)))
  }
}

/**
 * Runs plain code. A refusal that it gives is what the effect fails with; an answer of SQLite that it throws is what
 * `refused` makes of it. Anything else that is thrown is a defect.
 */
export const atEdge = <A, E>(
  question: () => A,
  refused: (failure: SqliteFailure) => E
): Effect.Effect<Exclude<A, Error>, Extract<A, Error> | E> => Effect.suspend(() => outcomeOf(question, refused))

/** A refusal is an error that is given, and not thrown. */
export const verdictOf = <A>(given: A): Exit.Exit<Exclude<A, Error>, Extract<A, Error>> =>
  isRefusal(given) ? Exit.fail(given) : isAnswer(given) ? Exit.succeed(given) : Exit.die(given)

const isRefusal = <A>(given: A): given is Extract<A, Error> => given instanceof Error
const isAnswer = <A>(given: A): given is Exclude<A, Error> => !(given instanceof Error)

/** `outcomeOf` for a part of a generator: what it throws of SQLite's answers is a refusal of the whole. */
export function* orRefused<A, E, E2, R>(
  part: Steps<A, E, R>,
  refused: (failure: SqliteFailure) => E2
): Steps<A, E | E2, R> {
  try {
    return yield* part
  } catch (thrown) {
    if (!(thrown instanceof SqliteFailure)) throw thrown
    return yield* Exit.fail(refused(thrown))
  }
}
