/**
 * What the service offers over HTTP, as a value: the server implements it, the OpenAPI description and the
 * typed client are derived from it. Nothing here needs a server.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as HttpApiSecurity from "@effect/platform/HttpApiSecurity"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

// What can be refused. Every body is JSON with a stable `_tag`; `message` is for people.

/** No token, or one that nobody has. */
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

/** The file is deleted: it can be restored, not read. */
export class FileDeleted extends Schema.TaggedError<FileDeleted>()(
  "FileDeleted",
  { fileId: Schema.String, deletedAt: Schema.String, message: Schema.String },
  HttpApiSchema.annotations({ status: 410 })
) {}

/** What is wrong with a file's name. */
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

/** Too fast, or too much at once. The header `Retry-After` has the same number of seconds. */
export class TooManyRequests extends Schema.TaggedError<TooManyRequests>()(
  "TooManyRequests",
  { retryAfterSeconds: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 429 })
) {}

/** Another process writes to the database, and did not let go in time. */
export class DatabaseBusy extends Schema.TaggedError<DatabaseBusy>()(
  "DatabaseBusy",
  { retryAfterSeconds: Schema.Number, message: Schema.String },
  HttpApiSchema.annotations({ status: 503 })
) {}

/** The database is not ready yet, not any more, or the service is stopping. */
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

/** No such path, or not with this method. */
export class RouteNotFound extends Schema.TaggedError<RouteNotFound>()(
  "RouteNotFound",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

/** A defect of the service; its log has the rest. */
export class InternalError extends Schema.TaggedError<InternalError>()(
  "InternalError",
  { message: Schema.String },
  HttpApiSchema.annotations({ status: 500 })
) {}

// Who asks.

/** The user that a token belongs to. */
export class CurrentUser extends Context.Tag("conversation-files/CurrentUser")<
  CurrentUser,
  { readonly name: string; readonly isAdministrator: boolean }
>() {}

/** Asks for a bearer token, and counts the request against its user's limits. */
export class Authorization extends HttpApiMiddleware.Tag<Authorization>()("conversation-files/Authorization", {
  failure: Schema.Union(Unauthorized, Forbidden, TooManyRequests),
  provides: CurrentUser,
  security: { bearer: HttpApiSecurity.bearer }
}) {}

// What is spoken of.

/** A conversation, as its system names it. */
export const SessionId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, {
    identifier: "SessionId",
    description: "letters, digits, '.', '_' and '-', 128 at most, a letter or digit first"
  })
)

/** A UUID in this service's own rows; an earlier system may have given others. */
export const FileId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { identifier: "FileId", description: "the id of a file" })
)

/** One file of a conversation. Times are ISO 8601 in UTC, sizes are bytes. */
export class ConversationFile extends Schema.Class<ConversationFile>("ConversationFile")({
  fileId: Schema.String,
  sessionId: Schema.String,
  name: Schema.String,
  size: Schema.Number,
  /** Of the content, in hexadecimal: equal content is stored once. */
  sha256: Schema.String,
  mimeType: Schema.String,
  /** Null where an earlier system did not keep it. */
  uploadedAt: Schema.NullOr(Schema.String),
  uploadedBy: Schema.NullOr(Schema.String),
  deletedAt: Schema.NullOr(Schema.String)
}) {}

/** Facts about a file that its uploader gave with it, such as width or duration. */
export const Metadata = Schema.Record({ key: Schema.String, value: Schema.String })

export class FileDetails extends ConversationFile.extend<FileDetails>("FileDetails")({
  metadata: Metadata,
  /** Id of the message that the file was uploaded with. */
  messageId: Schema.NullOr(Schema.String)
}) {}

/** A page of a list, newest first; `next` is the `after` of the following page, null on the last one. */
export class FilePage extends Schema.Class<FilePage>("FilePage")({
  files: Schema.Array(ConversationFile),
  next: Schema.NullOr(Schema.String)
}) {}

export class AuditEvent extends Schema.Class<AuditEvent>("AuditEvent")({
  eventId: Schema.Number,
  at: Schema.String,
  actor: Schema.NullOr(Schema.String),
  /** `upload`, `view`, `download`, `rename`, `delete`, `restore`, or what was refused. */
  action: Schema.String,
  outcome: Schema.Literal("done", "refused"),
  /** Why it was refused: the `_tag` of the answer. */
  reason: Schema.NullOr(Schema.String),
  fileId: Schema.NullOr(Schema.String),
  filename: Schema.NullOr(Schema.String),
  details: Schema.NullOr(Schema.String)
}) {}

