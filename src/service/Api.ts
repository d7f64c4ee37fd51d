/**
 * The HTTP API of the service as a value. The server implements it; the OpenAPI description and the typed client are
 * derived from it. Nothing here needs a server.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import * as OpenApi from "@effect/platform/OpenApi"
import { AccountGroup } from "./ApiAccount.ts"
import { ChangesGroup } from "./ApiChanges.ts"
import { FilesGroup } from "./ApiFiles.ts"
import { OperatorGroup } from "./ApiOperator.ts"
import { ProbesGroup } from "./ApiProbes.ts"
import { SessionsGroup } from "./ApiSessions.ts"
import { StreamsGroup } from "./ApiStreams.ts"
import { ContextGroup } from "./context/ContextApi.ts"
import { ExperimentGroup } from "./experiments/ExperimentApi.ts"

export * from "./ApiAccount.ts"
export * from "./ApiAuthorization.ts"
export * from "./ApiChanges.ts"
export * from "./ApiErrors.ts"
export * from "./ApiFiles.ts"
export * from "./ApiModels.ts"
export * from "./ApiProbes.ts"
export * from "./ApiSessions.ts"
export * from "./ApiStreams.ts"
export * from "./context/ContextModels.ts"
export * from "./experiments/ExperimentModels.ts"
export * from "./OperatorModels.ts"

/** Served from the first moment. */
export class ProbesApi extends HttpApi.make("probes").add(ProbesGroup) {}

/** Served only on a ready database. */
export class FilesApi extends HttpApi.make("files")
  .add(FilesGroup)
  .add(ChangesGroup)
  .add(StreamsGroup)
  .add(SessionsGroup)
  .add(AccountGroup)
  .add(OperatorGroup)
  .add(ContextGroup)
  .add(ExperimentGroup) {}

/** Both, for the description and the client. */
export class Api extends HttpApi.make("conversation-files")
  .addHttpApi(FilesApi)
  .addHttpApi(ProbesApi)
  .annotate(OpenApi.Title, "Conversation files")
  .annotate(OpenApi.Description, "The files of conversations, on a database that is provably ready.") {}
