/**
 * Deletes what is due: files whose time is over, which can still be restored, and deleted files whose retention is over,
 * for good.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { Database } from "./Database.ts"
import { atOnce, DeletionRows } from "./DeletionRows.ts"
import { dialect } from "./Dialect.ts"
import { Discarding } from "./Discarding.ts"
import { DueTime } from "./DueTime.ts"
import { type FileRow, isUsedElsewhere } from "./FileRow.ts"
import { someInTurns } from "./inTurns.ts"
import { timestampOf } from "./timestamp.ts"

/** The actor of deletions that no user asked for. */
const cleaner = "cleanup"

/** Makes the effect that does some of what is due of each kind. It returns whether there may be more. */
export const dueDeletions = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { write } = yield* Database
  const { discard } = yield* Discarding
  const { destroyRow, markDeleted, releaseIfOver } = yield* DeletionRows
  const { earliest } = yield* DueTime
  const dueBy = Effect.map(earliest, timestampOf)
  const { firstKey, firstTime, join, key } = yield* dialect
  const expiry = key("fe", "file_id")
  const session = key("es", "session_id")
  const file = key("cf", "file_id")
  const beginning: Place = [firstTime, firstKey, firstKey]

  /** Handles one entry of the queue, checked again under the lock: its reason may be gone. */
  const cleanUp = Effect.fnUntraced(function* (cleanupId: number, at: string) {
    const [entry] = yield* sql<QueuedRow>`
          SELECT q.cleanup_reason, cf.session_id, cf.file_id, cf.file_hash, cf.is_deleted,
            EXISTS (SELECT 1 FROM file_cleanup_queue later WHERE later.file_id = q.file_id AND later.is_processed = 0
              AND later.scheduled_deletion_time > ${at}) AS is_later
          FROM file_cleanup_queue q JOIN conversation_files cf ON cf.file_id = q.file_id
          WHERE q.cleanup_id = ${cleanupId} AND q.is_processed = 0`
    if (entry?.is_deleted === 1 && entry.is_later === 0) {
      const hashes = yield* destroyRow(entry, cleaner, { reason: entry.cleanup_reason })
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
    const hashes = yield* write(someInTurns(due, ({ cleanup_id }) => cleanUp(cleanup_id, at)))
    yield* discard([...new Set(hashes.flat())])
    return hashes.length < due.length ? atOnce : due.length
  })

  /**
   * Marks as deleted, under the lock, what is due among the next rows: one statement looks at no more than are deleted at
   * once. The next turn continues after the last of them. Many rows may stay, such as files of an ended session with an
   * expiry of their own, and looking at the same rows again would never reach those after them.
   */
  const markSome = (
    reason: "expired" | "session_ended",
    behind: (at: string, place: Place) => Effect.Effect<ReadonlyArray<DueRow>, SqlError>
  ) => {
    let place = beginning
    return Effect.gen(function* () {
      const at = yield* dueBy
      const seen = yield* behind(at, place)
      if (seen.some(isDue)) {
        const isAll = yield* write(
          Effect.flatMap(behind(at, place), (rows) => {
            const due = rows.filter(isDue)
            const marked = someInTurns(due, (row) => markDeleted(row, cleaner, reason))
            return Effect.map(marked, ({ length }) => length === due.length)
          })
        )
        // The next look begins at the same place: what is marked is not due any more.
        if (!isAll) return atOnce
      }
      const last = seen.at(-1)
      place = last === undefined || seen.length < atOnce ? beginning : [last.due_at, last.first, last.second]
      return seen.length
    })
  }

  const filesDue = markSome(
    "expired",
    (at, [due, first]) => sql`
          SELECT fe.expires_at AS due_at, ${expiry} AS first, 0 AS second, cf.file_id, cf.session_id,
            cf.is_deleted = 0 AS is_due
          FROM file_expiries fe ${join} conversation_files cf ON cf.file_id = fe.file_id
          WHERE fe.expires_at <= ${at} AND (fe.expires_at, ${expiry}) > (${due}, ${first})
          ORDER BY fe.expires_at, ${expiry} LIMIT ${atOnce}`
  )

  const isEnding = sql.literal(`cf.file_id IS NOT NULL AND NOT ${isUsedElsewhere}
        AND NOT EXISTS (SELECT 1 FROM file_expiries fe WHERE fe.file_id = cf.file_id)`)

  const sessionsDue = markSome(
    "session_ended",
    Effect.fnUntraced(function* (at, [due, first, second]) {
      const rest = yield* sql<DueRow>`
            SELECT es.expires_at AS due_at, ${session} AS first, ${file} AS second, cf.file_id, es.session_id,
              ${isEnding} AS is_due
            FROM ended_sessions es
            ${join} conversation_files cf ON cf.session_id = es.session_id AND cf.is_deleted = 0
            WHERE ${session} = ${first} AND es.expires_at = ${due} AND ${file} > ${second}
            ORDER BY ${file} LIMIT ${atOnce}`
      // A session without files is a row too, because it was looked at.
      const others = yield* sql<DueRow>`
            SELECT es.expires_at AS due_at, ${session} AS first, coalesce(${file}, ${firstKey}) AS second, cf.file_id,
              es.session_id, ${isEnding} AS is_due
            FROM ended_sessions es
            LEFT JOIN conversation_files cf ON cf.session_id = es.session_id AND cf.is_deleted = 0
            WHERE es.expires_at <= ${at} AND (es.expires_at, ${session}) > (${due}, ${first})
            ORDER BY es.expires_at, ${session}, ${file} LIMIT ${atOnce - rest.length}`
      return [...rest, ...others]
    })
  )

  return Effect.map(Effect.all([filesDue, sessionsDue, queuedDue]), (counts) =>
    counts.some((count) => count === atOnce)
  ).pipe(Effect.withSpan("conversation-files.clean-due"))
})

/** A row that was looked at: a file that is due, or anything in its place. */
interface DueRow {
  readonly due_at: string
  readonly first: Key
  readonly second: Key
  readonly session_id: string
  readonly file_id: string | null
  readonly is_due: 0 | 1
}

interface FileDue extends DueRow {
  readonly file_id: string
}

const isDue = (row: DueRow): row is FileDue => row.is_due === 1 && row.file_id !== null

type Key = number | string

/** Where the next look continues. */
type Place = readonly [due: string, first: Key, second: Key]

interface QueuedRow extends Pick<FileRow, "file_hash" | "file_id" | "session_id" | "is_deleted"> {
  readonly cleanup_reason: string
  readonly is_later: 0 | 1
}
