/** Sessions: their owner, whether they are open, and what happened in them. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { AuditPage, DeletedFiles, SessionPage, SessionSummary, UserName } from "./ApiModels.ts"
import { inSession, limit, name, Position } from "./ApiParameters.ts"
import { cursorAs } from "./Cursor.ts"

/** Where a page of sessions begins: after the session with this id and last change (as stored in the database). */
export const SessionCursor = cursorAs(Schema.Tuple(Schema.String, Schema.String))

/** A session belongs to the user who first writes to it. */
export class SessionsGroup extends HttpApiGroup.make("sessions")
  .add(
    HttpApiEndpoint.get("list", "/api/sessions")
      .setUrlParams(
        Schema.Struct({
          limit,
          after: Schema.optional(SessionCursor.schema),
          /** Sessions whose ids contain this. The case of letters does not count. */
          name,
          owner: Schema.optional(UserName),
          state: Schema.optional(Schema.Literal("open", "ended"))
        })
      )
      .addSuccess(SessionPage)
      .annotate(
        OpenApi.Summary,
        "The user's sessions, last changed first; for an administrator all sessions, or those of one owner"
      )
  )
  .add(
    HttpApiEndpoint.get("get", "/api/sessions/:sessionId")
      .setPath(inSession)
      .addSuccess(SessionSummary)
      .annotate(OpenApi.Summary, "The owner of a session, what it holds, and whether it has ended")
  )
  .add(
    HttpApiEndpoint.post("end", "/api/sessions/:sessionId/end")
      .setPath(inSession)
      .addSuccess(SessionSummary)
      .annotate(OpenApi.Summary, "End a session: its files are deleted later, and can still be restored after that")
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
      .annotate(OpenApi.Summary, "Give a session to another user; for administrators")
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
      .addSuccess(DeletedFiles, { status: 202 })
      .annotate(OpenApi.Summary, "Delete all files of a session for good; if some remain after 5 s (202), ask again")
  )
  .addError(Failure)
  .middleware(Authorization) {}
