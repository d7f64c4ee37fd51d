/** The state of the service, for the people who run it. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "./ApiAuthorization.ts"
import { RefusalPage } from "./ApiModels.ts"
import { limit, Position } from "./ApiParameters.ts"
import { DatabaseFacts, HealthTurns } from "./OperatorModels.ts"

/** For administrators. */
export class OperatorGroup extends HttpApiGroup.make("operator")
  .add(
    HttpApiEndpoint.get("refusals", "/api/refusals")
      .setUrlParams(Schema.Struct({ limit, before: Schema.optional(Position) }))
      .addSuccess(RefusalPage)
      .annotate(OpenApi.Summary, "Who was refused, how often and why, by the minute; for administrators")
  )
  .add(
    HttpApiEndpoint.get("database", "/api/database")
      .addSuccess(DatabaseFacts)
      .annotate(OpenApi.Summary, "The database file, its migrations and its backups; for administrators")
  )
  .add(
    HttpApiEndpoint.get("healthHistory", "/api/health/history")
      .addSuccess(HealthTurns)
      .annotate(OpenApi.Summary, "How health changed since the start, latest first; for administrators")
  )
  .addError(Failure)
  .middleware(Authorization) {}
