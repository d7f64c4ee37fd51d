/** Runs one migration in the transaction of the start. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { unwrittenIn } from "../schema/EmptyScript.ts"
import { hindranceOf, loneStatementOf, type PostgresStatement, postgresStatements } from "../schema/PostgresScript.ts"
import { chainOf, describeCause } from "../start/CauseDetail.ts"
import { isRepeatable, type Migration, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import type { Query } from "./History.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"

/** Refuses, before anything runs, what cannot be run. */
export const refuseObstacles = (
  pending: ReadonlyArray<Migration>,
  { repeatables = [] }: OrderedMigrations
): Effect.Effect<void, UpgradeError> => {
  const [repeatable] = repeatables
  if (repeatable !== undefined) {
    const detail = "repeatable migrations are for SQLite alone so far"
    return upgradeError("NotForPostgres", titleOf(repeatable), { detail })
  }
  return Effect.forEach(pending, refuseOne, { discard: true })
}

const refuseOne = (migration: Migration): Effect.Effect<void, UpgradeError> => {
  const title = titleOf(migration)
  const { body, declared } = migration
  if (declared.foreignKeys === "off") {
    const detail = "`foreign_keys = off` is for rebuilding a table, which ALTER TABLE makes needless here"
    return upgradeError("NotForPostgres", title, { detail })
  }
  if (declared.settings === "ignored") {
    return upgradeError("NotForPostgres", title, { detail: "`settings = ignored` is for pragmas of SQLite" })
  }
  const isAlone = declared.transaction === "none"
  if (isAlone && body._tag === "Effect") {
    return upgradeError("NotAllowed", title, {
      detail: "an Effect runs in the transaction: `transaction = none` is for SQL"
    })
  }
  if (isRepeatable(migration) || body._tag === "Effect") return Effect.void
  const statements = postgresStatements(body.text)
  const [first] = statements
  if (first === undefined && (isAlone || unwrittenIn(body.text) !== undefined)) {
    return upgradeError("Incomplete", title, { detail: "there is no statement in it" })
  }
  if (first === undefined) return Effect.void
  if (isAlone) {
    const facts = { statement: first.text, line: first.line }
    const kinds = "CREATE INDEX CONCURRENTLY name, DROP INDEX CONCURRENTLY, ALTER TYPE ... ADD VALUE or VACUUM"
    return statements.length > 1 || loneStatementOf(first) === undefined
      ? upgradeError("NotAllowed", title, {
          ...facts,
          detail: `\`transaction = none\` is for one statement a file: ${kinds}`
        })
      : Effect.void
  }
  for (const statement of statements) {
    const detail = hindranceOf(statement)
    if (detail !== undefined) {
      return upgradeError("NotAllowed", title, { detail, statement: statement.text, line: statement.line })
    }
  }
  return Effect.void
}

const savepoint = "database_ready_migration"

/** The savepoint finds what the look at the text did not: a migration that ends the transaction. */
export const runMigration = (
  query: Query,
  client: SqlClient.SqlClient,
  migration: Migration
): Effect.Effect<void, UpgradeError> => {
  const title = titleOf(migration)
  const { body } = migration
  const ended = Effect.mapError((error: unknown) =>
    upgradeError("TransactionEnded", title, { failure: PostgresFailure.from(error) })
  )
  const run =
    body._tag === "Effect"
      ? Effect.asVoid(body.run).pipe(
          Effect.provideService(SqlClient.SqlClient, client),
          Effect.catchAllCause((cause) =>
            Cause.isInterruptedOnly(cause) ? Effect.interrupt : Effect.fail(effectFailed(title, cause))
          )
        )
      : Effect.mapError(Effect.asVoid(query(textWithin(migration, body.text))), (error) =>
          statementFailed(title, body.text, error)
        )
  return ended(query(`SAVEPOINT ${savepoint}`)).pipe(
    Effect.zipRight(run),
    Effect.zipRight(ended(query(`RELEASE ${savepoint}`))),
    Effect.asVoid
  )
}

/** Only a replay runs in a transaction what otherwise runs in none. */
const textWithin = ({ declared }: Migration, text: string): string => {
  const [only] = declared.transaction === "none" ? postgresStatements(text) : []
  return only === undefined ? text : (loneStatementOf(only)?.within ?? text)
}

/** The text is sent whole: PostgreSQL says how many characters before the fault. */
export const statementFailed = (title: string, text: string, error: unknown): UpgradeError => {
  const failure = PostgresFailure.from(error)
  const at = offsetOf(text, failure.position)
  const statement = at === undefined ? undefined : statementAt(text, at)
  const line = at === undefined ? 0 : text.slice(0, at).split("\n").length
  return upgradeError("StatementFailed", title, { failure, statement: statement?.text ?? "", line })
}

/** PostgreSQL counts characters, JavaScript units of UTF-16. */
const offsetOf = (text: string, position: number): number | undefined =>
  position > 0 ? [...text].slice(0, position - 1).join("").length : undefined

const statementAt = (text: string, at: number): PostgresStatement | undefined =>
  postgresStatements(text).findLast(({ offset }) => offset <= at)

/** PostgreSQL's own code if the Effect failed with one, so that a lock stays retryable. */
const effectFailed = (title: string, failed: Cause.Cause<unknown>): UpgradeError => {
  const { cause, detail } = describeCause(failed)
  const failure = chainOf(cause)
    .map(PostgresFailure.from)
    .find(({ code }) => /^[0-9A-Z]{5}$/.test(code))
  return upgradeError("EffectFailed", title, { cause, detail, ...(failure === undefined ? {} : { failure }) })
}
