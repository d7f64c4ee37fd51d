/** Room 4: from a connection to one on a database whose history is exactly the program's migrations. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { millisBetween } from "../machine/monotonic.ts"
import type { AppliedMigration } from "../start/AppliedMigration.ts"
import type { Attempt, StageError } from "../start/Attempt.ts"
import { type Migration, type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { explained, look, provenBy, type SchemaState, type Seen } from "./DatabaseLook.ts"
import { type Completed, prepareHistory, recordCompleted, recordSchema } from "./History.ts"
import { type HistoryError, historyUnreadable } from "./HistoryError.ts"
import type { RunningStart } from "./Initialization.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import { applyLone, loneQuery } from "./LoneMigration.ts"
import { refuseObstacles, runMigration } from "./MigrationRun.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { replay } from "./Replay.ts"
import { describeLoss, guardRows } from "./RowGuard.ts"
import { fingerprintOf, namesOf, objectsOf, objectsStatement, titleOfObject } from "./SchemaFingerprint.ts"
import { holdersIn, holdersStatement, lockKey, type Session, watchingLocks } from "./Session.ts"
import { setAgain } from "./Settings.ts"
import { type UpgradeError, upgradeError, withStanding } from "./UpgradeError.ts"

/** What the migrations stage found and did. */
export interface MigrationsEvidence {
  readonly version: string | undefined
  readonly ahead: ReadonlyArray<string>
  readonly applied: ReadonlyArray<AppliedMigration>
  /** The schema as the last look saw it; undefined where the integrity stage has to explain it. */
  readonly state: SchemaState | undefined
}

type Refused = HistoryError | UpgradeError | IntegrityError

/**
 * Applies all that is pending in one transaction; a migration that declares `transaction = none` splits it. An
 * up-to-date start takes no lock. Any other start tries for the lock, and never waits for it within PostgreSQL: CREATE
 * INDEX CONCURRENTLY would wait for that transaction.
 */
export const applyMigrations = (
  config: PostgresConfig,
  start: RunningStart,
  source: OrderedMigrations,
  session: Session
): Effect.Effect<MigrationsEvidence, Refused | StageError> => {
  const { stage } = start
  const evidence = ({ verdict }: Seen, state: SchemaState | undefined, applied: ReadonlyArray<Completed> = []) => ({
    version: verdict.ahead.length > 0 ? verdict.version : source.at(-1)?.version,
    ahead: verdict.ahead,
    state,
    applied: applied.map(({ executionTimeMs, migration: { name, version } }) => ({ version, name, executionTimeMs }))
  })
  /** Of all attempts: what is committed stands. */
  const completed: Array<Completed> = []
  const stands = () => completed.map(({ migration }) => titleOf(migration))
  const next = (seen: Seen, attempt: Attempt): Effect.Effect<MigrationsEvidence, Refused | StageError> =>
    Effect.gen(function* () {
      const [first] = seen.verdict.pending
      const apply = first?.declared.transaction === "none" ? upgradeAlone : upgrade
      const done = yield* apply(config, start, source, session, seen, attempt)
      completed.push(...done.completed)
      attempt.committed({ applied: done.completed.map(({ migration }) => titleOf(migration)), backup: undefined })
      // What follows a statement without a transaction, or comes before one, is a transaction of its own.
      const again = yield* lookOnce(source, session)
      return again.verdict.pending.length === 0 ? evidence(again, done.state, completed) : yield* next(again, attempt)
    })
  return stage(
    "migrations",
    (attempt) =>
      Effect.gen(function* () {
        const seen = yield* lookOnce(source, session)
        if (seen.verdict.pending.length === 0) return evidence(seen, provenBy(seen), completed)
        yield* refuseObstacles(seen.verdict.pending, source)
        if (config.access === "inspect") {
          yield* prove(config, source, session, seen)
          const detail = seen.history.exists
            ? "the database is older than this program"
            : "the database was never initialized"
          return yield* upgradeError("Pending", titlesOf(seen.verdict.pending), { detail })
        }
        return yield* next(seen, attempt)
      }).pipe(Effect.catchTag("UpgradeError", (error) => withStanding(error, stands()))),
    summary
  )
}

const titlesOf = (migrations: ReadonlyArray<Migration | AppliedMigration>): string => migrations.map(titleOf).join(", ")

const summary = ({ ahead, applied, version }: MigrationsEvidence): string => {
  if (version === undefined) return "no migrations"
  const done =
    applied.length > 0 ? `applied ${applied.length > 5 ? applied.length : titlesOf(applied)}` : "nothing to apply"
  return `at ${version}, ${ahead.length > 0 ? `newer than this program by ${ahead.join(", ")}` : done}`
}

/** In one snapshot: another program may commit between two questions. */
export const lookOnce = (
  source: OrderedMigrations,
  { query, transactions }: Session
): Effect.Effect<Seen, HistoryError> =>
  transactions
    .transaction({ isolation: "repeatable read", readOnly: true })(look(source, query))
    .pipe(Effect.catchTag("SqlError", (error) => historyUnreadable(PostgresFailure.from(error))))

/**
 * Proves the schema. PostgreSQL prints definitions from its newest catalog, not from the snapshot. So a difference counts
 * only if a second look finds it too, while nobody migrates.
 */
