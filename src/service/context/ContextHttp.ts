/** HTTP handlers for search and context. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { FilesApi } from "../Api.ts"
import { withApiErrors } from "../failures.ts"
import { Contexts } from "./Contexts.ts"

export const contextHttp = HttpApiBuilder.group(
  FilesApi,
  "context",
  Effect.fnUntraced(function* (handlers) {
    const contexts = yield* Contexts
    return handlers
      .handle("search", ({ path, urlParams }) => withApiErrors(contexts.search(path.sessionId, urlParams)))
      .handle("choose", ({ path, payload }) => withApiErrors(contexts.choose(path.sessionId, payload)))
      .handle("textState", ({ path }) => withApiErrors(contexts.textState(path.fileId)))
      .handle("rebuild", () => withApiErrors(contexts.rebuild))
  })
)
