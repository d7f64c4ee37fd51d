/**
 * Applies a migration whose statement runs in no transaction. The history says `started` before it and `completed` after
 * it. A start that finds `started` looks in the catalog how far the statement came.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { millisBetween } from "../machine/monotonic.ts"
import { type LoneStatement, loneStatementOf, postgresStatements } from "../schema/PostgresScript.ts"
import { type Migration, titleOf } from "../start/MigrationSource.ts"
import type { SchemaState, Seen } from "./DatabaseLook.ts"
import {
  type Completed,
  forgetStarted,
  prepareHistory,
  type Query,
  recordFinished,
  recordSchema,
  recordStarted
} from "./History.ts"
import { statementFailed } from "./MigrationRun.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { fingerprintOf, namesOf, objectsOf, objectsStatement, titleOfObject } from "./SchemaFingerprint.ts"
import type { Session } from "./Session.ts"
import { upgradeError } from "./UpgradeError.ts"

/** A connection of its own, without a transaction, until the scope closes. */
export const loneQuery = ({ transactions }: Session): Effect.Effect<Query, SqlError, Scope.Scope> =>
  Effect.map(
    transactions.reserve,
    (connection): Query =>
      (text, values = []) =>
        connection.executeUnprepared(text, values, undefined)
  )

const inTransaction = <A, E>(query: Query, body: Effect.Effect<A, E>): Effect.Effect<A, E | SqlError> =>
  query("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").pipe(
    Effect.zipRight(body),
    Effect.tap(() => query("COMMIT")),
    // A connection that goes back with a transaction in it is ended.
    Effect.tapError(() => Effect.ignore(query("ROLLBACK")))
  )

/** On a connection that has the lock of the migrations. */
export const applyLone = Effect.fnUntraced(function* (
  query: Query,
  { history, verdict }: Seen,
  before: SchemaState,
  migration: Migration,
  program: string
) {
  const title = titleOf(migration)
  const text = migration.body._tag === "Sql" ? migration.body.text : ""
  const [statement] = postgresStatements(text)
  const lone = statement === undefined ? undefined : loneStatementOf(statement)
  if (lone === undefined) return yield* upgradeError("Incomplete", title, { detail: "there is no statement in it" })
  const clock = yield* Effect.clock
  const begun = clock.unsafeCurrentTimeNanos()
  const isBegun = verdict.begun.has(migration.id)
  // For a table it would wait in line with others, for transactions alone: nobody waits behind it.
  yield* query("SET statement_timeout = 0; SET lock_timeout = 0")
  const index = yield* indexOn(query, lone)
  if (lone.kind === "createIndex" && index !== undefined && !isBegun) {
    const detail = `there is an index ${lone.index} already${index.isValid ? "" : `, and it is invalid: run \`DROP INDEX CONCURRENTLY ${lone.index}\``}`
    return yield* upgradeError("StatementFailed", title, { detail, statement: statement?.text ?? "", line: 1 })
  }
  if (!isBegun) {
    yield* inTransaction(
      query,
      Effect.zipRight(prepareHistory(query, history), recordStarted(query, { migration }, program))
    )
  }
  if (!isDone(lone, index, isBegun)) {
    yield* dropInvalid(query, lone)
    yield* query(text).pipe(
      Effect.mapError((error) => ({ error, failure: PostgresFailure.from(error) })),
      // What is there already was made before the start was interrupted.
      Effect.catchIf(
        ({ failure }) => isBegun && lone.kind === "addValue" && failure.code === "42710",
        () => Effect.void
      ),
      Effect.catchAll(({ error }) =>
        dropInvalid(query, lone).pipe(
          Effect.zipRight(forgetStarted(query, migration)),
          // If the connection is lost the row and the index stay, and the next start goes on.
          Effect.ignore,
          Effect.zipRight(statementFailed(title, text, error))
        )
      )
    )
  }
  const completed: Completed = {
    migration,
    executionTimeMs: Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos()))
  }
  const isExtra = new Set(before.extra.filter((title) => title !== `index ${lone.index}`))
  const state = yield* inTransaction(
    query,
    Effect.gen(function* () {
      yield* recordFinished(query, completed)
      const ours = objectsOf(yield* query(objectsStatement)).filter((object) => !isExtra.has(titleOfObject(object)))
      const state: SchemaState = { fingerprint: fingerprintOf(ours), extra: [...isExtra] }
      yield* recordSchema(query, migration, { fingerprint: state.fingerprint, ours: namesOf(ours) })
      return state
    })
  )
  return { completed, state }
})

interface FoundIndex {
  readonly isValid: boolean
}

const indexOn = (query: Query, { index }: LoneStatement): Effect.Effect<FoundIndex | undefined, SqlError> =>
  index === ""
    ? Effect.succeed(undefined)
    : Effect.map(
        query(
          `SELECT i.indisvalid AND i.indisready AND i.indislive AS valid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_index i ON i.indexrelid = c.oid WHERE n.nspname = current_schema() AND c.relname = $1`,
          [index]
        ),
        ([row]) => (row === undefined ? undefined : { isValid: row["valid"] === true })
      )

/** Whether a statement that was interrupted had done its work. */
const isDone = ({ kind }: LoneStatement, index: FoundIndex | undefined, isBegun: boolean): boolean =>
  isBegun && ((kind === "createIndex" && index?.isValid === true) || (kind === "dropIndex" && index === undefined))

/** What CREATE INDEX CONCURRENTLY leaves when it fails or is ended: an index that is kept up and never used. */
const dropInvalid = (query: Query, lone: LoneStatement): Effect.Effect<void, SqlError> =>
  lone.kind === "createIndex"
    ? Effect.flatMap(indexOn(query, lone), (index) =>
        index?.isValid === false
          ? Effect.asVoid(query(`DROP INDEX CONCURRENTLY "${lone.index.replaceAll('"', '""')}"`))
          : Effect.void
      )
    : Effect.void
