/** Rows of `conversation_files`, and what the API makes of them. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { ConversationFile, FileDeleted } from "./Api.ts"
import { tagOf } from "./tags.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

export interface FileRow {
  readonly file_id: string
  readonly session_id: string
  readonly original_filename: string
  readonly file_size: number
  readonly file_hash: string
  readonly mime_type: string | null
  readonly uploaded_at: string | null
  readonly uploaded_by: string | null
  readonly deleted_at: string | null
  readonly is_deleted: number
  readonly expires_at: string | null
}

/** Whether another session uses a file of `conversation_files cf`: an earlier system shared files. */
export const isUsedElsewhere = `EXISTS (
    SELECT 1 FROM session_file_associations sfa WHERE sfa.file_id = cf.file_id AND sfa.session_id <> cf.session_id
  )`

/** The columns of a `FileRow`, from `conversation_files cf`. */
export const fileColumns = `cf.file_id, cf.session_id, cf.original_filename, cf.file_size, cf.file_hash, cf.mime_type,
  cf.uploaded_at, cf.uploaded_by, cf.deleted_at, cf.is_deleted,
  CASE WHEN cf.is_deleted = 1 THEN (
    SELECT min(q.scheduled_deletion_time) FROM file_cleanup_queue q WHERE q.file_id = cf.file_id AND q.is_processed = 0
  ) WHEN EXISTS (SELECT 1 FROM file_expiries fe WHERE fe.file_id = cf.file_id) THEN (
    SELECT fe.expires_at FROM file_expiries fe WHERE fe.file_id = cf.file_id
  ) ELSE (
    SELECT es.expires_at FROM ended_sessions es WHERE es.session_id = cf.session_id AND NOT ${isUsedElsewhere}
  ) END AS expires_at`

const isoOrNull = (timestamp: string | null): string | null => (timestamp === null ? null : isoOf(timestamp))

export const fieldsOf = (row: FileRow) => ({
  fileId: row.file_id,
  sessionId: row.session_id,
  name: row.original_filename,
  size: row.file_size,
  sha256: row.file_hash,
  mimeType: row.mime_type ?? "application/octet-stream",
  uploadedAt: isoOrNull(row.uploaded_at),
  uploadedBy: row.uploaded_by,
  deletedAt: isoOrNull(row.deleted_at),
  expiresAt: isoOrNull(row.expires_at)
})

/** Fields made from a row need no second check, which would be half the cost of a list. */
export const fromDatabase = { disableValidation: true }

export const fileOf = (row: FileRow): ConversationFile => new ConversationFile(fieldsOf(row), fromDatabase)

/** The tag of a file's details: it changes with every change of the file, not only of its content. */
export const fileTag = (file: ConversationFile): string =>
  tagOf(
    JSON.stringify([
      file.fileId,
      file.sessionId,
      file.name,
      file.size,
      file.sha256,
      file.mimeType,
      file.uploadedAt,
      file.deletedAt,
      file.expiresAt
    ])
  )

export const requireNotDeleted = (row: FileRow): Effect.Effect<FileRow, FileDeleted> =>
  row.is_deleted === 0
    ? Effect.succeed(row)
    : new FileDeleted({
        fileId: row.file_id,
        deletedAt: isoOf(row.deleted_at ?? ""),
        message: "The file is deleted. Restore it first."
      })

export const timestampNow = Effect.map(Clock.currentTimeMillis, timestampOf)
