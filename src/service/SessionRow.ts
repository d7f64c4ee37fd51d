/** Rows of `session_summaries`, and what the API makes of them. */
import { SessionSummary } from "./Api.ts"
import { fromDatabase } from "./FileRow.ts"
import { isoOf } from "./timestamp.ts"

export interface SessionRow {
  readonly owner: string | null
  /** Null if the session has neither files nor an owner. */
  readonly files: number | null
  readonly bytes: number | null
  readonly deleted_files: number | null
  readonly changed_at: string | null
  readonly ended_at: string | null
  readonly expires_at: string | null
}

/** The columns of a `SessionRow`, from `session_summaries ss` and `ended_sessions es`. */
export const sessionColumns = `ss.owner, ss.files, ss.bytes, ss.deleted_files, ss.changed_at, es.ended_at, es.expires_at`

const isoOrNull = (timestamp: string | null | undefined): string | null =>
  timestamp === null || timestamp === undefined ? null : isoOf(timestamp)

/** Also for a session of which nothing is known. */
export const summaryOf = (sessionId: string, row: SessionRow | undefined): SessionSummary =>
  new SessionSummary(
    {
      sessionId,
      owner: row?.owner ?? null,
      files: row?.files ?? 0,
      bytes: row?.bytes ?? 0,
      deletedFiles: row?.deleted_files ?? 0,
      changedAt: isoOrNull(row?.changed_at),
      endedAt: isoOrNull(row?.ended_at),
      expiresAt: isoOrNull(row?.expires_at)
    },
    fromDatabase
  )
