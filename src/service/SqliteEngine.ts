/** The service on a SQLite file, with its contents on the disk beside it. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import {
  ConnectionError,
  DatabaseConfig,
  DatabaseReady,
  HistoryError,
  Initialization,
  MigrationSource,
  type WriteError
} from "../../layers/index.ts"
import { Belonging } from "./Belonging.ts"
import { ContentFiles } from "./ContentFiles.ts"
import { Checkpoints } from "./checkpoints/Checkpoints.ts"
import { Database } from "./Database.ts"
import type { Engine } from "./Engine.ts"
import { Keeping } from "./Keeping.ts"
import { applicationId, migrations } from "./migrations.ts"
import { Settings } from "./Settings.ts"
import { StartTimeline } from "./StartTimeline.ts"
import { Sweeper } from "./Sweeper.ts"
import { onProgress, program } from "./startOptions.ts"

/** Under the service's own name. */
const named: Layer.Layer<Database, never, DatabaseReady> = Layer.effect(
  Database,
  Effect.map(DatabaseReady, ({ health, report, unsafeVersion, writable, write }) => ({
    engine: "sqlite" as const,
    report,
    health,
    writable: Effect.mapError(writable, (error) => ({
      reason: error.reason,
      message: error.message,
      isWarning: isWarning(error)
    })),
    write,
    unsafeVersion
  }))
)

/** Files can be read while another process has the lock. If the database itself is wrong, its own check fails. */
const isWarning = ({ cause, reason }: WriteError): boolean =>
  reason === "Busy" || cause instanceof HistoryError || cause instanceof ConnectionError

/** The settings of the start, from the settings of the service. */
const databaseConfig: Layer.Layer<DatabaseConfig, never, Settings> = Layer.unwrapEffect(
  Effect.map(
    Settings,
    ({ backups, databaseFile, databaseTimeout, integrity, lockPatience, permissions, trustedFilesystems }) =>
      DatabaseConfig.layer({
        filename: databaseFile,
        integrity,
        trustedFilesystems,
        permissions,
        timeout: Option.getOrUndefined(databaseTimeout),
        onProgress,
        backups,
        lockPatience,
        // A statement that waits inside SQLite would block every request, even the probes.
        pragmas: { busyTimeout: 0 },
        program,
        applicationId
      })
  )
)

/** The start, followed by the probes. */
const start: Layer.Layer<Initialization, never, DatabaseConfig | StartTimeline> = Layer.tap(
  Initialization.layer,
  (context) => Effect.map(StartTimeline, ({ follow }) => follow(Context.get(context, Initialization).timeline))
)

const database = named.pipe(
  Layer.provideMerge(DatabaseReady.pipeline),
  Layer.provide(MigrationSource.layer(migrations)),
  Layer.provide(Belonging.guard),
  Layer.provide(Layer.provideMerge(start, databaseConfig))
)

/** Rows in a file, contents on the disk. The layer of the files is one value, so that it is built once. */
export const sqliteEngine: Engine = {
  database,
  contents: Layer.provide(ContentFiles.store, ContentFiles.layer),
  belonging: Belonging.layer,
  checkpoints: Checkpoints.layer,
  keeping: Layer.provide(Keeping.layer, ContentFiles.layer),
  sweeper: Layer.provide(Sweeper.layer, ContentFiles.layer)
}
