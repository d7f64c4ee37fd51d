/** What is sent for as long as it takes: archives, and changes as they happen. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { inSession, Position } from "./ApiParameters.ts"

/** What somebody changed in a session. It is the `data` of an event, whose `id` is `eventId`. */
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
  /** Null where it is the session that changed. */
  fileId: Schema.NullOr(Schema.String),
  filename: Schema.NullOr(Schema.String)
}) {}

export class StreamsGroup extends HttpApiGroup.make("streams")
  .add(
    HttpApiEndpoint.get("events", "/api/sessions/:sessionId/events")
      .setPath(inSession)
      .setUrlParams(Schema.Struct({ after: Schema.optional(Position) }))
      .setHeaders(
        Schema.Struct({
          /** The number of the last event that was seen; counts more than `after`. With neither, events from now on. */
          "last-event-id": Schema.optional(Position)
        })
      )
      .addSuccess(HttpApiSchema.Text({ contentType: "text/event-stream" }))
      .annotate(OpenApi.Summary, "Changes in a session as they happen, as server-sent events")
  )
  .addError(Failure)
  .middleware(Authorization) {}
