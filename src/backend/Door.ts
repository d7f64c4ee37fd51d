/**
 * The door between the server that listens and the API: shut until the database is ready, open while it is,
 * shut again before anything behind it is taken down. In front of it the probes answer all the time.
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ReadyReport } from "../../layers/index.ts"
import { NotReady } from "./Api.ts"
import type { Health } from "./Health.ts"
import { Settings } from "./Settings.ts"

/** What is behind the door while it is open. */
export interface Behind {
  readonly app: HttpApp.Default<never, Scope.Scope>
  readonly health: Health["Type"]
  readonly report: ReadyReport
}

/** Where the service is in its life. While it is leaving, it serves and says that it will not for long. */
export type Phase =
  | { readonly _tag: "Starting" }
  | ({ readonly _tag: "Open" } & Behind)
  | ({ readonly _tag: "Leaving" } & Behind)
  | { readonly _tag: "Stopping" }

export class Door extends Context.Tag("conversation-files/Door")<
  Door,
  {
    readonly phase: Effect.Effect<Phase>
    /** Lets requests through to what is behind, where that is sound; refuses them with 503 otherwise. */
    readonly app: HttpApp.Default<never, Scope.Scope>
    /**
     * Opens the door until the scope closes. Then readiness goes first, for as long as the settings say;
     * after that no request is let in any more, and those that are inside are waited for.
     */
    readonly open: (behind: Behind) => Effect.Effect<void, never, Scope.Scope>
  }
>() {
  static readonly layer: Layer.Layer<Door, never, Settings> = Layer.effect(
    Door,
    Effect.gen(function* () {
      const { shutdownDelay, shutdownTimeout } = yield* Settings
      // In one place, so that nobody can go in between the look at the door and its closing.
      const state = yield* SubscriptionRef.make<State>({ phase: { _tag: "Starting" }, inside: 0 })
      const become = (phase: Phase) => SubscriptionRef.update(state, ({ inside }): State => ({ phase, inside }))
      const empty = state.changes.pipe(
        Stream.takeUntil(({ inside }) => inside === 0),
        Stream.runDrain
      )

      const enter = Effect.acquireRelease(
        SubscriptionRef.modify(state, ({ inside, phase }): readonly [Phase, State] => [
          phase,
          { phase, inside: isServing(phase) ? inside + 1 : inside }
        ]),
        (phase) =>
          isServing(phase)
            ? SubscriptionRef.update(state, (now): State => ({ ...now, inside: now.inside - 1 }))
            : Effect.void
      )

      return {
        phase: Effect.map(SubscriptionRef.get(state), ({ phase }) => phase),
        app: Effect.gen(function* () {
          const phase = yield* enter
          if (!isServing(phase)) {
            return yield* refused(
              phase._tag === "Starting" ? "The database is not ready yet." : "The service is stopping."
            )
          }
          const { status } = yield* phase.health.database
          return yield* status === "fail" ? refused("The database is not sound at this moment.") : phase.app
        }),
        open: (behind) =>
          Effect.acquireRelease(become({ _tag: "Open", ...behind }), () =>
            Effect.gen(function* () {
              yield* become({ _tag: "Leaving", ...behind })
              yield* Effect.sleep(shutdownDelay)
              yield* become({ _tag: "Stopping" })
              // A finalizer cannot be interrupted; what is given up on in it has to be.
              const ended = yield* Effect.timeoutOption(Effect.interruptible(empty), shutdownTimeout)
              if (ended._tag === "None") {
                const { inside } = yield* SubscriptionRef.get(state)
                yield* Effect.logWarning(`${inside} requests were not over in time`)
              }
            })
          )
      }
    })
  )
}

interface State {
  readonly phase: Phase
  /** Requests that were let in and are not answered to their end. */
  readonly inside: number
}

/** Whether requests are let in. */
export const isServing = (phase: Phase): phase is Extract<Phase, Behind> =>
  phase._tag === "Open" || phase._tag === "Leaving"

const refused = (message: string) =>
  HttpServerResponse.json(new NotReady({ retryAfterSeconds: 1, message }), {
    status: 503,
    headers: { "retry-after": "1" }
  }).pipe(Effect.orDie)
