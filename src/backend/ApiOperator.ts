/** How the service is, for those who run it. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { RefusalPage } from "./ApiModels.ts"
import { limit, Position } from "./ApiParameters.ts"

/** For administrators. */
export class OperatorGroup extends HttpApiGroup.make("operator")
  .add(
    HttpApiEndpoint.get("refusals", "/api/refusals")
      .setUrlParams(Schema.Struct({ limit, before: Schema.optional(Position) }))
      .addSuccess(RefusalPage)
      .annotate(OpenApi.Summary, "Who was refused, how often and why, by the minute; for administrators")
  )
  .addError(Failure)
  .middleware(Authorization) {}
