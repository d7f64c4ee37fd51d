/** How much is stored: read from counts that triggers maintain. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { CurrentUser, type StorageStatistics } from "./Api.ts"
import { filePages } from "./FilePages.ts"
import { timestampOf } from "./timestamp.ts"

type Counted = Omit<StorageStatistics, "freeBytes" | "pendingCleanups" | "storedBytes">

/** Deletions due soon are counted among this many. */
const mostPending = 2000

const soon = Duration.days(7)

const none: Counted = { files: 0, deletedFiles: 0, sessions: 0, bytes: 0 }

export const statistics = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { hasFew } = yield* filePages
  const counts = sql`files, deleted_files AS "deletedFiles", used_sessions AS sessions, bytes + deleted_bytes AS bytes`

  const storedOfFew = (owner: string) =>
    Effect.map(
      sql<{ readonly bytes: number }>`SELECT coalesce(sum(file_size), 0) AS bytes FROM (
          SELECT DISTINCT cf.file_hash, cf.file_size FROM session_summaries ss
          CROSS JOIN conversation_files cf ON cf.session_id = ss.session_id WHERE ss.owner = ${owner}
        )`,
      ([row]) => row?.bytes ?? 0
    )

  return Effect.gen(function* () {
    const { isAdministrator, name } = yield* CurrentUser
    const until = timestampOf((yield* Clock.currentTimeMillis) + Duration.toMillis(soon))
    const due = sql`file_cleanup_queue WHERE is_processed = 0 AND scheduled_deletion_time <= ${until}
      ORDER BY scheduled_deletion_time LIMIT ${mostPending}`
    if (isAdministrator) {
      const [row] = yield* sql<Counted & { readonly stored: number }>`
        SELECT ${counts}, content_bytes AS stored FROM storage_summary`
      const [pending] = yield* sql<{ readonly count: number }>`SELECT count(*) AS count FROM (SELECT 1 FROM ${due})`
      const { stored, ...counted } = row ?? { ...none, stored: 0 }
      return { ...counted, storedBytes: stored, pendingCleanups: pending?.count ?? 0 }
    }
    const [row] = yield* sql<Counted>`SELECT ${counts} FROM owner_usage WHERE owner = ${name}`
    const [pending] = yield* sql<{ readonly count: number }>`SELECT count(*) AS count FROM (
        SELECT file_id FROM ${due}
      ) q JOIN conversation_files cf ON cf.file_id = q.file_id JOIN session_owners so ON so.session_id = cf.session_id
      WHERE so.owner = ${name}`
    const storedBytes = (yield* hasFew(name)) ? yield* storedOfFew(name) : null
    return { ...(row ?? none), storedBytes, pendingCleanups: pending?.count ?? 0 }
  })
})
