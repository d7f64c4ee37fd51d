/** Changes of files: contents, sessions, and several files at once. */
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
  PreconditionRequired,
  QuotaExceeded,
  SessionEnded,
  UnsupportedMediaType
} from "./ApiErrors.ts"
import { ConversationFile, FileDetails, FileId, SessionId } from "./ApiModels.ts"
import { inWritableSession, ofFile } from "./ApiParameters.ts"
import { GivenMetadata } from "./GivenMetadata.ts"
import { Text } from "./unicode.ts"

/** A text file to create. The whole request may have 1 MiB; upload a longer one. */
export const NewText = Schema.Struct({
  name: Schema.String,
  text: Text,
  /** Default `text/plain`. */
  mimeType: Schema.optional(Schema.String),
  messageId: Schema.optional(Text.pipe(Schema.maxLength(1024))),
  metadata: Schema.optional(GivenMetadata)
})

/** One to two hundred files. A file named twice counts once. */
const FileIds = Schema.Struct({ fileIds: Schema.Array(FileId).pipe(Schema.minItems(1), Schema.maxItems(200)) })

export class BulkFailure extends Schema.Class<BulkFailure>("BulkFailure")({
  fileId: Schema.String,
  error: Schema.Struct({ _tag: Schema.String, message: Schema.String })
}) {}

/** Which files were changed, and why each of the others was not. */
export class BulkResult extends Schema.Class<BulkResult>("BulkResult")({
  done: Schema.Array(ConversationFile),
  failed: Schema.Array(BulkFailure)
}) {}

export class DestroyedFiles extends Schema.Class<DestroyedFiles>("DestroyedFiles")({
  fileIds: Schema.Array(Schema.String),
  failed: Schema.Array(BulkFailure)
}) {}

/** `Content-Type` must not be listed as a parameter (OpenAPI 3.1, 4.8.12.1): the body describes it. */
const withTextBody = (operation: Record<string, unknown>) => ({
  ...operation,
  parameters: (Array.isArray(operation["parameters"]) ? operation["parameters"] : []).filter(
    (parameter: { readonly name?: unknown }) => parameter.name !== "content-type"
  ),
  requestBody: {
    required: true,
    content: { "text/*": { schema: { type: "string" } }, "application/json": { schema: {} } }
  }
})

export class ChangesGroup extends HttpApiGroup.make("changes")
  .add(
    HttpApiEndpoint.post("createText", "/api/sessions/:sessionId/texts")
      .setPath(inWritableSession)
      .setPayload(NewText)
      .addSuccess(FileDetails, { status: 201 })
      .addError(InvalidFileName)
      .addError(InvalidUpload)
      .addError(FileTooLarge)
      .addError(QuotaExceeded)
      .addError(SessionEnded)
      .addError(UnsupportedMediaType)
      .annotate(OpenApi.Summary, "Create a text file")
  )
  .add(
    HttpApiEndpoint.put("replace", "/api/files/:fileId/content")
      .setPath(ofFile)
      .setHeaders(
        Schema.Struct({
          /** The ETag of the content to replace, from any answer that has it; `*` for any content. */
          "if-match": Schema.optional(Schema.String),
          /** Default: the file keeps its type. */
          "content-type": Schema.optional(Schema.String)
        })
      )
      .setPayload(HttpApiSchema.Text({ contentType: "text/plain" }))
      .addSuccess(FileDetails)
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(FileTooLarge)
      .addError(InvalidUpload)
      .addError(PreconditionFailed)
      .addError(PreconditionRequired)
      .addError(QuotaExceeded)
      .addError(SessionEnded)
      .addError(UnsupportedMediaType)
      .annotate(OpenApi.Summary, "Replace the content of a file by another text, in UTF-8")
      .annotate(OpenApi.Transform, withTextBody)
  )
  .add(
    HttpApiEndpoint.post("copy", "/api/files/:fileId/copy")
      .setPath(ofFile)
      .setPayload(Schema.Struct({ sessionId: SessionId, name: Schema.optional(Schema.String) }))
      .addSuccess(FileDetails, { status: 201 })
      .addError(PreconditionFailed)
      .addError(ContentLost)
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(InvalidFileName)
      .addError(QuotaExceeded)
      .addError(SessionEnded)
      .annotate(OpenApi.Summary, "Copy a file into a session, with its metadata")
  )
  .add(
    HttpApiEndpoint.post("move", "/api/files/:fileId/move")
      .setPath(ofFile)
      .setPayload(Schema.Struct({ sessionId: SessionId }))
      .addSuccess(ConversationFile)
      .addError(PreconditionFailed)
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(QuotaExceeded)
      .addError(SessionEnded)
      .annotate(OpenApi.Summary, "Move a file to another session")
  )
  .add(
    HttpApiEndpoint.post("deleteFiles", "/api/files/delete")
      .setPayload(FileIds)
      .addSuccess(BulkResult)
      .annotate(OpenApi.Summary, "Delete several files; they can be restored until they are cleaned up")
  )
  .add(
    HttpApiEndpoint.post("restoreFiles", "/api/files/restore")
      .setPayload(FileIds)
      .addSuccess(BulkResult)
      .annotate(OpenApi.Summary, "Undo the deletion of several files")
  )
  .add(
    HttpApiEndpoint.post("destroyFiles", "/api/files/destroy")
      .setPayload(FileIds)
      .addSuccess(DestroyedFiles)
      .annotate(OpenApi.Summary, "Delete several files for good")
  )
  .addError(Failure)
  .middleware(Authorization) {}
