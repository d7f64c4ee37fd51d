/**
 * Deletes files now, when due, and for good. Unless a user asks to delete a file for good, it can first be restored.
 * That includes files that expire: they wait in `file_cleanup_queue` until the retention is over.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type ConversationFile,
  CurrentUser,
  type FileDeleted,
  type FileNotFound,
  type Forbidden,
  type PreconditionFailed
} from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { Database } from "./Database.ts"
import { atOnce, DeletionRows } from "./DeletionRows.ts"
import { Discarding } from "./Discarding.ts"
import { dueDeletions } from "./DueDeletions.ts"
import type { DueTime } from "./DueTime.ts"
import { type FileRow, fileOf, requireNotDeleted } from "./FileRow.ts"
import { someInTurns } from "./inTurns.ts"
import { monotonicMillis } from "./monotonic.ts"
import { requireUnchanged } from "./Preconditions.ts"
import { Rows } from "./Rows.ts"
import { Sessions } from "./Sessions.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

/**
 * Milliseconds for which one request deletes. Nothing is sent meanwhile, and proxies close a connection that is silent
 * for half a minute or longer.
 */
const longest = 5000

type Refused = Forbidden | FileNotFound | PreconditionFailed | SqlError

export class Deletions extends Context.Tag("conversation-files/Deletions")<
  Deletions,
  {
    /** Marks it as deleted, to be deleted for good when the retention is over. */
    readonly remove: (fileId: string) => Effect.Effect<ConversationFile, Refused, CurrentUser>
    readonly restore: (fileId: string) => Effect.Effect<ConversationFile, Refused, CurrentUser>
    /** Sets when it is deleted automatically; null is never. */
    readonly expire: (
      fileId: string,
      at: Date | null
    ) => Effect.Effect<ConversationFile, Refused | FileDeleted, CurrentUser>
    /** Deletes it for good, and its content if no other file has the same. */
    readonly destroy: (fileId: string) => Effect.Effect<void, Refused, CurrentUser>
    /** Deletes the files of a session for good, for some seconds. Returns how many, and how many remain then. */
    readonly destroySession: (
      sessionId: string
    ) => Effect.Effect<{ readonly deleted: number; readonly remaining: number }, Forbidden | SqlError, CurrentUser>
    /** Does some of what is due of each kind. Returns whether there may be more. */
    readonly cleanDue: Effect.Effect<boolean, SqlError>
  }
>() {
  static readonly layer: Layer.Layer<
    Deletions,
    never,
    AuditTrail | Database | DeletionRows | Discarding | DueTime | Rows | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    Deletions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const audit = yield* AuditTrail
      const { audited } = audit
      const { discard } = yield* Discarding
      const { found } = yield* Rows
      const rows = yield* DeletionRows
      const { destroyRow, releaseIfOver } = rows
      const { mayUse } = yield* Sessions
      const findUnchanged = (fileId: string) => Effect.flatMap(found(fileId), requireUnchanged)

      const destroySome = (sessionId: string) =>
        write(
          Effect.gen(function* () {
            yield* mayUse(sessionId)
            const { name } = yield* CurrentUser
            const rows = yield* sql<Pick<FileRow, "file_hash" | "file_id">>`
              SELECT file_id, file_hash FROM conversation_files WHERE session_id = ${sessionId} LIMIT ${atOnce}`
            const hashes = yield* someInTurns(rows, (row) => destroyRow(row, name, { session: true }))
            const [left] = yield* sql<{ readonly files: number }>`
              SELECT files + deleted_files AS files FROM session_summaries WHERE session_id = ${sessionId}`
            const remaining = left?.files ?? 0
            if (remaining === 0) yield* releaseIfOver(sessionId)
            return { hashes: [...new Set(hashes.flat())], deleted: hashes.length, remaining }
          })
        )

      return {
        remove: (fileId) =>
          write(Effect.zipRight(findUnchanged(fileId), rows.remove(fileId))).pipe(audited("delete", { fileId })),

        restore: (fileId) =>
          write(Effect.zipRight(findUnchanged(fileId), rows.restore(fileId))).pipe(audited("restore", { fileId })),

        expire: (fileId, at) =>
          write(
            Effect.gen(function* () {
              const row = yield* Effect.flatMap(findUnchanged(fileId), requireNotDeleted)
              const { name } = yield* CurrentUser
              yield* sql`INSERT INTO file_expiries ${sql.insert({
                file_id: fileId,
                expires_at: at === null ? null : timestampOf(at.getTime()),
                set_by: name
              })} ON CONFLICT (file_id) DO UPDATE SET expires_at = excluded.expires_at, set_by = excluded.set_by`
              const after = yield* found(fileId)
              const about = { sessionId: row.session_id, fileId, filename: row.original_filename }
              yield* audit.done("expire", about, { at: after.expires_at === null ? null : isoOf(after.expires_at) })
              return fileOf(after)
            })
          ).pipe(audited("expire", { fileId })),

        destroy: (fileId) =>
          write(Effect.zipRight(findUnchanged(fileId), rows.destroy(fileId))).pipe(
            audited("delete", { fileId }),
            Effect.flatMap(discard)
          ),

        destroySession: (sessionId) =>
          Effect.gen(function* () {
            const begun = yield* monotonicMillis
            let deleted = 0
            for (;;) {
              const some = yield* destroySome(sessionId)
              yield* discard(some.hashes)
              deleted += some.deleted
              const isOver = some.remaining === 0 || some.deleted === 0
              if (isOver || (yield* monotonicMillis) - begun >= longest) return { deleted, remaining: some.remaining }
              yield* Effect.sleep("1 millis")
            }
          }).pipe(audited("delete", { sessionId })),

        cleanDue: yield* dueDeletions
      }
    })
  )
}
