/** The files of conversations. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import {
  ContentLost,
  FileDeleted,
  FileNotFound,
  FileTooLarge,
  InvalidFileName,
  InvalidUpload,
  PreconditionFailed,
  QuotaExceeded,
  RangeNotSatisfiable,
  SessionEnded,
  UnsupportedMediaType
} from "./ApiErrors.ts"
import { ConversationFile, FileDetails, FilePage, Moment } from "./ApiModels.ts"
import { inSession, inWritableSession, name, ofFile, PageOf } from "./ApiParameters.ts"

/** The file and its fields. Fields may come before or after the file. */
export const Upload = HttpApiSchema.MultipartStream(
  Schema.Struct({
    file: Schema.String.annotations({ format: "binary" }),
    message_id: Schema.optional(Schema.String),
    /** A JSON object of strings. */
    metadata: Schema.optional(Schema.String)
  })
)

const Content = HttpApiSchema.Uint8Array({ contentType: "application/octet-stream" })

/** Single files, and the files of a session. A session belongs to the user who first writes to it. */
export class FilesGroup extends HttpApiGroup.make("files")
  .add(
    HttpApiEndpoint.post("upload", "/api/sessions/:sessionId/files")
      .setPath(inWritableSession)
      .setPayload(Upload)
      .addSuccess(FileDetails, { status: 201 })
      .addError(InvalidUpload)
      .addError(UnsupportedMediaType)
      .addError(InvalidFileName)
      .addError(FileTooLarge)
      .addError(QuotaExceeded)
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
      .annotate(OpenApi.Summary, "Get the details of a file")
  )
  .add(
    HttpApiEndpoint.get("view", "/api/files/:fileId/content")
      .setPath(ofFile)
      .addSuccess(Content)
      .addSuccess(Content, { status: 206 })
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .addError(FileDeleted)
      .addError(ContentLost)
      .addError(RangeNotSatisfiable)
      .annotate(OpenApi.Summary, "Get the content to show it; supports ranges and If-None-Match")
  )
  .add(
    HttpApiEndpoint.get("download", "/api/files/:fileId/download")
      .setPath(ofFile)
      .addSuccess(Content)
      .addSuccess(Content, { status: 206 })
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .addError(FileDeleted)
      .addError(ContentLost)
      .addError(RangeNotSatisfiable)
      .annotate(OpenApi.Summary, "Get the content to save it under its name")
  )
  .add(
    HttpApiEndpoint.patch("rename", "/api/files/:fileId")
      .setPath(ofFile)
      .setPayload(Schema.Struct({ name: Schema.String }))
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .addError(FileDeleted)
      .addError(InvalidFileName)
      .annotate(OpenApi.Summary, "Give a file another name")
  )
  .add(
    HttpApiEndpoint.put("expire", "/api/files/:fileId/expiry")
      .setPath(ofFile)
      .setPayload(Schema.Struct({ expiresAt: Schema.NullOr(Moment) }))
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .addError(FileDeleted)
      .annotate(OpenApi.Summary, "Set when a file is deleted automatically; null is never, even when its session ends")
  )
  .add(
    HttpApiEndpoint.del("delete", "/api/files/:fileId")
      .setPath(ofFile)
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .annotate(OpenApi.Summary, "Delete a file; it can be restored until it is cleaned up")
  )
  .add(
    HttpApiEndpoint.post("restore", "/api/files/:fileId/restore")
      .setPath(ofFile)
      .addSuccess(ConversationFile)
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .annotate(OpenApi.Summary, "Undo a deletion")
  )
  .add(
    HttpApiEndpoint.del("destroy", "/api/files/:fileId/permanently")
      .setPath(ofFile)
      .addSuccess(HttpApiSchema.NoContent)
      .addError(FileNotFound)
      .addError(PreconditionFailed)
      .annotate(OpenApi.Summary, "Delete a file for good")
  )
  .addError(Failure)
  .middleware(Authorization) {}
