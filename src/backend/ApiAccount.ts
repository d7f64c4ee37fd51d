/** The user who asks. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { Me, StorageStatistics } from "./ApiModels.ts"

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
  .addError(Failure)
  .middleware(Authorization) {}
