/**
 * Every refusal of the API. Errors are answered as problem details (RFC 9457): a status, a stable `_tag`, the fields
 * declared here, and `message` for people.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"

/** The request has no token, or an unknown one. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 401 })
) {}

/** The session belongs to another user, or only an administrator may do this. */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 403 })
) {}

export class FileNotFound extends Schema.TaggedError<FileNotFound>()(
  "FileNotFound",
  { fileId: Schema.String, message: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

/** The file is deleted. It can be restored, but not read. */
export class FileDeleted extends Schema.TaggedError<FileDeleted>()(
  "FileDeleted",
  { fileId: Schema.String, deletedAt: Schema.String, message: Schema.String },
  HttpApiSchema.annotations({ status: 410 })
) {}

/** The content of the file is not on the disk as it was stored. Upload the same bytes again to bring it back. */
export class ContentLost extends Schema.TaggedError<ContentLost>()(
  "ContentLost",
  { fileId: Schema.String, reason: Schema.Literal("missing", "damaged"), message: Schema.String },
  HttpApiSchema.annotations({ status: 410 })
) {}

/** Nothing can be added to a session that has ended until it is reopened. */
export class SessionEnded extends Schema.TaggedError<SessionEnded>()(
  "SessionEnded",
  { endedAt: Schema.String, message: Schema.String },
  HttpApiSchema.annotations({ status: 409 })
) {}

/**
 * It is not as the request says any more. `etag` is the tag of the file's current content, or of what else would be read.
 */
export class PreconditionFailed extends Schema.TaggedError<PreconditionFailed>()(
  "PreconditionFailed",
  { fileId: Schema.optional(Schema.String), etag: Schema.String, message: Schema.String },
  HttpApiSchema.annotations({ status: 412 })
) {}

/** The change could overwrite another change unseen, so it needs `If-Match` (RFC 6585, 3). */
export class PreconditionRequired extends Schema.TaggedError<PreconditionRequired>()(
  "PreconditionRequired",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 428 })
) {}

/** This path takes another type of body: `accept`, as in the header. */
export class UnsupportedMediaType extends Schema.TaggedError<UnsupportedMediaType>()(
  "UnsupportedMediaType",
  { accept: Schema.optional(Schema.String), message: Schema.String },
  HttpApiSchema.annotations({ status: 415 })
) {}

/** More files than one archive may have. */
export class TooManyFiles extends Schema.TaggedError<TooManyFiles>()(
  "TooManyFiles",
  { limitFiles: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 422 })
) {}

/** What is wrong with the name of a file. */
export const NameProblem = Schema.Literal(
  "Empty",
  "TooLong",
  "ControlCharacter",
  "Separator",
  "Reserved",
  "Invisible",
  "Malformed",
  "BlankOrDotAtItsEnds"
)

export class InvalidFileName extends Schema.TaggedError<InvalidFileName>()(
  "InvalidFileName",
  { problem: NameProblem, message: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

/** The multipart body is not one file with its fields. */
export class InvalidUpload extends Schema.TaggedError<InvalidUpload>()(
  "InvalidUpload",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

export class FileTooLarge extends Schema.TaggedError<FileTooLarge>()(
  "FileTooLarge",
  { limitBytes: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 413 })
) {}

export const tooLarge = (limitBytes: number): FileTooLarge =>
  new FileTooLarge({ limitBytes, message: `A file may have ${limitBytes} bytes at most.` })

export class RangeNotSatisfiable extends Schema.TaggedError<RangeNotSatisfiable>()(
  "RangeNotSatisfiable",
  { size: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 416 })
) {}

/** Too many requests. The header `Retry-After` has the same number of seconds. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()(
  "TooManyRequests",
  { retryAfterSeconds: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 429 })
) {}

/** Another process is writing to the database and did not finish in time. */
export class DatabaseBusy extends Schema.TaggedError<DatabaseBusy>()(
  "DatabaseBusy",
  { retryAfterSeconds: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {}

/** The database is not ready yet or any more, or the service is stopping. */
export class NotReady extends Schema.TaggedError<NotReady>()(
  "NotReady",
  { retryAfterSeconds: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {}

export class StorageFull extends Schema.TaggedError<StorageFull>()(
  "StorageFull",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 507 })
) {}

/** What helps when the disk is full. */
export const makeRoom = "Delete files for good, or ask the person who runs the service to make room."

/**
 * More than a quota allows: the quota of the session's owner, or of all users together. The status is 507, because the
 * disk is full for this user (RFC 4331, 6). 413 would say that such content is never accepted.
 */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()(
  "QuotaExceeded",
  {
    quota: Schema.Literal("user", "total"),
    unit: Schema.Literal("files", "bytes"),
    limit: Schema.Number,
    message: Schema.String
  },
  HttpApiSchema.annotations({ status: 507 })
) {}

/** Nothing is at this path. A path has one spelling: its case and its slashes count. */
export class RouteNotFound extends Schema.TaggedError<RouteNotFound>()(
  "RouteNotFound",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

/** The path exists but takes other methods: those in the header `Allow`. */
export class MethodNotAllowed extends Schema.TaggedError<MethodNotAllowed>()(
  "MethodNotAllowed",
  { allow: Schema.Array(Schema.String), message: Schema.String },
  HttpApiSchema.annotations({ status: 405 })
) {}

/** The body is longer than this path allows. The connection ends. */
export class BodyTooLarge extends Schema.TaggedError<BodyTooLarge>()(
  "BodyTooLarge",
  { limitBytes: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 413 })
) {}

/** The bytes are not an HTTP/1.1 request. */
export class MalformedRequest extends Schema.TaggedError<MalformedRequest>()(
  "MalformedRequest",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 400 })
) {}

/** The header `Expect` asks for something that the service does not do. */
export class ExpectationFailed extends Schema.TaggedError<ExpectationFailed>()(
  "ExpectationFailed",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 417 })
) {}

/** The request did not arrive in time. */
export class RequestTimedOut extends Schema.TaggedError<RequestTimedOut>()(
  "RequestTimedOut",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 408 })
) {}

/** The target of the request, its path with its query, is too long. */
export class TargetTooLong extends Schema.TaggedError<TargetTooLong>()(
  "TargetTooLong",
  { limitBytes: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 414 })
) {}

/** The path and the headers are too long. */
export class HeadersTooLarge extends Schema.TaggedError<HeadersTooLarge>()(
  "HeadersTooLarge",
  { limitBytes: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 431 })
) {}

/** A method that the service does not know for any path. */
export class MethodNotImplemented extends Schema.TaggedError<MethodNotImplemented>()(
  "MethodNotImplemented",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 501 })
) {}

/** A defect of the service. Its log has the details under the same `instance`. */
export class InternalError extends Schema.TaggedError<InternalError>()(
  "InternalError",
  { instance: Schema.optional(Schema.String), message: Schema.String },
  HttpApiSchema.annotations({ status: 500 })
) {}
