/** The account of the user who asks. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { Me, StorageStatistics } from "./ApiModels.ts"
import { limit } from "./ApiParameters.ts"
import { cursorAs } from "./Cursor.ts"

/** A deletion that will happen automatically. */
export class PlannedCleanup extends Schema.Class<PlannedCleanup>("PlannedCleanup")({
  fileId: Schema.String,
  name: Schema.String,
  sessionId: Schema.String,
  size: Schema.Number,
  dueAt: Schema.String,
  /** `retention`: the file is then deleted for good and cannot be restored any more. */
  reason: Schema.Literal("expired", "session_ended", "retention"),
  /** Whether nothing of the file is left then. Otherwise it can be restored. */
  forGood: Schema.Boolean
}) {}

/** The next due first. */
export class CleanupPage extends Schema.Class<CleanupPage>("CleanupPage")({
  cleanups: Schema.Array(PlannedCleanup),
  next: Schema.NullOr(Schema.String)
}) {}

/** A number or an id, as the engine orders its rows. */
const Key = Schema.Union(Schema.Int, Schema.String)

/** Where a page of cleanups begins: after the entry with this time (as stored in the database), source and keys. */
export const CleanupCursor = cursorAs(Schema.Tuple(Schema.String, Schema.Literal(0, 1, 2), Key, Key))

/** A user sees their own; an administrator sees everybody's. */
export class AccountGroup extends HttpApiGroup.make("account")
  .add(
    HttpApiEndpoint.get("me", "/api/me")
      .addSuccess(Me)
      .annotate(OpenApi.Summary, "The user who asks, what they store, and their quota")
  )
  .add(
    HttpApiEndpoint.get("storage", "/api/storage")
      .addSuccess(StorageStatistics)
      .annotate(OpenApi.Summary, "How much is stored in the user's own sessions; in all sessions for an administrator")
  )
  .add(
    HttpApiEndpoint.get("cleanups", "/api/cleanups")
      .setUrlParams(Schema.Struct({ limit, after: Schema.optional(CleanupCursor.schema) }))
      .addSuccess(CleanupPage)
      .annotate(
        OpenApi.Summary,
        "Which of the user's files will be deleted automatically; all files for an administrator"
      )
  )
  .addError(Failure)
  .middleware(Authorization) {}
