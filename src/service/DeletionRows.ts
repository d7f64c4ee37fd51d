/** Deletes and restores rows. Each function runs within a transaction of its caller. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { type ConversationFile, CurrentUser, type FileNotFound, type Forbidden } from "./Api.ts"
import { passageRemoval } from "./context/removal.ts"
import { DueTime } from "./DueTime.ts"
import { type FileRow, fileOf, timestampNow } from "./FileRow.ts"
import { Rows } from "./Rows.ts"
import { Settings } from "./Settings.ts"
import { timestampOf } from "./timestamp.ts"

type Change<A> = Effect.Effect<A, Forbidden | FileNotFound | SqlError, CurrentUser>

const deletions = Metric.counter("conversation_files_deletions", {
  description: "Files deleted for good",
  incremental: true
})

/** How many rows are deleted in one transaction, so that other requests and probes get their turn. */
export const atOnce = 100

export class DeletionRows extends Context.Tag("conversation-files/DeletionRows")<
  DeletionRows,
  {
    /** Deletes a file so that it can be restored. Does nothing to a file that is deleted already. */
    readonly remove: (fileId: string) => Change<ConversationFile>
    readonly restore: (fileId: string) => Change<ConversationFile>
    /** Deletes a file for good. Returns the contents to look at after the commit. */
    readonly destroy: (fileId: string) => Change<ReadonlyArray<string>>
    /** Deletes a file that is not deleted, so that it can be restored. */
    readonly markDeleted: (
      row: Pick<FileRow, "file_id" | "session_id">,
      by: string,
      reason: "user_request" | "expired" | "session_ended"
    ) => Effect.Effect<void, SqlError>
    /** Deletes a row for good. Returns the contents to look at after the commit. */
    readonly destroyRow: (
      row: Pick<FileRow, "file_hash" | "file_id">,
      by: string,
      details: Readonly<Record<string, unknown>>
    ) => Effect.Effect<ReadonlyArray<string>, SqlError>
    /** Removes the owner of an ended session when its last file is gone. */
    readonly releaseIfOver: (sessionId: string) => Effect.Effect<void, SqlError>
  }
>() {
  static readonly layer: Layer.Layer<DeletionRows, never, DueTime | Rows | Settings | SqlClient.SqlClient> =
    Layer.effect(
      DeletionRows,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { found, log } = yield* Rows
        const { retention } = yield* Settings
        const { latest } = yield* DueTime
        const removePassages = yield* passageRemoval

        const markDeleted = Effect.fnUntraced(function* (
          { file_id, session_id }: Pick<FileRow, "file_id" | "session_id">,
          by: string,
          reason: "user_request" | "expired" | "session_ended"
        ) {
          const now = yield* latest
          yield* log(file_id, "delete", by, reason === "user_request" ? {} : { reason })
          yield* removePassages(file_id)
          yield* sql`UPDATE conversation_files SET is_deleted = 1 WHERE file_id = ${file_id}`
          yield* sql`DELETE FROM file_expiries WHERE file_id = ${file_id}`
          yield* sql`INSERT INTO file_cleanup_queue ${sql.insert({
            file_id,
            session_id,
            scheduled_deletion_time: timestampOf(now + Duration.toMillis(retention)),
            cleanup_reason: reason
          })}`
        })

        const destroyRow = Effect.fnUntraced(function* (
          { file_hash, file_id }: Pick<FileRow, "file_hash" | "file_id">,
          by: string,
          details: Readonly<Record<string, unknown>>
        ) {
          yield* log(file_id, "delete", by, { permanently: true, ...details })
          yield* removePassages(file_id)
          yield* sql`DELETE FROM conversation_files WHERE file_id = ${file_id}`
          yield* Metric.increment(deletions)
          return [file_hash]
        })

        const releaseIfOver = Effect.fnUntraced(function* (sessionId: string) {
          yield* sql`DELETE FROM session_owners WHERE session_id = ${sessionId}
          AND EXISTS (SELECT 1 FROM ended_sessions es WHERE es.session_id = ${sessionId})
          AND NOT EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.session_id = ${sessionId})`
          yield* sql`DELETE FROM ended_sessions WHERE session_id = ${sessionId}
          AND NOT EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.session_id = ${sessionId})`
        })

        return {
          markDeleted,
          destroyRow,
          releaseIfOver,

          remove: Effect.fnUntraced(function* (fileId) {
            const row = yield* found(fileId)
            if (row.is_deleted === 1) return fileOf(row)
            yield* markDeleted(row, (yield* CurrentUser).name, "user_request")
            return fileOf(yield* found(fileId))
          }),

          restore: Effect.fnUntraced(function* (fileId) {
            const row = yield* found(fileId)
            if (row.is_deleted === 0) return fileOf(row)
            const { name } = yield* CurrentUser
            yield* sql`UPDATE conversation_files SET is_deleted = 0, deleted_at = NULL WHERE file_id = ${fileId}`
            yield* sql`DELETE FROM file_cleanup_queue WHERE file_id = ${fileId} AND is_processed = 0`
            // If the session's time is over, the file would be deleted again at once.
            yield* sql`INSERT INTO file_expiries (file_id, expires_at, set_by)
            SELECT ${fileId}, NULL, ${name} WHERE EXISTS (
              SELECT 1 FROM ended_sessions WHERE session_id = ${row.session_id} AND expires_at <= ${yield* timestampNow}
            ) ON CONFLICT (file_id) DO UPDATE SET expires_at = NULL`
            yield* log(fileId, "restore", name)
            return fileOf(yield* found(fileId))
          }),

          destroy: Effect.fnUntraced(function* (fileId) {
            const row = yield* found(fileId)
            const hashes = yield* destroyRow(row, (yield* CurrentUser).name, {})
            yield* releaseIfOver(row.session_id)
            return hashes
          })
        }
      })
    )
}
