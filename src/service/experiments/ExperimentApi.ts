/** Experiments: which policy helps more. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "../ApiAuthorization.ts"
import { AnySessionId } from "../ApiModels.ts"
import { limit, Position } from "../ApiParameters.ts"
import {
  AnswerId,
  AnswerReport,
  Experiment,
  ExperimentConflict,
  ExperimentName,
  ExperimentNotFound,
  ExperimentPage,
  ExperimentResult,
  NewExperiment,
  ReportedAnswer
} from "./ExperimentModels.ts"

const ofExperiment = Schema.Struct({ name: ExperimentName })

export class ExperimentGroup extends HttpApiGroup.make("experiments")
  .add(
    HttpApiEndpoint.post("create", "/api/experiments")
      .setPayload(NewExperiment)
      .addSuccess(Experiment, { status: 201 })
      .addError(ExperimentConflict)
      .annotate(OpenApi.Summary, "Compare policies on a share of the sessions each; for administrators")
  )
  .add(
    HttpApiEndpoint.get("list", "/api/experiments")
      .setUrlParams(Schema.Struct({ limit, before: Schema.optional(Position) }))
      .addSuccess(ExperimentPage)
      .annotate(OpenApi.Summary, "All experiments; for administrators")
  )
  .add(
    HttpApiEndpoint.get("result", "/api/experiments/:name")
      .setPath(ofExperiment)
      .addSuccess(ExperimentResult)
      .addError(ExperimentNotFound)
      .annotate(OpenApi.Summary, "What an experiment shows so far, valid at any time; for administrators")
  )
  .add(
    HttpApiEndpoint.post("end", "/api/experiments/:name/end")
      .setPath(ofExperiment)
      .addSuccess(Experiment)
      .addError(ExperimentConflict)
      .addError(ExperimentNotFound)
      .annotate(OpenApi.Summary, "End an experiment now; for administrators")
  )
  .add(
    HttpApiEndpoint.put("report", "/api/sessions/:sessionId/answers/:answerId/outcomes")
      .setPath(Schema.Struct({ sessionId: AnySessionId, answerId: AnswerId }))
      .setPayload(ReportedAnswer)
      .addSuccess(AnswerReport)
      .addError(ExperimentConflict)
      .addError(ExperimentNotFound)
      .annotate(
        OpenApi.Summary,
        "Report what became of the passages that were given for an answer; once, or the same again"
      )
  )
  .addError(Failure)
  .middleware(Authorization) {}
