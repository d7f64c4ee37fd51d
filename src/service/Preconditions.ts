/** Whether a file is still as its client saw it (RFC 9110, 13). */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { PreconditionFailed, PreconditionRequired } from "./Api.ts"
import { type FileRow, fileOf, fileTag } from "./FileRow.ts"
import { httpDate } from "./httpDate.ts"
import { isStronglyIn, isWeaklyIn } from "./tags.ts"
import { isoOf } from "./timestamp.ts"

/** The headers of a request, as they came. */
export interface Conditions {
  readonly ifMatch?: string | undefined
  readonly ifUnmodifiedSince?: string | undefined
  /** Only of a change: a read that matches is not refused, but answered with 304. */
  readonly ifNoneMatch?: string | undefined
}

type Subject = Pick<FileRow, "file_hash" | "file_id" | "uploaded_at">

/**
 * Since when a content is the one that it is, in milliseconds: the end of the second in which it was stored. HTTP dates
 * have no fractions, and within a second a content may change twice. With the beginning of the second a client that has
 * the first of the two would be told that it has the second (RFC 9110, 8.8.2.2). NaN if that time is unknown.
 */
export const unchangedSince = (uploadedAt: string | null): number =>
  (Math.floor(Date.parse(isoOf(uploadedAt ?? "")) / 1000) + 1) * 1000

/** An invalid date is not a condition (RFC 9110, 13.1.4). */
export const isUnmodified = (date: string, uploadedAt: string | null): boolean => {
  const [limit, since] = [httpDate(date), unchangedSince(uploadedAt)]
  return Number.isNaN(limit) || Number.isNaN(since) || since <= limit
}

/**
 * Fails if the file has changed, or is one that the request wants not to be there. With `If-Match` the date does not
 * count (RFC 9110, 13.2.2).
 */
export const checkConditions = (
  row: Subject,
  { ifMatch, ifNoneMatch, ifUnmodifiedSince }: Conditions,
  ...tags: ReadonlyArray<string>
): Effect.Effect<void, PreconditionFailed> => {
  const etag = `"${row.file_hash}"`
  const isSame =
    ifMatch === undefined
      ? ifUnmodifiedSince === undefined || isUnmodified(ifUnmodifiedSince, row.uploaded_at)
      : isStronglyIn(ifMatch, etag, ...tags)
  const failed = (message: string) => new PreconditionFailed({ fileId: row.file_id, etag, message })
  if (!isSame) return failed("The file has changed since you read it.")
  return ifNoneMatch !== undefined && [etag, ...tags].some((tag) => isWeaklyIn(ifNoneMatch, tag))
    ? failed("The file is one that `If-None-Match` excludes.")
    : Effect.void
}

/**
 * The row, if it still matches the request by the tag of its content or of its details. Ask within the transaction that
 * changes it.
 */
export const requireUnchanged = (row: FileRow): Effect.Effect<FileRow, PreconditionFailed> =>
  Effect.flatMap(
    Effect.serviceOption(HttpServerRequest.HttpServerRequest),
    Option.match({
      onNone: () => Effect.succeed(row),
      onSome: ({ headers }) => {
        const conditions = {
          ifMatch: headers["if-match"],
          ifNoneMatch: headers["if-none-match"],
          ifUnmodifiedSince: headers["if-unmodified-since"]
        }
        return Effect.as(checkConditions(row, conditions, fileTag(fileOf(row))), row)
      }
    })
  )

/** The same for a change that would overwrite another one unseen: the request must say which content it replaces. */
export const requireMatch = (
  row: FileRow,
  conditions: Conditions
): Effect.Effect<void, PreconditionFailed | PreconditionRequired> =>
  conditions.ifMatch === undefined
    ? new PreconditionRequired({ message: "Send `If-Match` with the ETag of the content that you want to replace." })
    : checkConditions(row, conditions, fileTag(fileOf(row)))
