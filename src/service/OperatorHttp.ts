/** HTTP handlers for those who run the service. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { CurrentUser, FilesApi, Forbidden, HealthTurns } from "./Api.ts"
import { DatabaseOverview } from "./DatabaseOverview.ts"
import { answered } from "./failures.ts"
import { HealthHistory } from "./HealthHistory.ts"
import { Refusals } from "./Refusals.ts"

/** Every endpoint of `OperatorGroup`. */
export const operatorHttp = HttpApiBuilder.group(
  FilesApi,
  "operator",
  Effect.fnUntraced(function* (handlers) {
    const refusals = yield* Refusals
    const database = yield* DatabaseOverview
    const history = yield* HealthHistory

    /** Fails for everybody else, and counts it. */
    const administrator = (message: string) =>
      CurrentUser.pipe(
        Effect.filterOrFail(
          ({ isAdministrator }) => isAdministrator,
          () => new Forbidden({ message })
        ),
        Effect.tapError(({ _tag }) => refusals.count(_tag))
      )

    return handlers
      .handle("refusals", ({ urlParams }) =>
        Effect.zipRight(
          administrator("Only an administrator reads who was refused."),
          answered(refusals.list(urlParams))
        )
      )
      .handle("database", () =>
        Effect.zipRight(administrator("Only an administrator looks at the database."), answered(database.facts))
      )
      .handle("healthHistory", () =>
        Effect.zipRight(
          administrator("Only an administrator reads how health turned."),
          Effect.map(history.turns, (turns) => new HealthTurns({ turns }))
        )
      )
  })
)
