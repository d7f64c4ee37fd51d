/** Whether what the start proved still holds. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { inDatabase } from "../start/Refusal.ts"
import type { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { ConnectionError } from "./ConnectionError.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import type { IntegrityError } from "./IntegrityError.ts"
import type { PragmaError } from "./PragmaError.ts"
import type { Settings } from "./pragmas.ts"
import type { Evidence } from "./SettledDatabase.ts"
import { openSqlite } from "./Sqlite.ts"
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
  /** Those of the report; and who reads from a WAL that has grown over `journalSizeLimit`. */
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
  readersHold: Effect.Effect<void, PragmaError>
) => {
  const newcomer = Effect.mapError(
    openSqlite({ filename: file, readonly: true }),
    ({ code, detail, retryable }) => new ConnectionError({ reason: "CannotOpen", file, code, detail, retryable })
  )
  return Effect.gen(function* () {
    yield* inPlace
    // Through a new connection, opened by path: the program's own may be in a transaction, and would block the event
    // loop while it waits for locks.
    const { fingerprint, version } = yield* config.inMemory
      ? migrations.schemaOn(sqlite)
      : Effect.scoped(Effect.flatMap(newcomer, migrations.schemaOn)).pipe(
          Effect.tapErrorTag("HistoryError", gate.learn),
          Effect.zipLeft(gate.learn("sound"))
        )
    const settings = yield* pragmas.stillHold
    yield* readersHold
    const { bytes, warning } = yield* lookAtWal(file, config, sqlite.readings)
    const health: Health = {
      schemaVersion: version,
      fingerprint,
      pragmas: settings,
      walBytes: bytes,
      warnings: warning === undefined ? warnings : [...warnings, warning]
    }
    return health
  }).pipe(
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
