/** The last step of a start: what changes the file waits until every room has passed. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { megabytes } from "../start/Measure.ts"
import type { AppliedMigrations } from "./AppliedMigrations.ts"
import type { IntegrityReport } from "./CheckedIntegrity.ts"
import type { DatabaseConfig } from "./DatabaseConfig.ts"
import type { DatabaseDirectory } from "./DatabaseDirectory.ts"
import { outcomeOf } from "./edge.ts"
import { setFileAndRuntimePragmas } from "./FilePragmas.ts"
import type { Initialization } from "./Initialization.ts"
import { checkpointBeside, leftoverOf } from "./LeftoverWal.ts"
import { unreadable } from "./PragmaError.ts"
import { summaryOf } from "./pragmas.ts"
import { sameFileStillThere } from "./SameFile.ts"
import type { SqliteConnection } from "./SqliteConnection.ts"
import type { VerifiedPragmas } from "./VerifiedPragmas.ts"
import { releaseWalPin } from "./WalPin.ts"

/** The evidence of all rooms. */
export interface Evidence {
  readonly directory: DatabaseDirectory["Type"]
  readonly connection: SqliteConnection["Type"]
  readonly pragmas: VerifiedPragmas["Type"]
  readonly migrations: AppliedMigrations["Type"]
  readonly integrity: IntegrityReport
}

/** What the last step proved. */
export type Settled = Effect.Effect.Success<ReturnType<typeof settle>>

/**
 * Releases and checkpoints the WAL, sets the journal mode and the runtime pragmas, and proves once more that the file is
 * the one that was opened and that it can be written. Gives the settings that were read back.
 */
export const settle = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  { connection, pragmas }: Evidence
) {
  yield* releaseWalPin(connection.walPin, connection.sqlite)
  const warnings = yield* checkpointLeftover(config, initialization, connection)
  const busyTimeout = Duration.toMillis(config.pragmas.busyTimeout)
  const settings = yield* initialization.stage(
    "pragmas",
    () => outcomeOf(() => setFileAndRuntimePragmas(config, busyTimeout, connection, pragmas), unreadable),
    summaryOf
  )
  // Another file may have been put there while the start looked at the one that it had opened.
  const inPlace = yield* sameFileStillThere(connection, config.access)
  yield* inPlace
  // The WAL of a new database was opened on the way.
  yield* connection.canWrite()
  return { inPlace, settings, warnings }
})

/** Writes a large WAL into the database before anyone is served. Gives a warning if that cannot be done. */
const checkpointLeftover = Effect.fnUntraced(function* (
  { access, inMemory, pragmas }: DatabaseConfig["Type"],
  { stage, timeline }: Initialization["Type"],
  { file, sqlite }: SqliteConnection["Type"]
) {
  const bytes = inMemory || access === "inspect" ? 0 : yield* leftoverOf({ file, sqlite })
  if (bytes === 0) return []
  const { stages } = yield* timeline
  const before = stages.find(({ name }) => name === "connection")?.found
  const limit = pragmas.journalSizeLimit < 0 ? Number.POSITIVE_INFINITY : pragmas.journalSizeLimit
  const { warning } = yield* stage(
    "connection",
    (attempt) => checkpointBeside({ bytes, file, limit }, attempt),
    ({ warning }) => `${before}, ${describeCheckpoint(bytes, warning)}`
  )
  return warning === undefined ? [] : [warning]
})

const describeCheckpoint = (bytes: number, warning: string | undefined): string =>
  warning === undefined ? `${megabytes(bytes)} MB of its WAL were written into it` : `${megabytes(bytes)} MB in its WAL`
