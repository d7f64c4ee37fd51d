/** Reads history and schema, judges the history, and proves the schema. */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { loneStatementOf, postgresStatements } from "../schema/PostgresScript.ts"
import type { Migration, OrderedMigrations } from "../start/MigrationSource.ts"
import { type History, type Query, readHistory } from "./History.ts"
import { HistoryError, historyUnreadable } from "./HistoryError.ts"
import { judge, type Verdict } from "./HistoryJudgement.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { codeAndDetail, PostgresFailure } from "./PostgresFailure.ts"
import {
  differenceOf,
  divideBy,
  fingerprintOf,
  isAsExpected,
  objectsOf,
  objectsStatement,
  type SchemaObject,
  titleOfObject
} from "./SchemaFingerprint.ts"

export interface Seen {
  readonly history: History
  readonly verdict: Verdict
  readonly objects: ReadonlyArray<SchemaObject>
}

export const look = (source: OrderedMigrations, query: Query): Effect.Effect<Seen, HistoryError> =>
  Effect.gen(function* () {
    const history = yield* readHistory(query)
    const objects = objectsOf(yield* query(objectsStatement))
    const verdict = judge(source, history)
    if (verdict instanceof HistoryError) return yield* verdict
    return { history, verdict, objects }
  }).pipe(Effect.catchTag("SqlError", (error) => historyUnreadable(PostgresFailure.from(error))))

/** How the live schema relates to the one that the migrations make. */
export interface SchemaState {
  /** SHA-256 of the schema's objects, without those that no migration made. */
  readonly fingerprint: string
  /** Objects that no migration made. */
  readonly extra: ReadonlyArray<string>
}

/** Undefined where the fingerprint that was kept does not explain the live schema. */
export const provenBy = ({ objects, verdict }: Seen): SchemaState | undefined => {
  // A new database may hold what others made: none of it is ours.
  if (verdict.version === undefined) {
    return { fingerprint: fingerprintOf([]), extra: objects.map(({ kind, name }) => `${kind} ${name}`) }
  }
  const { extra, ours } = divideBy(verdict.ours, objects)
  const fingerprint = fingerprintOf(ours)
  return fingerprint === verdict.fingerprint ? { fingerprint, extra } : undefined
}

/** Compares with what a replay makes. It decides: another release of PostgreSQL may print a definition differently. */
export const explained = (
  { objects, verdict }: Seen,
  replay: Effect.Effect<ReadonlyArray<SchemaObject>, SqlError | IntegrityError>
): Effect.Effect<SchemaState, IntegrityError> => {
  const differs = (detail: string) =>
    new IntegrityError({ reason: "SchemaDiffers", difference: undefined, detail, code: "", retryable: false })
  if (verdict.ahead.length > 0) {
    return differs(
      `it is not as the newer program left it; its migrations ${verdict.ahead.join(", ")} are not here to compare with`
    )
  }
  return replay.pipe(
    Effect.catchTag("SqlError", (error) => {
      const failure = PostgresFailure.from(error)
      return failure.code === "42501"
        ? differs("what differs is not known, because this role may not create a schema to compare with")
        : differs(`what differs is not known, because the migrations cannot be replayed (${codeAndDetail(failure)})`)
    }),
    Effect.flatMap((replayed) => {
      // What a statement that was interrupted makes or drops may be there or not.
      const half = new Set(verdict.pending.filter(({ id }) => verdict.begun.has(id)).map(indexOf))
      const isWhole = (object: SchemaObject) => !half.has(titleOfObject(object))
      const [expected, live] = [replayed.filter(isWhole), objects.filter(isWhole)]
      const difference = differenceOf(expected, live)
      if (isAsExpected(expected, live)) {
        return Effect.succeed({ fingerprint: fingerprintOf(expected), extra: difference.extra })
      }
      return new IntegrityError({ reason: "SchemaDiffers", difference, detail: "", code: "", retryable: false })
    })
  )
}

/** The title of the index that a migration without a transaction is about. */
const indexOf = ({ body }: Migration): string => {
  const [statement] = body._tag === "Sql" ? postgresStatements(body.text) : []
  return `index ${statement === undefined ? "" : (loneStatementOf(statement)?.index ?? "")}`
}
