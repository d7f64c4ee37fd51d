/**
 * The door between the listening server and the API. It is shut until the database is ready, then open. Before anything
 * behind it is taken down, it is shut again and nobody is inside. Probes answer in front of it all the time.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { NotReady } from "./Api.ts"
import type { Database } from "./Database.ts"
import type { Health } from "./Health.ts"
import { holding } from "./holding.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { Settings } from "./Settings.ts"
import type { Check } from "./Watch.ts"

/** What is behind the door while it is open. */
export interface Behind {
  readonly app: HttpApp.Default<never, Scope.Scope>
  readonly health: Health["Type"]
  readonly engine: Database["Type"]["engine"]
  readonly report: Database["Type"]["report"]
}

/** `Leaving` serves like `Open` but is not ready any more: for clients that have not noticed yet. */
export type Phase =
  | { readonly _tag: "Starting" }
  | ({ readonly _tag: "Open" | "Leaving" } & Behind)
  | { readonly _tag: "Stopping" }

/** Whether requests are let in. */
export const isServing = (phase: Phase): phase is Extract<Phase, Behind> =>
  phase._tag === "Open" || phase._tag === "Leaving"

export class Door extends Context.Tag("conversation-files/Door")<
  Door,
  {
    readonly phase: Effect.Effect<Phase>
    readonly unsafePhase: () => Phase
    /** Lets requests through if what is behind is sound. Otherwise refuses them with 503. */
    readonly app: HttpApp.Default<NotReady, Scope.Scope>
    /** Finishes when the door is not open any more, so that endless requests can end. */
    readonly left: Effect.Effect<void>
    /**
     * Opens the door until the scope closes. Then readiness ends first. After the settings' delay no request is let in
     * any more, and it waits for those inside. Requests that do not end in time are interrupted, so that none works on
     * what is taken down next.
     */
    readonly open: (behind: Behind) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  static readonly layer: Layer.Layer<Door, never, KeptAnswers | Settings> = Layer.effect(
    Door,
    Effect.gen(function* () {
      const { require } = yield* KeptAnswers
      const { shutdownDelay, shutdownTimeout } = yield* Settings
      let phase: Phase = { _tag: "Starting" }
      const inside = new Set<Fiber.RuntimeFiber<unknown, unknown>>()

      const left = yield* Effect.makeLatch()

      const become = (next: Phase) =>
        Effect.sync(() => {
          phase = next
        })

      // In one turn, so that nobody enters between the look at the door and its closing.
      const enter = holding((fiber) => {
        if (isServing(phase)) inside.add(fiber)
        return { value: phase, release: () => inside.delete(fiber) }
      })

      return {
        phase: Effect.sync(() => phase),
        unsafePhase: () => phase,
        left: left.await,
        app: Effect.gen(function* () {
          const found = yield* enter
          if (!isServing(found)) {
            return yield* refused(
              found._tag === "Starting" ? "The database is not ready yet." : "The service is stopping."
            )
          }
          const { contents, database } = found.health
          if (isFailing(database.kept() ?? (yield* database.check)))
            return yield* refused("The database does not pass its check at this moment.")
          if (isFailing(contents.kept() ?? (yield* contents.check))) {
            return yield* refused("The contents belong to another database at this moment.")
          }
          yield* require(() => phase === found && [database, contents].every(({ kept }) => isSound(kept())))
          return yield* found.app
        }),
        open: (behind) =>
          Effect.acquireRelease(become({ _tag: "Open", ...behind }), () =>
            Effect.gen(function* () {
              yield* become({ _tag: "Leaving", ...behind })
              yield* left.open
              if (Duration.greaterThan(shutdownDelay, Duration.zero)) {
                yield* Effect.logInfo(
                  `Leaving: not ready any more, still serving for ${Duration.format(shutdownDelay)}`
                )
              }
              yield* Effect.sleep(shutdownDelay)
              yield* become({ _tag: "Stopping" })
              yield* Effect.logInfo(`Stopping: ${inside.size} requests are under way`)
              yield* Effect.repeat(
                Effect.sync(() => inside.size),
                { schedule: whileRequestsEnd(shutdownTimeout), until: (count) => count === 0 }
              )
              if (inside.size === 0) return
              yield* Effect.logWarning(`${inside.size} requests did not end in time`)
              yield* Fiber.interruptAll(inside)
            })
          )
      }
    })
  )
}

const isFailing = ({ status }: Check): boolean => status === "fail"

const isSound = (check: Check | undefined): boolean => check !== undefined && !isFailing(check)

/**
 * Checks 50 times a second whether requests have ended, until the time is over. Finalizers cannot be interrupted, so a
 * race or a timeout around a wait would itself have to wait.
 */
export const whileRequestsEnd = (timeout: Duration.Duration): Schedule.Schedule<unknown> =>
  // Counts instead of `Schedule.upTo`, which asks the wall clock: that may be set meanwhile.
  Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(Math.ceil(Duration.toMillis(timeout) / 20)))

const refused = (message: string) => new NotReady({ retryAfterSeconds: 1, message })
