/** What of the service depends on the engine of its database: the start, and where contents are. */
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import type * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type * as Layer from "effect/Layer"
import type { InitializationError } from "../../layers/index.ts"
import type { Belonging } from "./Belonging.ts"
import type { ContentError } from "./ContentError.ts"
import type { ContentFaults } from "./ContentFaults.ts"
import type { ContentStore } from "./ContentStore.ts"
import type { ContentsError } from "./ContentsError.ts"
import type { Checkpoints } from "./checkpoints/Checkpoints.ts"
import type { Database } from "./Database.ts"
import type { Discarding } from "./Discarding.ts"
import type { DueTime } from "./DueTime.ts"
import type { Keeping } from "./Keeping.ts"
import type { PostgresRefused } from "./PostgresRefused.ts"
import type { Settings } from "./Settings.ts"
import type { StartTimeline } from "./StartTimeline.ts"
import type { Sweeper } from "./Sweeper.ts"
import type { WriteSignal } from "./WriteSignal.ts"

type Files = FileSystem.FileSystem | Path.Path

export interface Engine {
  readonly database: Layer.Layer<
    Database | SqlClient.SqlClient,
    InitializationError | ContentsError | PostgresRefused,
    StartTimeline | Settings | Files
  >
  readonly contents: Layer.Layer<
    ContentStore,
    ContentError,
    Database | SqlClient.SqlClient | DueTime | Settings | Files
  >
  readonly belonging: Layer.Layer<
    Belonging,
    ContentsError | ContentError | SqlError,
    ContentStore | Database | DueTime | Settings | SqlClient.SqlClient
  >
  readonly checkpoints: Layer.Layer<Checkpoints, never, Database | SqlClient.SqlClient | WriteSignal>
  readonly keeping: Layer.Layer<
    Keeping,
    ContentError,
    ContentFaults | Database | Discarding | DueTime | Settings | SqlClient.SqlClient | Files
  >
  readonly sweeper: Layer.Layer<
    Sweeper,
    ContentError,
    Belonging | ContentFaults | ContentStore | Database | Discarding | DueTime | Settings | SqlClient.SqlClient | Files
  >
}
