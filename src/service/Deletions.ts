/**
 * Deletes files now, when due, and for good. Unless a user asks to delete a file for good, it can first be restored.
 * That includes files that expire: they wait in `file_cleanup_queue` until the retention is over.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseReady } from "../../layers/index.ts"
import {
  type ConversationFile,
  CurrentUser,
  type FileDeleted,
  type FileNotFound,
  type Forbidden,
  type PreconditionFailed
} from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { DeletionRows } from "./DeletionRows.ts"
import { Discarding } from "./Discarding.ts"
import { DueTime } from "./DueTime.ts"
import { type FileRow, fileOf, isUsedElsewhere, requireNotDeleted } from "./FileRow.ts"
import { inTurns } from "./inTurns.ts"
import { requireUnchanged } from "./Preconditions.ts"
import { Rows } from "./Rows.ts"
import { Sessions } from "./Sessions.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

type Refused = Forbidden | FileNotFound | PreconditionFailed | SqlError

/** The actor of deletions that no user asked for. */
const cleaner = "cleanup"

/** How many rows are deleted in one transaction, so that other requests and probes get their turn. */
const atOnce = 100

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
    /** Deletes every file of a session for good, in steps. Returns how many. */
    readonly destroySession: (sessionId: string) => Effect.Effect<number, Forbidden | SqlError, CurrentUser>
    /** Does some of what is due of each kind. Returns whether there may be more. */
    readonly cleanDue: Effect.Effect<boolean, SqlError>
  }
>() {
  static readonly layer: Layer.Layer<
    Deletions,
    never,
    AuditTrail | DatabaseReady | DeletionRows | Discarding | DueTime | Rows | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    Deletions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* DatabaseReady
      const audit = yield* AuditTrail
      const { audited } = audit
      const { discard } = yield* Discarding
      const { found } = yield* Rows
      const rows = yield* DeletionRows
      const { destroyRows, markDeleted, releaseIfOver } = rows
      const { mayUse } = yield* Sessions
      const { earliest } = yield* DueTime
      const dueBy = Effect.map(earliest, timestampOf)
      const findUnchanged = (fileId: string) => Effect.flatMap(found(fileId), requireUnchanged)

      const destroySome = (sessionId: string) =>
        write(
          Effect.gen(function* () {
            yield* mayUse(sessionId)
            const { name } = yield* CurrentUser
            const rows = yield* sql<Pick<FileRow, "file_hash" | "file_id">>`
              SELECT file_id, file_hash FROM conversation_files WHERE session_id = ${sessionId} LIMIT ${atOnce}`
            const hashes = yield* destroyRows(rows, name, { session: true })
            if (rows.length < atOnce) yield* releaseIfOver(sessionId)
            return { hashes, deleted: rows.length }
          })
        )

      /** Handles one entry of the queue, checked again under the lock: its reason may be gone. */
      const cleanUp = Effect.fnUntraced(function* (cleanupId: number, at: string) {
        const [entry] = yield* sql<QueuedRow>`
          SELECT q.cleanup_reason, cf.session_id, cf.file_id, cf.file_hash, cf.is_deleted,
            EXISTS (SELECT 1 FROM file_cleanup_queue later WHERE later.file_id = q.file_id AND later.is_processed = 0
              AND later.scheduled_deletion_time > ${at}) AS is_later
          FROM file_cleanup_queue q JOIN conversation_files cf ON cf.file_id = q.file_id
          WHERE q.cleanup_id = ${cleanupId} AND q.is_processed = 0`
        if (entry?.is_deleted === 1 && entry.is_later === 0) {
          const hashes = yield* destroyRows([entry], cleaner, { reason: entry.cleanup_reason })
          yield* releaseIfOver(entry.session_id)
          return hashes
        }
        // The file was restored, handled by another process, or is gone. A file that an earlier system queued can still
        // be restored.
        yield* sql`UPDATE file_cleanup_queue SET is_processed = 1, processed_at = ${at} WHERE cleanup_id = ${cleanupId}`
        if (entry?.is_deleted === 0) yield* markDeleted(entry, cleaner, "expired")
        return []
      })

      const queuedDue = Effect.gen(function* () {
        const at = yield* dueBy
        const due = yield* sql<{ readonly cleanup_id: number }>`SELECT cleanup_id FROM file_cleanup_queue
          WHERE is_processed = 0 AND scheduled_deletion_time <= ${at} ORDER BY scheduled_deletion_time LIMIT ${atOnce}`
        if (due.length === 0) return 0
        const hashes = yield* write(inTurns(due, ({ cleanup_id }) => cleanUp(cleanup_id, at)))
        yield* discard([...new Set(hashes.flat())])
        return due.length
      })

      /** Marks as deleted the files that a statement returns, under the lock. */
      const markAll = (
        reason: "expired" | "session_ended",
        due: (at: string) => Effect.Effect<ReadonlyArray<Pick<FileRow, "file_id" | "session_id">>, SqlError>
      ) =>
        Effect.gen(function* () {
          const at = yield* dueBy
          if ((yield* due(at)).length === 0) return 0
          return yield* write(
            Effect.gen(function* () {
              const rows = yield* due(at)
              yield* inTurns(rows, (row) => markDeleted(row, cleaner, reason))
              return rows.length
            })
          )
        })

      const filesDue = markAll(
        "expired",
        (
          at
        ) => sql`SELECT cf.file_id, cf.session_id FROM file_expiries fe CROSS JOIN conversation_files cf ON cf.file_id = fe.file_id
          WHERE fe.expires_at <= ${at} AND cf.is_deleted = 0 ORDER BY fe.expires_at LIMIT ${atOnce}`
      )

      const sessionsDue = markAll(
        "session_ended",
        (at) => sql`SELECT cf.file_id, cf.session_id FROM ended_sessions es
          CROSS JOIN conversation_files cf ON cf.session_id = es.session_id AND cf.is_deleted = 0
          WHERE es.expires_at <= ${at} AND NOT EXISTS (SELECT 1 FROM file_expiries fe WHERE fe.file_id = cf.file_id)
            AND NOT ${sql.literal(isUsedElsewhere)}
          ORDER BY es.expires_at LIMIT ${atOnce}`
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
            let deleted = 0
            for (;;) {
              const some = yield* destroySome(sessionId)
              yield* discard(some.hashes)
              deleted += some.deleted
              if (some.deleted < atOnce) return deleted
              yield* Effect.sleep("1 millis")
            }
          }).pipe(audited("delete", { sessionId })),

        cleanDue: Effect.map(Effect.all([filesDue, sessionsDue, queuedDue]), (counts) =>
          counts.some((count) => count === atOnce)
        ).pipe(Effect.withSpan("conversation-files.clean-due"))
      }
    })
  )
}

interface QueuedRow extends Pick<FileRow, "file_hash" | "file_id" | "session_id" | "is_deleted"> {
  readonly cleanup_reason: string
  readonly is_later: 0 | 1
}
