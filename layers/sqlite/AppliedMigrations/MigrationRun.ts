/** How one migration is run, as text or as an Effect, and what it fails with. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { statementsIn } from "../../schema/Checksum.ts"
import { isLostSetting } from "../../schema/PragmaRules.ts"
import { misplacedInRepeatable } from "../../schema/RepeatableRules.ts"
import { identifier, type Statement } from "../../schema/SqlScript.ts"
import { obstacleIn } from "../../schema/StatementRules.ts"
import { describeCause } from "../../start/CauseDetail.ts"
import { isRepeatable, type Migration, titleOf } from "../../start/MigrationSource.ts"
import { type Connected, clientOf } from "../Client.ts"
import { atOnce, outcomeOf } from "../edge.ts"
import { type Sqlite, SqliteFailure, text } from "../Sqlite.ts"
import { cureOf } from "./Cures.ts"
import { type Reason, type UpgradeError, upgradeError } from "./UpgradeError.ts"

/** A migration with the statements that run; an Effect has none. */
export interface Script {
  readonly migration: Migration
  readonly statements: ReadonlyArray<Statement>
}

export const scriptOf = (migration: Migration): Script => ({
  migration,
  statements: migration.body._tag === "Sql" ? statementsToRun(migration.body, migration.declared) : []
})

/** Skips settings that are declared ignored: some of them would outlive the migration. */
const statementsToRun = (
  body: { readonly text: string },
  { settings }: Migration["declared"]
): ReadonlyArray<Statement> =>
  settings === "ignored" ? statementsIn(body).filter((statement) => !isLostSetting(statement)) : statementsIn(body)

/** Refuses, before the first write, what cannot run as its file says. */
export const refuseObstacles = (migrations: ReadonlyArray<Migration>): UpgradeError | undefined => {
  for (const migration of migrations) {
    const { body, declared, id } = migration
    if (body._tag === "Effect") continue
    const statements = statementsIn(body)
    const obstacle =
      obstacleIn({ id, text: body.text, declared, statements }) ??
      (isRepeatable(migration) ? misplacedInRepeatable(statements) : undefined)
    if (obstacle !== undefined) {
      const { reason, remedy: cure, ...facts } = obstacle
      return upgradeError(reason, { migration: titleOf(migration), cure, ...facts })
    }
  }
  return undefined
}

/** Runs a whole migration within the transaction that is open on the connection. */
export const runMigration = (
  sqlite: Connected,
  script: Script,
  begins?: (statement: Statement, index: number) => Effect.Effect<void>
): Effect.Effect<void, UpgradeError> => Effect.suspend(() => beginMigration(sqlite, script, () => Effect.void, begins))

/** `runMigration`, which begins when it is called: an `Exit` where nothing has to be waited for. */
export const beginMigration = (
  sqlite: Connected,
  { migration, statements }: Script,
  between: () => Effect.Effect<void>,
  begins: (statement: Statement, index: number) => Effect.Effect<void> = () => Effect.void
): Effect.Effect<void, UpgradeError> =>
  migration.body._tag === "Effect"
    ? // The Effect's statements run in our transaction; a transaction of its own is a savepoint.
      runInSavepoint(sqlite, migration, sqlite.within(migration.body.run)).pipe(
        Effect.provideServiceEffect(
          SqlClient.SqlClient,
          Effect.map(Reactivity.make, (reactivity) => clientOf(sqlite, Effect.succeed(reactivity)))
        )
      )
    : atOnce(function* () {
        const title = titleOf(migration)
        const savepoint = savepointAround(sqlite, statements)
        const notMarked = (failure: SqliteFailure) => upgradeError("StatementFailed", { migration: title, failure })
        yield* outcomeOf(savepoint.open, notMarked)
        for (const [index, statement] of statements.entries()) {
          yield* begins(statement, index)
          yield* outcomeOf(
            () => sqlite.all(statement.text),
            (failure) => {
              const cure = cureOf(sqlite, statement.text, failure)
              return upgradeError("StatementFailed", { migration: title, statement, failure, cure })
            }
          )
          yield* between()
        }
        yield* outcomeOf(savepoint.close, notMarked)
      })

/** A later file could roll back to a savepoint that a file left open. A savepoint around the file closes it. */
export const savepointAround = ({ all }: Sqlite, statements: Script["statements"]) => {
  const isNeeded = statements.some(({ text }) => /\bsavepoint\b/i.test(text))
  const step = (sql: string) => () => {
    if (isNeeded) all(sql)
  }
  return { open: step("SAVEPOINT database_ready_file"), close: step("RELEASE database_ready_file") }
}

/** Drops temp objects: they shadow tables in the file, and vanish with this connection. */
export const dropTemporary = ({ all }: Sqlite): void => {
  // Virtual tables first: their shadow tables go with them.
  const left = all(
    `SELECT type, name FROM temp.sqlite_schema WHERE type <> 'index' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
ORDER BY type = 'table', sql NOT LIKE 'CREATE VIRTUAL %'`
  )
  for (const row of left) {
    all(`DROP ${text(row, "type")} IF EXISTS temp.${identifier(text(row, "name"))}`)
  }
}

/**
 * Resets `last_insert_rowid()` and `changes()` to their values on a new connection. Only an INSERT and a DELETE can
 * (https://sqlite.org/lang_corefunc.html#changes); `total_changes()` cannot be reset.
 */
export const resetCounters = ({ all }: Sqlite): void => {
  all("CREATE TEMP TABLE database_ready_counters (id INTEGER PRIMARY KEY)")
  all("INSERT INTO temp.database_ready_counters VALUES (0)")
  all("DELETE FROM temp.database_ready_counters WHERE false")
  all("DROP TABLE temp.database_ready_counters")
}

/**
 * A savepoint ends with its transaction: so RELEASE fails if the Effect ended ours. That cannot be undone, but it is
 * reported.
 */
const runInSavepoint = <R>(
  sqlite: Sqlite,
  migration: Migration,
  run: Effect.Effect<unknown, unknown, R>
): Effect.Effect<void, UpgradeError, R> => {
  const refuseAs = (reason: Reason) => (failure: SqliteFailure) =>
    upgradeError(reason, { migration: titleOf(migration), failure })
  return Effect.mapError(sqlite.run("SAVEPOINT database_ready_migration"), refuseAs("EffectFailed")).pipe(
    Effect.zipRight(
      Effect.catchAllCause(run, (cause) =>
        Cause.isInterruptedOnly(cause)
          ? Effect.interrupt
          : upgradeError("EffectFailed", effectFailure(migration, cause))
      )
    ),
    Effect.zipRight(Effect.mapError(sqlite.run("RELEASE database_ready_migration"), refuseAs("TransactionEnded"))),
    Effect.asVoid
  )
}

/** SQLite's own code if the Effect failed with one, so that BUSY stays retryable. */
const effectFailure = (migration: Migration, failed: Cause.Cause<unknown>) => {
  const { cause, chain, detail } = describeCause(failed)
  const failure = chain.map(SqliteFailure.from).find(({ code }) => code.startsWith("SQLITE_"))
  const { code = "", retryable = false } = failure ?? {}
  return { migration: titleOf(migration), cause, failure: { code, detail, retryable } }
}
