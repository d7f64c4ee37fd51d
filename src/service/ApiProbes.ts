/** Endpoints that need no token. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as OpenApi from "@effect/platform/OpenApi"

const HealthJson = HttpApiSchema.Text({ contentType: "application/health+json" })
const PlainText = HttpApiSchema.Text({ contentType: "text/plain" })

/**
 * For supervisors and monitors. Answered from the first moment, whether the database is ready or not; no token needed.
 */
export class ProbesGroup extends HttpApiGroup.make("probes", { topLevel: true })
  .add(
    HttpApiEndpoint.get("livez", "/livez")
      .addSuccess(PlainText)
      .annotate(OpenApi.Summary, "Whether the process answers; the database does not matter")
  )
  .add(
    HttpApiEndpoint.get("readyz", "/readyz")
      .addSuccess(HealthJson)
      .addSuccess(HealthJson, { status: 503 })
      .annotate(OpenApi.Summary, "Whether requests are served")
  )
  .add(
    HttpApiEndpoint.get("startupz", "/startupz")
      .addSuccess(HealthJson)
      .addSuccess(HealthJson, { status: 503 })
      .annotate(OpenApi.Summary, "Whether the start is over; until then its stage, attempts, and when the stage began")
  )
  .add(
    HttpApiEndpoint.get("health", "/api/health")
      .addSuccess(HealthJson)
      .addSuccess(HealthJson, { status: 503 })
      .annotate(OpenApi.Summary, "The live database and the start, check by check (application/health+json)")
  )
  .add(
    HttpApiEndpoint.get("metrics", "/metrics")
      .addSuccess(PlainText)
      .annotate(OpenApi.Summary, "Prometheus' text format")
  ) {}
