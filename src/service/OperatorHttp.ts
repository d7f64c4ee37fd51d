/** HTTP handlers for the people who run the service. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { CurrentUser, FilesApi, Forbidden, HealthTurns } from "./Api.ts"
import { DatabaseOverview } from "./DatabaseOverview.ts"
import { withApiErrors } from "./failures.ts"
import { HealthHistory } from "./HealthHistory.ts"
import { Refusals } from "./Refusals.ts"

export const operatorHttp = HttpApiBuilder.group(
  FilesApi,
  "operator",
  Effect.fnUntraced(function* (handlers) {
    const refusals = yield* Refusals
    const database = yield* DatabaseOverview
    const history = yield* HealthHistory

    /** Fails for all other users, and counts the refusal. */
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
          administrator("Only an administrator may read who was refused."),
          withApiErrors(refusals.list(urlParams))
        )
      )
      .handle("database", () =>
        Effect.zipRight(administrator("Only an administrator may look at the database."), withApiErrors(database.facts))
      )
      .handle("healthHistory", () =>
        Effect.zipRight(
          administrator("Only an administrator may read the history of health."),
          Effect.map(history.turns, (turns) => new HealthTurns({ turns }))
        )
      )
  })
)
