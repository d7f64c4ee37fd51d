/**
 * The door between the server that listens and the API: shut until the database is ready, open while it is,
 * shut again, with nobody inside, before anything behind it is taken down. In front of it the probes answer
 * all the time.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ReadyReport } from "../../layers/index.ts"
import { NotReady } from "./Api.ts"
import type { Health } from "./Health.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { Settings } from "./Settings.ts"
import type { Check } from "./Watch.ts"

/** What is behind the door while it is open. */
export interface Behind {
  readonly app: HttpApp.Default<never, Scope.Scope>
  readonly health: Health["Type"]
  readonly report: ReadyReport
}

/** `Leaving` serves like `Open`, and is not ready any more: for those who have not heard it yet. */
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
    /** Lets requests through to what is behind, where that is sound; refuses them with 503 otherwise. */
    readonly app: HttpApp.Default<NotReady, Scope.Scope>
    /** Done when it is not open any more, for what would otherwise stay inside for ever. */
    readonly left: Effect.Effect<void>
    /**
     * Opens the door until the scope closes. Then readiness goes first; when the settings' delay is over no
     * request is let in any more, and those that are inside are waited for. What is not over in time is
     * interrupted, so that nobody works on what is taken down next.
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

      // In one turn, so that nobody can go in between the look at the door and its closing.
      const enter = Effect.acquireRelease(
        Effect.withFiberRuntime<{ readonly found: Phase; readonly fiber: Fiber.RuntimeFiber<unknown, unknown> }>(
          (fiber) => {
            if (isServing(phase)) inside.add(fiber)
            return Effect.succeed({ found: phase, fiber })
          }
        ),
        ({ fiber }) => Effect.sync(() => inside.delete(fiber))
      )

      return {
        phase: Effect.sync(() => phase),
        unsafePhase: () => phase,
        left: left.await,
        app: Effect.gen(function* () {
          const { found } = yield* enter
          if (!isServing(found)) {
            return yield* refused(
              found._tag === "Starting" ? "The database is not ready yet." : "The service is stopping."
            )
          }
          const { contents, database } = found.health
          if (isFailing(yield* database.check)) return yield* refused("The database is not sound at this moment.")
          if (isFailing(yield* contents.check)) {
            return yield* refused("The contents are another database's at this moment.")
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
                yield* Effect.logInfo(`Leaving: not ready any more, and serving for ${Duration.format(shutdownDelay)}`)
              }
              yield* Effect.sleep(shutdownDelay)
              yield* become({ _tag: "Stopping" })
              yield* Effect.logInfo(`Stopping: ${inside.size} requests are under way`)
              yield* Effect.repeat(
                Effect.sync(() => inside.size),
                { schedule: whileRequestsEnd(shutdownTimeout), until: (count) => count === 0 }
              )
              if (inside.size === 0) return
              yield* Effect.logWarning(`${inside.size} requests were not over in time`)
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
 * Looks 50 times a second whether requests are over, until there is no more time. Finalizers cannot be
 * interrupted, so that a race or a timeout around a wait would itself have to wait.
 */
export const whileRequestsEnd = (timeout: Duration.Duration): Schedule.Schedule<unknown> =>
  // Counted, for `Schedule.upTo` asks the wall clock, which may be set meanwhile.
  Schedule.intersect(Schedule.spaced("20 millis"), Schedule.recurs(Math.ceil(Duration.toMillis(timeout) / 20)))

const refused = (message: string) => new NotReady({ retryAfterSeconds: 1, message })
