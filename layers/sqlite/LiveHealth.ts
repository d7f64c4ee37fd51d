/** Whether what the start proved still holds. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { freeSpaceAt } from "../machine/FreeSpace.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { inDatabase } from "../start/Refusal.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { type ConnectionError, refusal } from "./ConnectionError.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import type { Maintained, MaintenanceRun, MaintenanceTask } from "./Maintenance.ts"
import { onOpenFailed, withOnOpen } from "./OnOpen.ts"
import type { PragmaError } from "./PragmaError.ts"
import type { Settings } from "./pragmas.ts"
import type { Evidence } from "./SettledDatabase.ts"
import { integer, openSqlite, type SqliteFailure } from "./Sqlite.ts"
import { lookAtWal } from "./WalLook.ts"
import type { WriteGate } from "./WriteGate.ts"

/** What the live health check found. */
export interface Health {
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly schemaVersion: string | undefined
  /** SHA-256 of the schema's objects, in hexadecimal, without those that no migration made. */
  readonly fingerprint: string
  /** The pragmas, read back from the connection that is handed out. */
  readonly pragmas: Settings
  /** Bytes of the `-wal`; 0 where there is none. */
  readonly walBytes: number
  /** Bytes of the file that are free for new rows: pages that nothing is on. */
  readonly freePageBytes: number
  /** Bytes that this user may still write on the filesystem; undefined in memory, and where a warning says that it is not known. */
  readonly freeBytes: number | undefined
  /** The last copy of `maintain`; undefined where there is none. */
  readonly lastBackup:
    | {
        /** Absolute path. */
        readonly file: string
        /** When it was begun, in ISO 8601. */
        readonly at: string
        /** Milliseconds since then. */
        readonly ageMs: number
      }
    | undefined
  /** How each task of `maintain` ran last. */
  readonly maintenance: Readonly<Partial<Record<MaintenanceTask, MaintenanceRun>>>
  /** Those of the report; who reads from a WAL that has grown over `journalSizeLimit`; what could not be seen; the tasks of `maintain` that failed. */
  readonly warnings: ReadonlyArray<string>
}

/** Why a database that was ready is not any more. */
export type HealthError = ConnectionError | PragmaError | HistoryError | IntegrityError

/** @internal */
export const liveHealth = (
  config: DatabaseConfig["Type"],
  { connection: { file, sqlite }, directory: { warnings }, migrations, pragmas }: Evidence,
  gate: WriteGate,
  inPlace: Effect.Effect<void, ConnectionError>,
  readersHold: Effect.Effect<void, PragmaError>,
  maintained: Maintained
) => {
  const cannotAnswer = (failure: SqliteFailure) =>
    refusal(file, failure.code === onOpenFailed ? "OnOpenFailed" : "CannotOpen", failure)
  const newcomer = Effect.mapError(openSqlite({ filename: file, readonly: true }), cannotAnswer)
  const freeSpace = config.inMemory
    ? Effect.succeed({ freeBytes: undefined, unknown: [] })
    : Effect.match(freeSpaceAt(file), {
        onFailure: ({ detail }) => ({
          freeBytes: undefined,
          unknown: [`How many bytes are free for ${file} is not known: ${detail}`]
        }),
        onSuccess: (freeBytes) => ({ freeBytes, unknown: [] })
      })
  return Effect.gen(function* () {
    yield* inPlace
    // Through a new connection, opened by path: the program's own may be in a transaction, and would block the event
    // loop while it waits for locks. What is asked about the database's own files is asked synchronously too: SQLite
    // opens, locks and reads the same files, in this thread, so a filesystem that hangs there is not survived anyway.
    const { fingerprint, version } = yield* config.inMemory
      ? migrations.schemaOn(sqlite)
      : Effect.scoped(Effect.flatMap(newcomer, migrations.schemaOn)).pipe(
          Effect.tapErrorTag("HistoryError", gate.learn),
          Effect.zipLeft(gate.learn("sound"))
        )
    const settings = yield* pragmas.stillHold
    yield* readersHold
    const { bytes, warning } = yield* lookAtWal(file, config, sqlite.readings)
    const [free] = yield* Effect.mapError(
      sqlite.run("SELECT freelist_count * page_size AS bytes FROM pragma_freelist_count, pragma_page_size"),
      cannotAnswer
    )
    const { freeBytes, unknown } = yield* freeSpace
    const { backup, runs } = maintained
    const now = yield* Clock.currentTimeMillis
    const failed = Object.entries(runs).flatMap(([task, run]) =>
      run.failed ? [`The maintenance task ${task} failed: ${run.result}`] : []
    )
    const health: Health = {
      schemaVersion: version,
      fingerprint,
      pragmas: settings,
      walBytes: bytes,
      freePageBytes: integer(free, "bytes"),
      freeBytes,
      lastBackup: backup && { file: backup.file, at: new Date(backup.at).toISOString(), ageMs: now - backup.at },
      maintenance: { ...runs },
      warnings: [...warnings, ...(warning === undefined ? [] : [warning]), ...unknown, ...failed]
    }
    return health
  }).pipe(
    withOnOpen(config.onOpen),
    Effect.mapError((refusal) => inDatabase(file, refusal)),
    (health) => withDatabaseSpan(health, file, "health")
  )
}

/** Look again after 50 ms, up to four times: another process may just be opening or closing the database. */
const whileANeighbourPasses = Schedule.intersect(Schedule.spaced("50 millis"), Schedule.recurs(4))

/** @internal */
export const changesOf = (
  health: Effect.Effect<Health, HealthError>,
  { healthInterval }: DatabaseConfig["Type"]
): Stream.Stream<Either.Either<Health, HealthError>> => {
  const look = Effect.either(
    Effect.retry(health, { schedule: whileANeighbourPasses, while: ({ retryable }) => retryable })
  )
  return Stream.changesWith(
    Stream.repeatEffectWithSchedule(look, Schedule.spaced(healthInterval)),
    (one, other) => gistOf(one) === gistOf(other)
  )
}

const gistOf = Either.match({
  onLeft: ({ _tag, reason }: HealthError) => JSON.stringify([_tag, reason]),
  onRight: ({ fingerprint, schemaVersion, warnings }: Health) => JSON.stringify([schemaVersion, fingerprint, warnings])
})
