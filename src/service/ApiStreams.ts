/** Long answers: archives, and changes as they happen. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { FileDeleted, FileNotFound, TooManyFiles } from "./ApiErrors.ts"
import { FileId } from "./ApiModels.ts"
import { inSession, Position } from "./ApiParameters.ts"

/** A change in a session. It is the `data` of an event whose `id` is `eventId`. */
export class SessionEvent extends Schema.Class<SessionEvent>("SessionEvent")({
  eventId: Schema.Number,
  at: Schema.String,
  actor: Schema.NullOr(Schema.String),
  /**
   * `upload` (also of a text or a copy), `change` of a content, `rename`, `expire`, `delete`, `restore`, `copy` and
   * `move` of a file; `end`, `reopen` and `give` of the session.
   */
  action: Schema.String,
  sessionId: Schema.String,
  /** Null if the session itself changed. */
  fileId: Schema.NullOr(Schema.String),
  name: Schema.NullOr(Schema.String)
}) {}

/** The most files in one archive. */
export const mostArchived = 1000

/** The files of the session to include; all without `fileIds`. */
export const ArchivedFiles = Schema.Struct({
  fileIds: Schema.optional(Schema.Array(FileId).pipe(Schema.minItems(1), Schema.maxItems(mostArchived)))
})

export class StreamsGroup extends HttpApiGroup.make("streams")
  .add(
    HttpApiEndpoint.get("events", "/api/sessions/:sessionId/events")
      .setPath(inSession)
      .setUrlParams(Schema.Struct({ after: Schema.optional(Position) }))
      .setHeaders(
        Schema.Struct({
          /** The number of the last event seen; it overrides `after`. Without both, events from now on. */
          "last-event-id": Schema.optional(Position)
        })
      )
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .annotate(OpenApi.Summary, "Changes in a session as they happen, as server-sent events")
  )
  .add(
    HttpApiEndpoint.post("archive", "/api/sessions/:sessionId/archive")
      .setPath(inSession)
      .setPayload(ArchivedFiles)
      .addSuccess(HttpApiSchema.Uint8Array({ contentType: "application/zip" }))
      .addError(FileNotFound)
      .addError(FileDeleted)
      .addError(TooManyFiles)
      .annotate(OpenApi.Summary, "Files of a session as one archive; its MISSING.txt lists what is missing")
  )
  .addError(Failure)
  .middleware(Authorization) {}
