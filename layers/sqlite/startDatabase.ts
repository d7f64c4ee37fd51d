/** One start: the rooms in their order, and a second try where this process is in its own way. */
import type * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { ownDescriptorsOn } from "../machine/FileLocks.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { LockError } from "../start/LockError.ts"
import type { MigrationSource } from "../start/MigrationSource.ts"
import { inDatabase, type Refusal } from "../start/Refusal.ts"
import { keepStart } from "../start/refusedStart.ts"
import { AppliedMigrations, nothingDone } from "./AppliedMigrations.ts"
import { CheckedIntegrity } from "./CheckedIntegrity.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { absoluteName } from "./DatabasePath.ts"
import { isPassed } from "./edge.ts"
import type { Initialization } from "./Initialization.ts"
import { setUpBy, withOnOpen } from "./OnOpen.ts"
import { handOut } from "./ReadyDatabase.ts"
import { driverIsSound } from "./SoundDriver.ts"
import { SqliteConnection } from "./SqliteConnection.ts"
import { VerifiedPragmas } from "./VerifiedPragmas.ts"

/** Every refusal of a start with its database, and with how far the start was. */
export const withDatabase = <A, E extends Refusal, R>(
  start: Effect.Effect<A, E, R>,
  { filename }: Pick<DatabaseConfig["Type"], "filename">,
  { onGone, timeline }: Initialization["Type"]
) =>
  keepStart(
    Effect.mapError(start, (refusal) => {
      onGone()
      return inDatabase(absoluteName(filename), refusal)
    }),
    timeline
  )

/** One span over a whole start, with a span for each of its stages in it. */
export const inStartSpan = <A, E extends Refusal, R>(
  start: Effect.Effect<A, E, R>,
  { filename }: Pick<DatabaseConfig["Type"], "filename">
) => withDatabaseSpan(start, absoluteName(filename), "start")

/**
 * The rooms in their order; each takes the evidence of those before it. The layers of the rooms do the same, at ten
 * times the cost: they look up their services and share what is built.
 */
export const startDatabase = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  source: MigrationSource["Type"],
  reactivity?: Effect.Effect<Reactivity.Reactivity.Service>
) {
  // A driver that cannot be used leaves no directory behind.
  const driver = () => withOnOpen(config.onOpen)(driverIsSound(config.filename, setUpBy(config.onOpen)))
  const sound = driver()
  if (!isPassed(sound) && Either.isLeft(yield* Effect.either(sound)))
    yield* initialization.stage("connection", driver, () => "")
  const directory = yield* DatabaseDirectory.make(config, initialization)
  const done = nothingDone()
  const proven = Effect.fnUntraced(function* (connection: SqliteConnection["Type"]) {
    const pragmas = yield* VerifiedPragmas.make(config, initialization, connection)
    const migrations = yield* AppliedMigrations.make(config, initialization, source, connection, pragmas, done)
    const integrity = yield* CheckedIntegrity.make(config, initialization, connection, migrations)
    const evidence = { directory, connection, pragmas, migrations, integrity }
    return yield* handOut(config, initialization, source, evidence, reactivity)
  })
  const connect = SqliteConnection.make(config, initialization, directory)
  initialization.onOwnLock("reopen")
  const connection = yield* connect
  return yield* Effect.catchIf(proven(connection), isOwnLock, (first) =>
    Effect.gen(function* () {
      yield* releaseOwnLock(connection, initialization)
      yield* Effect.logWarning(`${first.sentence}. The database was closed and is opened again.`)
      const second = yield* connect
      return yield* Effect.catchIf(proven(second), isOwnLock, (refusal) =>
        Effect.flatMap(releaseOwnLock(second, initialization), (isOthers) =>
          isOthers ? Effect.flatMap(connect, proven) : Effect.fail(refusal)
        )
      )
    })
  )
}, withDatabase)

const isOwnLock = (refusal: Refusal): refusal is LockError =>
  refusal instanceof LockError && refusal.reason === "NotReleased"

/**
 * SQLite does not see that a lock on the `-shm` was not released, and then never gets it again: its note of it goes
 * with the last connection of the process (`unixShmLock` in os_unix.c). Another connection of this process that
 * is open after that may hold the lock by right, and is waited for.
 */
const releaseOwnLock = ({ close, file }: SqliteConnection["Type"], { onOwnLock }: Initialization["Type"]) =>
  Effect.map(close, () => {
    const isOthers = ownDescriptorsOn(file) !== 0
    if (isOthers) onOwnLock("wait")
    return isOthers
  })
