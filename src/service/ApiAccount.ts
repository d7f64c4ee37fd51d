/** The user who asks. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { Me, StorageStatistics } from "./ApiModels.ts"
import { limit } from "./ApiParameters.ts"
import { cursorAs } from "./Cursor.ts"

/** A deletion that is going to happen by itself. */
export class PlannedCleanup extends Schema.Class<PlannedCleanup>("PlannedCleanup")({
  fileId: Schema.String,
  name: Schema.String,
  sessionId: Schema.String,
  size: Schema.Number,
  dueAt: Schema.String,
  /** `retention`: it is deleted, and cannot be restored any more from then on. */
  reason: Schema.Literal("expired", "session_ended", "retention"),
  /** Whether nothing is left of the file then. Otherwise it can be restored. */
  forGood: Schema.Boolean
}) {}

/** The next due first. */
export class CleanupPage extends Schema.Class<CleanupPage>("CleanupPage")({
  cleanups: Schema.Array(PlannedCleanup),
  next: Schema.NullOr(Schema.String)
}) {}

/** Where a page of cleanups begins: behind the one with this time, as the database has it, source and keys. */
export const CleanupCursor = cursorAs(Schema.Tuple(Schema.String, Schema.Literal(0, 1, 2), Schema.Int, Schema.Int))

/** What is the user's; of an administrator, what is everybody's. */
export class AccountGroup extends HttpApiGroup.make("account")
  .add(
    HttpApiEndpoint.get("me", "/api/me")
      .addSuccess(Me)
      .annotate(OpenApi.Summary, "Who asks, what that user stores, and how much it may be")
  )
  .add(
    HttpApiEndpoint.get("storage", "/api/storage")
      .addSuccess(StorageStatistics)
      .annotate(OpenApi.Summary, "How much is stored: of the user's own sessions, or of all for an administrator")
  )
  .add(
    HttpApiEndpoint.get("cleanups", "/api/cleanups")
      .setUrlParams(Schema.Struct({ limit, after: Schema.optional(CleanupCursor.schema) }))
      .addSuccess(CleanupPage)
      .annotate(OpenApi.Summary, "What is going to be deleted of the user's files, or of all for an administrator")
  )
  .addError(Failure)
  .middleware(Authorization) {}