/** Events in the order in which they happened. */
export class AuditPage extends Schema.Class<AuditPage>("AuditPage")({
  events: Schema.Array(AuditEvent),
  next: Schema.NullOr(Schema.Number)
}) {}

export class StorageStatistics extends Schema.Class<StorageStatistics>("StorageStatistics")({
  files: Schema.Number,
  deletedFiles: Schema.Number,
  sessions: Schema.Number,
  /** Bytes that the files would take without deduplication. */
  bytes: Schema.Number,
  /** Bytes on the disk: equal content once. */
  storedBytes: Schema.Number,
  /** Deletions that are due within the next seven days. */
  pendingCleanups: Schema.Number,
  /** Bytes that can still be written; null where nobody knows. */
  freeBytes: Schema.NullOr(Schema.Number)
}) {}

export class DeletedFiles extends Schema.Class<DeletedFiles>("DeletedFiles")({ deleted: Schema.Number }) {}

/** The one file, and what is known about it. Fields may come before or after the file. */
export const Upload = HttpApiSchema.MultipartStream(
  Schema.Struct({
    file: Schema.String.annotations({ format: "binary" }),
    message_id: Schema.optional(Schema.String),
    /** A JSON object of strings. */
    metadata: Schema.optional(Schema.String)
  })
)

const limit = Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 200)), {
  default: () => 50
})

/** Where a page begins: behind the file with this time, as the database has it, and id. */
const Cursor = Schema.String.pipe(
  Schema.pattern(/^[\d:.TZ +-]{0,40}~[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    identifier: "Cursor",
    description: "the `next` of the page before"
  })
)

/** Where a page of events begins: behind the one with this id. */
const Position = Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative())

const PageOf = { limit, after: Schema.optional(Cursor) }

/** Files whose names contain this, whatever the case of its letters a to z. */
const name = Schema.optional(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(255)))

const Content = HttpApiSchema.Uint8Array({ contentType: "application/octet-stream" })

const inSession = Schema.Struct({ sessionId: SessionId })
const ofFile = Schema.Struct({ fileId: FileId })

