/** Search in the contents of a session's files, and what of them a model should see. */
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import * as Schema from "effect/Schema"
import { Authorization, Failure } from "../ApiAuthorization.ts"
import { FileNotFound } from "../ApiErrors.ts"
import { inSession, ofFile } from "../ApiParameters.ts"
import { ContextRequest, FoundPassages, QueuedTexts, SessionContext, TextState } from "./ContextModels.ts"

export class ContextGroup extends HttpApiGroup.make("context")
  .add(
    HttpApiEndpoint.get("search", "/api/sessions/:sessionId/search")
      .setPath(inSession)
      .setUrlParams(
        Schema.Struct({
          q: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(1000)),
          limit: Schema.optionalWith(Schema.NumberFromString.pipe(Schema.int(), Schema.between(1, 100)), {
            default: () => 20
          })
        })
      )
      .addSuccess(FoundPassages)
      .annotate(OpenApi.Summary, "Search the contents and the names of a session's files; best first, with highlights")
  )
  .add(
    HttpApiEndpoint.post("choose", "/api/sessions/:sessionId/context")
      .setPath(inSession)
      .setPayload(ContextRequest)
      .addSuccess(SessionContext)
      .addError(FileNotFound)
      .annotate(OpenApi.Summary, "Choose what of a session's files a model should see, within a budget of tokens")
  )
  .add(
    HttpApiEndpoint.get("textState", "/api/files/:fileId/text")
      .setPath(ofFile)
      .addSuccess(TextState)
      .addError(FileNotFound)
      .annotate(OpenApi.Summary, "Whether the text of a file is extracted and can be searched")
  )
  .add(
    HttpApiEndpoint.post("rebuild", "/api/texts/rebuild")
      .addSuccess(QueuedTexts)
      .annotate(OpenApi.Summary, "Extract the texts of all files again; for administrators")
  )
  .addError(Failure)
  .middleware(Authorization) {}
