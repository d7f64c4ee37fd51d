/** Room 3: from a connection to one whose every pragma reads back as required. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type { StageError } from "../start/Attempt.ts"
import { DatabaseConfig } from "./DatabaseConfig.ts"
import { atEdge, atOnce, isPassed, outcomeOf } from "./edge.ts"
import { Initialization } from "./Initialization.ts"
import { readOthers, setBack } from "./migrationPragmas.ts"
import { type PragmaError, unreadable } from "./PragmaError.ts"
import {
  foreignKeys,
  isFixed,
  isOfConnection,
  readAll,
  refuseOutOfRange,
  requiredOf,
  requireEqual,
  type Settings,
  setAndVerify,
  summaryOf
} from "./pragmas.ts"
import { answerOr, type SqliteFailure } from "./Sqlite.ts"
import { SqliteConnection } from "./SqliteConnection.ts"

/** What the pragmas stage found. Here, and not in the class, TypeScript leaves out of the declarations what is marked internal. */
export interface PragmasEvidence {
  /**
   * What was read back. The journal mode of a file that holds something is still the one that it had: it is switched
   * once everything is judged.
   */
  readonly settings: Settings
  /**
   * @internal
   * Runs something with foreign keys off, outside a transaction, where alone they can be switched
   * (https://sqlite.org/pragma.html#pragma_foreign_keys). However it ends, they are on again.
   */
  readonly withoutForeignKeys: <A, E, R>(body: () => Effect.Effect<A, E, R>) => Effect.Effect<A, E | PragmaError, R>
  /** @internal Runs a migration that may set pragmas, within its transaction, and sets back what it has set of them. */
  readonly restoringOthers: <A, E, R>(body: () => Effect.Effect<A, E, R>) => Effect.Effect<A, E | PragmaError, R>
  /**
   * @internal
   * Runs a statement with the busy timeout 0: SQLite refuses at once, whatever the settings say, where it would
   * wait with the event loop standing still.
   */
  readonly withoutWaiting: (statement: () => unknown) => Effect.Effect<void, SqliteFailure>
  /**
   * @internal
   * Reads everything back and compares it with what a database that is ready has. Sets nothing; for the live
   * health check.
   */
  readonly stillHold: Effect.Effect<Settings, PragmaError>
}

/** Evidence that the connection's pragmas were set and read back as required. */
export class VerifiedPragmas extends Context.Tag("database-ready/VerifiedPragmas")<VerifiedPragmas, PragmasEvidence>() {
  /** @internal Sets what differs on this connection and reads it back. Fails with `PragmaError`, or `StageError`. */
  static readonly make = Effect.fnUntraced(function* (
    config: DatabaseConfig["Type"],
    { stage }: Initialization["Type"],
    { sqlite }: SqliteConnection["Type"]
  ): Effect.fn.Return<VerifiedPragmas["Type"], PragmaError | StageError> {
    const busyTimeout = Duration.toMillis(config.pragmas.busyTimeout)
    const ofConnection = requiredOf(config, 0).filter(isOfConnection)
    const unswitched = ofConnection.filter(({ pragma }) => pragma !== "foreign_keys" && !isFixed(pragma))
    const atRuntime = requiredOf(config, busyTimeout)
    let others: Settings | undefined

    const settings = yield* stage(
      "pragmas",
      () =>
        outcomeOf(
          () =>
            refuseOutOfRange(config, busyTimeout) ??
            setAndVerify(sqlite, ofConnection, ofConnection, readAll(sqlite, ofConnection)),
          unreadable
        ),
      summaryOf
    )
    const setAllBack = (before: Settings) => {
      const back = setBack(sqlite, before)
      return back instanceof Error ? back : setAndVerify(sqlite, unswitched, unswitched, {})
    }
    return {
      settings,
      withoutForeignKeys: (body) =>
        andBack(
          () => foreignKeys(sqlite, "0"),
          body,
          () => foreignKeys(sqlite, "1")
        ),
      restoringOthers: (body) =>
        andBack(
          () => {
            // Of an attempt before this one some may be set still.
            others ??= readOthers(sqlite)
            return others
          },
          body,
          // Switching foreign keys off is the library's own doing here, and cannot be undone in a transaction.
          () => (others === undefined ? undefined : setAllBack(others))
        ),
      // In one turn: nobody reads the pragmas meanwhile.
      withoutWaiting: (statement) =>
        atEdge(() => {
          // Compiled each time: the pragma takes effect when it is compiled.
          if (busyTimeout > 0) sqlite.all("PRAGMA busy_timeout = 0")
          try {
            statement()
          } finally {
            if (busyTimeout > 0) sqlite.all(`PRAGMA busy_timeout = ${busyTimeout}`)
          }
        }, identity),
      stillHold: atEdge(() => requireEqual(readAll(sqlite, atRuntime), atRuntime), unreadable)
    }
  })

  /**
   * The pragmas stage: sets what differs and reads everything back, because SQLite takes a misspelt pragma without an
   * error (https://sqlite.org/pragma.html). Fails with `PragmaError`, or `StageError`.
   */
  static readonly layer = Layer.effect(
    VerifiedPragmas,
    Effect.flatMap(Effect.all([DatabaseConfig, Initialization, SqliteConnection]), (before) =>
      VerifiedPragmas.make(...before)
    )
  )
}

/**
 * Sets something, and sets it back however the body ends. What went wrong first is what has to be told; a connection
 * that is refused is closed anyhow.
 */
const andBack = <A, E, R>(
  set: () => Settings | PragmaError,
  body: () => Effect.Effect<A, E, R>,
  setBack: () => Settings | PragmaError | undefined
): Effect.Effect<A, E | PragmaError, R> => {
  let notBack: PragmaError | undefined
  const outcome = atOnce(function* () {
    yield* outcomeOf(set, unreadable)
    let isDone = false
    try {
      const value = yield* body()
      isDone = true
      yield* outcomeOf(setBack, unreadable)
      return value
    } finally {
      const back = isDone ? undefined : answerOr(setBack, unreadable)
      if (back instanceof Error) notBack = back
    }
  })
  return isPassed(outcome)
    ? outcome
    : Effect.onError(outcome, () => (notBack === undefined ? Effect.void : Effect.logWarning(notBack.message)))
}
