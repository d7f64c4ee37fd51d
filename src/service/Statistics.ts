/** How much is stored: read from counts that triggers maintain. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CurrentUser, type StorageStatistics } from "./Api.ts"
import { CleanupList } from "./CleanupList.ts"
import { storedBytes } from "./StoredBytes.ts"
import { timestampOf } from "./timestamp.ts"

type Counted = Omit<StorageStatistics, "freeBytes" | "pendingCleanups" | "storedBytes">

const soon = Duration.days(7)

const none: Counted = { files: 0, deletedFiles: 0, sessions: 0, bytes: 0 }

export const statistics = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { countUntil } = yield* CleanupList
  const storedBytesOf = yield* storedBytes
  const counts = sql`files, deleted_files AS "deletedFiles", used_sessions AS sessions, bytes + deleted_bytes AS bytes`

  return Effect.gen(function* () {
    const { isAdministrator, name } = yield* CurrentUser
    const pendingCleanups = yield* countUntil(timestampOf((yield* Clock.currentTimeMillis) + Duration.toMillis(soon)))
    if (isAdministrator) {
      const [row] = yield* sql<Counted & { readonly stored: number }>`
        SELECT ${counts}, content_bytes AS stored FROM storage_summary`
      const { stored, ...counted } = row ?? { ...none, stored: 0 }
      return { ...counted, storedBytes: stored, pendingCleanups }
    }
    const [row] = yield* sql<Counted>`SELECT ${counts} FROM owner_usage WHERE owner = ${name}`
    return { ...(row ?? none), storedBytes: yield* storedBytesOf(name), pendingCleanups }
  })
})