export const prove = (
  config: PostgresConfig,
  source: OrderedMigrations,
  session: Session,
  seen: Seen
): Effect.Effect<SchemaState, Refused> => {
  const known = provenBy(seen)
  if (known !== undefined) return Effect.succeed(known)
  const { query, transactions } = session
  return transactions
    .transaction()(
      Effect.gen(function* () {
        const [row] = yield* query(`SELECT pg_try_advisory_xact_lock_shared(${lockKey(config.schema)}) AS locked`)
        if (row?.["locked"] !== true) {
          const detail = "it is being migrated at this moment"
          return yield* upgradeError("Busy", titlesOf(source), { detail })
        }
        const again = yield* look(source, query)
        return provenBy(again) ?? (yield* explained(again, replay(session, again.verdict.applied)))
      })
    )
    .pipe(Effect.catchTag("SqlError", (error) => historyUnreadable(PostgresFailure.from(error))))
}

const upgrade = (
  config: PostgresConfig,
  { seeHolders }: RunningStart,
  source: OrderedMigrations,
  session: Session,
  first: Seen,
  attempt: Attempt
) => {
  const { query, transactions } = session
  const key = lockKey(config.schema)
  const pending = titlesOf(inOneTransaction(first.verdict.pending))
  // The session has no limit. But while a statement waits for a table, all later statements on it wait behind it.
  const watching = watchingLocks(session, config.lockTimeout, seeHolders)
  const limits = `SET LOCAL lock_timeout = ${Duration.toMillis(config.lockTimeout)}; SET LOCAL statement_timeout = 0`
  return transactions
    .transaction()(
      Effect.gen(function* () {
        const [row] = yield* query(`SELECT pg_try_advisory_xact_lock(${key}) AS locked`)
        if (row?.["locked"] !== true) {
          seeHolders(holdersIn(yield* query(holdersStatement(key))))
          return yield* upgradeError("Busy", pending, { detail: beingMigrated })
        }
        const seen = yield* look(source, query)
        const before = provenBy(seen) ?? (yield* explained(seen, replay(session, seen.verdict.applied)))
        const completed: Array<Completed> = []
        const group = inOneTransaction(seen.verdict.pending)
        if (group.length === 0) return { state: before, completed }
        yield* query(limits)
        yield* prepareHistory(query, seen.history)
        for (const migration of group) {
          attempt.doing(`applying ${titleOf(migration)}`)
          completed.push(yield* watching(applyOne(session, migration)))
          yield* query(`${setAgain(config)}; ${limits}`)
          const last = completed.at(-1)
          if (last !== undefined) yield* recordCompleted(query, last, config.program)
          yield* attempt.inTime
        }
        const isExtra = new Set(before.extra)
        const ours = objectsOf(yield* query(objectsStatement)).filter((object) => !isExtra.has(titleOfObject(object)))
        const state = { fingerprint: fingerprintOf(ours), extra: before.extra }
        const newest = group.at(-1)
        if (newest !== undefined) {
          yield* recordSchema(query, newest, { fingerprint: state.fingerprint, ours: namesOf(ours) })
        }
        yield* attempt.inTime
        return { state, completed }
      })
    )
    .pipe(
      Effect.catchTag("SqlError", (error) => {
        const failure = PostgresFailure.from(error)
        return upgradeError("NotWritten", pending, { failure })
      })
    )
}

const beingMigrated = "another program is migrating the database"

/** Those before the first one that runs in no transaction. */
const inOneTransaction = (pending: ReadonlyArray<Migration>): ReadonlyArray<Migration> => {
  const end = pending.findIndex(({ declared }) => declared.transaction === "none")
  return end < 0 ? pending : pending.slice(0, end)
}

/** The lock is the session's. It is the same one: only one of all starts has it, for a transaction or for a session. */
const upgradeAlone = (
  config: PostgresConfig,
  { seeHolders }: RunningStart,
  source: OrderedMigrations,
  session: Session,
  first: Seen,
  attempt: Attempt
) => {
  const key = lockKey(config.schema)
  const [pending = ""] = first.verdict.pending.map(titleOf)
  return Effect.gen(function* () {
    const query = yield* loneQuery(session)
    const [row] = yield* query(`SELECT pg_try_advisory_lock(${key}) AS locked`)
    if (row?.["locked"] !== true) {
      seeHolders(holdersIn(yield* query(holdersStatement(key))))
      return yield* upgradeError("Busy", pending, { detail: beingMigrated })
    }
    yield* Effect.addFinalizer(() => Effect.ignore(query(`${setAgain(config)}; SELECT pg_advisory_unlock(${key})`)))
    const seen = yield* lookOnce(source, session)
    const before = provenBy(seen) ?? (yield* explained(seen, replay(session, seen.verdict.applied)))
    const [migration] = seen.verdict.pending
    const completed: Array<Completed> = []
    if (migration?.declared.transaction !== "none") return { state: before, completed }
    attempt.doing(`applying ${titleOf(migration)}`)
    const done = yield* applyLone(query, seen, before, migration, config.program)
    completed.push(done.completed)
    return { state: done.state, completed }
  }).pipe(
    Effect.scoped,
    Effect.catchTag("SqlError", (error) =>
      upgradeError("NotWritten", pending, { failure: PostgresFailure.from(error) })
    )
  )
}

const applyOne = Effect.fnUntraced(function* ({ client, query }: Session, migration: Migration) {
  const clock = yield* Effect.clock
  const begun = clock.unsafeCurrentTimeNanos()
  const lost = yield* guardRows(query, migration)
  yield* runMigration(query, client, migration)
  const losses = yield* lost
  if (losses.length > 0) {
    return yield* upgradeError("RowsDeleted", titleOf(migration), {
      losses,
      detail: losses.map(describeLoss).join("; ")
    })
  }
  const completed: Completed = {
    migration,
    executionTimeMs: Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos()))
  }
  return completed
})
