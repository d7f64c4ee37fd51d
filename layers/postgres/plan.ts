/** What a start would do to a database, told without a write. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import { declarationText } from "../schema/Declaration.ts"
import { postgresStatements } from "../schema/PostgresScript.ts"
import { type Migration, MigrationSource, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { type EarlierMigration, type PlannedMigration, type StartPlan, unknownPlan } from "../start/Plan.ts"
import { inDatabase } from "../start/Refusal.ts"
import { lookOnce, prove } from "./AppliedMigrations.ts"
import type { Seen } from "./DatabaseLook.ts"
import { historyUnreadable } from "./HistoryError.ts"
import { makeStart } from "./Initialization.ts"
import { refuseObstacles } from "./MigrationRun.ts"
import { openSession } from "./OpenSession.ts"
import { configFrom, type PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import type { InitializationError } from "./ReadyDatabase.ts"
import { replayed } from "./Replay.ts"
import { historyTable } from "./SchemaFingerprint.ts"
import { holdersIn, holdersStatement, lockKey, type Session } from "./Session.ts"
import type { LayerOptions } from "./startDatabase.ts"
import { upgradeError } from "./UpgradeError.ts"

/** What a start would do, and what is in its way. */
export interface DatabasePlan extends StartPlan {
  /** Why a start would be refused; undefined where nothing is seen that would refuse it. */
  readonly obstacle: InitializationError | undefined
}

/**
 * Tells what a start with these options would do, and leaves nothing behind. Looks as `access: "inspect"` does, and tries
 * the pending statements in a schema that is rolled back, where this role may create one. What depends on rows shows
 * when it is applied. Never fails: what is in the way is the plan's `obstacle`. `planLines` and `planJson` of
 * `database-ready/operate` print it.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 * import { planLines } from "database-ready/operate"
 * import { planDatabase } from "database-ready/postgres"
 * import { Console, Effect } from "effect"
 *
 * export const program = planDatabase({
 *   url: "postgres://app@db.example.org/app",
 *   migrations: Migrations.fromRecord({ "001_notes.sql": "CREATE TABLE notes (text text NOT NULL);" })
 * }).pipe(Effect.flatMap((plan) => Console.log(planLines(plan).join("\n"))))
 * ```
 */
export const planDatabase = <R = never>(options: LayerOptions<R>): Effect.Effect<DatabasePlan, never, R> => {
  const { create, ...given } = configFrom(options)
  const { connection } = given.policies
  // A start waits until a standby is promoted. A plan says that it is one.
  const policies = { ...given.policies, connection: { ...connection, schedule: Schedule.recurs(0) } }
  const config: PostgresConfig = { ...given, access: "initialize", create: false, policies }
  return Effect.flatMap(Effect.either(MigrationSource.make(options.migrations)), (source) =>
    Either.isLeft(source)
      ? Effect.succeed({ ...unknownPlan(config.database), obstacle: inDatabase(config.database, source.left) })
      : Effect.scoped(planWith(config, create, source.right))
  ).pipe(Effect.provide(Reactivity.layer))
}

const planWith = Effect.fnUntraced(function* (config: PostgresConfig, create: boolean, source: OrderedMigrations) {
  const start = yield* makeStart(config)
  const opened = yield* Effect.either(openSession(config, start))
  if (Either.isLeft(opened)) {
    const refusal = opened.left
    if (!(create && refusal._tag === "DirectoryError" && refusal.reason === "Absent")) {
      return { ...unknownPlan(config.database), obstacle: inDatabase<InitializationError>(config.database, refusal) }
    }
    const obstacle = yield* obstacleOf(config, refuseObstacles(source, source))
    const plan: DatabasePlan = {
      ...unknownPlan(config.database),
      status: obstacle === undefined ? "pending" : "refused",
      creates: [config.database],
      targetVersion: source.at(-1)?.version,
      pending: source.map((migration) => plannedOf(migration, [])),
      obstacle
    }
    return plan
  }
  const { session } = opened.right
  return yield* start
    .stage(
      "migrations",
      () => planOn(config, source, session),
      () => ""
    )
    .pipe(
      Effect.catchAll((error) =>
        Effect.succeed({
          ...unknownPlan(config.database),
          obstacle: inDatabase<InitializationError>(config.database, error)
        })
      )
    )
})

const obstacleOf = <A>({ database }: PostgresConfig, step: Effect.Effect<A, InitializationError>) =>
  Effect.match(step, {
    onFailure: (error) => inDatabase(database, error),
    onSuccess: () => undefined
  })

