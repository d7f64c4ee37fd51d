/** Whether a file is still as its caller saw it (RFC 9110, 13). */
import * as Effect from "effect/Effect"
import { PreconditionFailed, PreconditionRequired } from "./Api.ts"
import type { FileRow } from "./FileRow.ts"
import { isoOf } from "./timestamp.ts"

/** The headers of a request, as they came. */
export interface Conditions {
  readonly ifMatch?: string | undefined
  readonly ifUnmodifiedSince?: string | undefined
}

type Subject = Pick<FileRow, "file_hash" | "file_id" | "uploaded_at">

/** Strong tags alone match (RFC 9110, 13.1.1): a weak one says nothing about the bytes. */
const isMatched = (ifMatch: string, etag: string): boolean =>
  ifMatch.split(",").some((tag) => tag.trim() === etag || tag.trim() === "*")

/** A date that is none is no condition (RFC 9110, 13.1.4). HTTP's dates have no fractions of a second. */
const isUnmodified = (since: string, uploadedAt: string | null): boolean => {
  const limit = Date.parse(since)
  const changed = Date.parse(isoOf(uploadedAt ?? ""))
  return Number.isNaN(limit) || Number.isNaN(changed) || Math.floor(changed / 1000) * 1000 <= limit
}

/** Fails where the file has changed. With `If-Match` there, the date does not count (RFC 9110, 13.2.2). */
export const checkConditions = (
  row: Subject,
  { ifMatch, ifUnmodifiedSince }: Conditions
): Effect.Effect<void, PreconditionFailed> => {
  const etag = `"${row.file_hash}"`
  const holds =
    ifMatch === undefined
      ? ifUnmodifiedSince === undefined || isUnmodified(ifUnmodifiedSince, row.uploaded_at)
      : isMatched(ifMatch, etag)
  return holds
    ? Effect.void
    : new PreconditionFailed({ fileId: row.file_id, etag, message: "The file has changed since you read it." })
}

/** The same, for a change that would silently undo another's: it has to say which content it replaces. */
export const requireMatch = (
  row: Subject,
  conditions: Conditions
): Effect.Effect<void, PreconditionFailed | PreconditionRequired> =>
  conditions.ifMatch === undefined
    ? new PreconditionRequired({ message: "Send `If-Match` with the ETag of the content that you want to replace." })
    : checkConditions(row, conditions)