/** The files of conversations. All of it needs a token; a session belongs to the user who first writes to it. */
export class FilesGroup extends HttpApiGroup.make("files")
  .add(
    HttpApiEndpoint.post("upload", "/api/sessions/:sessionId/files")
      .setPath(inSession)
      .setPayload(Upload)
      .addSuccess(FileDetails, { status: 201 })
      .addError(InvalidUpload)
      .addError(InvalidFileName)
      .addError(FileTooLarge)
      .addError(StorageFull)
      .annotate(OpenApi.Summary, "Upload a file")
  )
  .add(
    HttpApiEndpoint.get("list", "/api/sessions/:sessionId/files")
      .setPath(inSession)
      .setUrlParams(
        Schema.Struct({
          ...PageOf,
          name,
          deleted: Schema.optionalWith(Schema.BooleanFromString, { default: () => false })
        })
      )
      .addSuccess(FilePage)
      .annotate(OpenApi.Summary, "List the files of a session; with `deleted`, the deleted ones instead")
  )
  .add(
    HttpApiEndpoint.del("deleteSession", "/api/sessions/:sessionId/files")
      .setPath(inSession)
      .addSuccess(DeletedFiles)
      .annotate(OpenApi.Summary, "Delete all files of a session for good")
  )
  .add(
    HttpApiEndpoint.get("audit", "/api/sessions/:sessionId/audit")
      .setPath(inSession)
      .setUrlParams(Schema.Struct({ limit, after: Schema.optionalWith(Position, { default: () => 0 }) }))
      .addSuccess(AuditPage)
      .annotate(OpenApi.Summary, "What was done to a session's files, and what was refused")
  )
  .add(
    HttpApiEndpoint.get("search", "/api/files")
      .setUrlParams(Schema.Struct({ ...PageOf, name }))
      .addSuccess(FilePage)
      .annotate(OpenApi.Summary, "Search all sessions of the user by name")
  )
  .add(
    HttpApiEndpoint.get("details", "/api/files/:fileId")
      .setPath(ofFile)
      .addSuccess(FileDetails)
      .addError(FileNotFound)
      .annotate(OpenApi.Summary, "What is known about a file")
  )
  .add(
    HttpApiEndpoint.get("view", "/api/files/:fileId/content")
      .setPath(ofFile)
      .addSuccess(Content)
      .addSuccess(Content, { status: 206 })
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(RangeNotSatisfiable)
      .annotate(OpenApi.Summary, "The content, to be shown; ranges and If-None-Match are understood")
  )
  .add(
    HttpApiEndpoint.get("download", "/api/files/:fileId/download")
      .setPath(ofFile)
      .addSuccess(Content)
      .addSuccess(Content, { status: 206 })
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(RangeNotSatisfiable)
      .annotate(OpenApi.Summary, "The content, to be saved under its name")
  )
  .add(
    HttpApiEndpoint.patch("rename", "/api/files/:fileId")
      .setPath(ofFile)
      .setPayload(Schema.Struct({ name: Schema.String }))
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(InvalidFileName)
      .annotate(OpenApi.Summary, "Give a file another name")
  )
  .add(
    HttpApiEndpoint.del("delete", "/api/files/:fileId")
      .setPath(ofFile)
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .annotate(OpenApi.Summary, "Delete a file; it can be restored until it is cleaned up")
  )
  .add(
    HttpApiEndpoint.post("restore", "/api/files/:fileId/restore")
      .setPath(ofFile)
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .annotate(OpenApi.Summary, "Undo a deletion")
  )
  .add(
    HttpApiEndpoint.del("destroy", "/api/files/:fileId/permanently")
      .setPath(ofFile)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(FileNotFound)
      .annotate(OpenApi.Summary, "Delete a file for good")
  )
  .add(
    HttpApiEndpoint.get("storage", "/api/storage")
      .addSuccess(StorageStatistics)
      .annotate(OpenApi.Summary, "How much is stored: of the user's own sessions, or of all for an administrator")
  )
  .addError(Forbidden)
  .addError(InternalError)
  .addError(DatabaseBusy)
  .addError(NotReady)
  .middleware(Authorization) {}

const HealthJson = HttpApiSchema.Text({ contentType: "application/health+json" })
const PlainText = HttpApiSchema.Text({ contentType: "text/plain" })

/** For supervisors and monitors. Answered from the first moment on, the database ready or not; no token needed. */
export class ProbesGroup extends HttpApiGroup.make("probes", { topLevel: true })
  .add(
    HttpApiEndpoint.get("livez", "/livez")
      .addSuccess(PlainText)
      .annotate(OpenApi.Summary, "Whether the process answers; the database does not matter")
  )
  .add(
    HttpApiEndpoint.get("readyz", "/readyz")
      .addSuccess(HealthJson)
      .addSuccess(HealthJson, { status: 503 })
      .annotate(OpenApi.Summary, "Whether requests are served")
  )
  .add(
    HttpApiEndpoint.get("startupz", "/startupz")
      .addSuccess(HealthJson)
      .addSuccess(HealthJson, { status: 503 })
      .annotate(OpenApi.Summary, "Whether the start is over; meanwhile its stage, attempts and since when")
  )
  .add(
    HttpApiEndpoint.get("health", "/api/health")
      .addSuccess(HealthJson)
      .addSuccess(HealthJson, { status: 503 })
      .annotate(OpenApi.Summary, "The live database and the start, check by check (application/health+json)")
  )
  .add(
    HttpApiEndpoint.get("metrics", "/metrics")
      .addSuccess(PlainText)
      .annotate(OpenApi.Summary, "Prometheus' text format")
  ) {}

/** What is served from the first moment on. */
export class ProbesApi extends HttpApi.make("probes").add(ProbesGroup) {}

/** What is served on a ready database, and on nothing less. */
export class FilesApi extends HttpApi.make("files").add(FilesGroup) {}

/** Both, for the description and the client. */
export class Api extends HttpApi.make("conversation-files")
  .add(FilesGroup)
  .add(ProbesGroup)
  .annotate(OpenApi.Title, "Conversation files")
  .annotate(OpenApi.Description, "The files of conversations, on a database that is provably ready.") {}