const planOn = Effect.fnUntraced(function* (config: PostgresConfig, source: OrderedMigrations, session: Session) {
  const { query } = session
  const seen = yield* lookOnce(source, session)
  const { ahead, pending, version } = seen.verdict
  const asked = Effect.mapError((error: unknown) => historyUnreadable(PostgresFailure.from(error)))
  const tablesNow = (yield* asked(query(tablesStatement))).map(({ name }) => String(name))
  const planned = pending.map((migration) => plannedOf(migration, tablesNow))
  const touched = [...new Set(planned.flatMap(({ tables }) => tables))]
  const sizes = touched.length === 0 ? [] : yield* asked(query(sizesStatement, [touched]))
  const earlier = seen.history.exists ? yield* asked(query(earlierStatement)) : []
  const obstacle = yield* obstacleOf(
    config,
    Effect.gen(function* () {
      yield* prove(config, source, session, seen)
      if (pending.length > 0) yield* tryPending(config, source, session, seen)
    })
  )
  const plan: DatabasePlan = {
    ...unknownPlan(config.database),
    status: obstacle !== undefined ? "refused" : pending.length > 0 ? "pending" : "upToDate",
    schemaVersion: version,
    targetVersion: ahead.length > 0 ? version : source.at(-1)?.version,
    pending: planned,
    tables: sizes.map((row) => ({
      table: String(row["name"]),
      rows: Number(row["rows"]),
      bytes: Number(row["bytes"]),
      isEstimate: false
    })),
    earlier: earlier.map(
      (row): EarlierMigration => ({
        version: String(row["version"]),
        description: String(row["description"]),
        appliedAt: String(row["applied_at"]),
        executionTimeMs: row["took"] === null ? undefined : Number(row["took"])
      })
    ),
    lockedBy: pending.length > 0 ? holdersIn(yield* asked(query(holdersStatement(lockKey(config.schema))))) : [],
    obstacle
  }
  return plan
})

/** What a start would be refused with once it applies what is pending, as far as the schema alone tells. */
const tryPending = Effect.fnUntraced(function* (
  config: PostgresConfig,
  source: OrderedMigrations,
  session: Session,
  { verdict: { applied, pending } }: Seen
) {
  yield* refuseObstacles(pending, source)
  const titles = pending.map(titleOf)
  const [may] = yield* Effect.mapError(
    session.query("SELECT has_schema_privilege($1, 'CREATE') AS may_create", [config.schema]),
    (error) => historyUnreadable(PostgresFailure.from(error))
  )
  if (may?.["may_create"] !== true) {
    const detail = `this role may not create tables in the schema ${config.schema}`
    const failure = PostgresFailure.from({ code: "42501", message: detail })
    return yield* upgradeError("NotWritten", titles.join(", "), { failure })
  }
  yield* Effect.catchAll(replayed(session, [...applied, ...pending]), (error) =>
    // What a replay cannot do tells nothing of the start: other schemas, the right to create one, a lock.
    error._tag === "UpgradeError" && !error.retryable && titles.includes(error.migration)
      ? Effect.fail(error)
      : Effect.void
  )
})

const tablesStatement = `SELECT c.relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname <> '${historyTable}' ORDER BY 1`

/** Rows as counted last: counting them reads the whole table. */
const sizesStatement = `SELECT c.relname::text AS name, pg_total_relation_size(c.oid) AS bytes,
  CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(c.oid) ELSE c.reltuples::int8 END AS rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname = ANY($1) ORDER BY 1`

const earlierStatement = `SELECT version, description, to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS applied_at,
  execution_time_ms AS took FROM ${historyTable} ORDER BY migration_id DESC LIMIT 5`

const plannedOf = (migration: Migration, tablesNow: ReadonlyArray<string>): PlannedMigration => {
  const { body, declared, name, version } = migration
  const isEffect = body._tag === "Effect"
  const statements = isEffect ? [] : postgresStatements(body.text)
  const named = new Set(statements.flatMap(({ text }) => namesIn(text)))
  return {
    version,
    name,
    declared: declarationText(declared),
    statements: statements.map(({ line, text }) => ({ line, text })),
    isEffect,
    tables: isEffect ? tablesNow : tablesNow.filter((table) => named.has(table))
  }
}

/** Every word that may be the name of a table: unquoted ones are in small letters. */
const namesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/"((?:[^"]|"")*)"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/g)].map(([word, quoted]) =>
    quoted === undefined ? word.toLowerCase() : quoted.replaceAll('""', '"')
  )
