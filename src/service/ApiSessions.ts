/** Sessions: whose they are, whether they go on, and what happened in them. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { AuditPage, DeletedFiles, SessionPage, SessionSummary, UserName } from "./ApiModels.ts"
import { inSession, limit, name, Position } from "./ApiParameters.ts"
import { cursorAs } from "./Cursor.ts"

/** Where a page of sessions begins: behind the one with this last change, as the database has it, and id. */
export const SessionCursor = cursorAs(Schema.Tuple(Schema.String, Schema.String))

/** A session belongs to the user who first writes to it. */
export class SessionsGroup extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/api/sessions")
      .setUrlParams(
        Schema.Struct({
          limit,
          after: Schema.optional(SessionCursor.schema),
          /** Sessions whose ids contain this, whatever the case of its letters. */
          name,
          owner: Schema.optional(UserName),
          state: Schema.optional(Schema.Literal("open", "ended"))
        })
      )
      .addSuccess(SessionPage)
      .annotate(OpenApi.Summary, "The user's sessions, the last changed first; of an administrator all, or an owner's")
  )
  .add(
    HttpApiEndpoint.get("get", "/api/sessions/:sessionId")
      .setPath(inSession)
      .addSuccess(SessionSummary)
      .annotate(OpenApi.Summary, "Whose a session is, what it holds, and whether it has ended")
  )
  .add(
    HttpApiEndpoint.post("end", "/api/sessions/:sessionId/end")
      .setPath(inSession)
      .addSuccess(SessionSummary)
      .annotate(OpenApi.Summary, "End a session: its files are deleted later, and can be restored then")
  )
  .add(
    HttpApiEndpoint.post("reopen", "/api/sessions/:sessionId/reopen")
      .setPath(inSession)
      .addSuccess(SessionSummary)
      .annotate(OpenApi.Summary, "Undo the end of a session")
  )
  .add(
    HttpApiEndpoint.put("give", "/api/sessions/:sessionId/owner")
      .setPath(inSession)
      .setPayload(Schema.Struct({ owner: UserName }))
      .addSuccess(SessionSummary)
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
    HttpApiEndpoint.del("deleteFiles", "/api/sessions/:sessionId/files")
      .setPath(inSession)
      .addSuccess(DeletedFiles)
      .annotate(OpenApi.Summary, "Delete all files of a session for good")
  )
  .addError(Failure)
  .middleware(Authorization) {}
