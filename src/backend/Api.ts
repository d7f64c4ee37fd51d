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

import {
  ContentLost,
  DatabaseBusy,
  FileDeleted,
  FileNotFound,
  FileTooLarge,
  Forbidden,
  InternalError,
  InvalidFileName,
  InvalidUpload,
  NotReady,
  RangeNotSatisfiable,
  SessionEnded,
  StorageFull,
  TooManyRequests,
  Unauthorized
} from "./ApiErrors.ts"
import {
  AuditPage,
  ConversationFile,
  DeletedFiles,
  FileDetails,
  FileId,
  FilePage,
  RefusalPage,
  SessionId,
  SessionState,
  StorageStatistics,
  UserName
} from "./ApiModels.ts"

export * from "./ApiErrors.ts"
export * from "./ApiModels.ts"

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
      .addError(SessionEnded)
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
    HttpApiEndpoint.get("session", "/api/sessions/:sessionId")
      .setPath(inSession)
      .addSuccess(SessionState)
      .annotate(OpenApi.Summary, "Whose a session is, and whether it has ended")
  )
  .add(
    HttpApiEndpoint.post("endSession", "/api/sessions/:sessionId/end")
      .setPath(inSession)
      .addSuccess(SessionState)
      .annotate(OpenApi.Summary, "End a session: its files are deleted later, and can be restored then")
  )
  .add(
    HttpApiEndpoint.post("reopenSession", "/api/sessions/:sessionId/reopen")
      .setPath(inSession)
      .addSuccess(SessionState)
      .annotate(OpenApi.Summary, "Undo the end of a session")
  )
  .add(
    HttpApiEndpoint.put("giveSession", "/api/sessions/:sessionId/owner")
      .setPath(inSession)
      .setPayload(Schema.Struct({ owner: UserName }))
      .addSuccess(SessionState)
      .annotate(OpenApi.Summary, "Make a session another user's; for administrators")
  )
  .add(
    HttpApiEndpoint.get("audit", "/api/sessions/:sessionId/audit")
      .setPath(inSession)
      .setUrlParams(Schema.Struct({ limit, after: Schema.optionalWith(Position, { default: () => 0 }) }))
      .addSuccess(AuditPage)
      .annotate(OpenApi.Summary, "What was done to a session's files, and what was refused")
  )
  .add(
    HttpApiEndpoint.get("refusals", "/api/refusals")
      .setUrlParams(Schema.Struct({ limit, before: Schema.optional(Position) }))
      .addSuccess(RefusalPage)
      .annotate(OpenApi.Summary, "Who was refused, how often and why, by the minute; for administrators")
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
      .addError(ContentLost)
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
      .addError(ContentLost)
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
    HttpApiEndpoint.put("expire", "/api/files/:fileId/expiry")
      .setPath(ofFile)
      .setPayload(Schema.Struct({ expiresAt: Schema.NullOr(Schema.Date) }))
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .addError(FileDeleted)
      .annotate(OpenApi.Summary, "Say when a file is deleted by itself; null is never, also in a session that ends")
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
  .addError(StorageFull)
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
