/** What an attempt to connect opens, and closes again if it fails. */
import * as Effect from "effect/Effect"
import * as ExecutionStrategy from "effect/ExecutionStrategy"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { isPassed } from "./edge.ts"
import type { Sqlite } from "./Sqlite.ts"

/** The connection of the attempt that runs, or of the one that passed. */
export interface Opened {
  sqlite: Sqlite | undefined
}

export const closeIn = (opened: Opened): void => {
  opened.sqlite?.database.close()
  opened.sqlite = undefined
}

/** What an attempt opens, and where. */
export interface Place {
  readonly opened: Opened
  /** What is opened in it is closed after the connection. Made when it is first asked for: most attempts open nothing else. */
  readonly beside: Effect.Effect<Scope.CloseableScope>
}

/** An attempt that fails closes what it opened, instead of leaving one open connection per attempt in the scope. */
export const closingWhatFails = <A, E, R>(
  scope: Scope.Scope,
  opened: Opened,
  attempt: (place: Place) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> => {
  let forked: Scope.CloseableScope | undefined
  const beside = Effect.suspend(() =>
    forked === undefined
      ? Effect.tap(Scope.fork(scope, ExecutionStrategy.sequential), (made) => {
          forked = made
        })
      : Effect.succeed(forked)
  )
  const outcome = attempt({ opened, beside: Effect.uninterruptible(beside) })
  return isPassed(outcome)
    ? outcome
    : Effect.onError(outcome, (cause) =>
        Effect.suspend(() => {
          closeIn(opened)
          return forked === undefined ? Effect.void : Scope.close(forked, Exit.failCause(cause))
        })
      )
}
