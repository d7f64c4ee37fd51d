/** HTTP handlers for experiments. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { FilesApi } from "../Api.ts"
import { withApiErrors } from "../failures.ts"
import { withHeaders } from "../withHeaders.ts"
import { Assignments } from "./Assignments.ts"
import { Experiments } from "./Experiments.ts"

export const experimentHttp = HttpApiBuilder.group(
  FilesApi,
  "experiments",
  Effect.fnUntraced(function* (handlers) {
    const experiments = yield* Experiments
    const assignments = yield* Assignments
    return handlers
      .handle("create", ({ payload }) =>
        Effect.tap(withApiErrors(experiments.create(payload)), ({ name }) =>
          withHeaders({ location: `/api/experiments/${name}` })
        )
      )
      .handle("list", ({ urlParams }) => withApiErrors(experiments.list(urlParams)))
      .handle("result", ({ path }) => withApiErrors(experiments.result(path.name)))
      .handle("end", ({ path }) => withApiErrors(experiments.end(path.name)))
      .handle("report", ({ path, payload }) =>
        withApiErrors(assignments.report(path.sessionId, path.answerId, payload))
      )
  })
)
