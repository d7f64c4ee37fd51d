/**
 * Limits clients without a known token by their address, before anything else is done for them. This runs below the
 * HTTP layer, so that a refusal costs next to nothing. A client with a token is not a stranger, whatever its address.
 * Probes are always answered; beyond their limit they get the last answer again.
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Headers from "@effect/platform/Headers"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { HealthAnswer } from "../../layers/http.ts"
import { Access } from "./Access.ts"
import { callerOf } from "./Address.ts"
import { TooManyRequests } from "./Api.ts"
import { Buckets } from "./Buckets.ts"
import { bearerOf } from "./bearer.ts"
import { unsafeMonotonicMillis } from "./monotonic.ts"
import { pathOf, problemOf } from "./Problem.ts"
import { Refusals } from "./Refusals.ts"
import { Settings } from "./Settings.ts"

/** How many addresses are remembered. */
const mostAddresses = 10_000

/** How many refused addresses are told apart until they are counted; the rest are counted together. */
const mostCounted = 100

/** How long the last answer of a probe is repeated (milliseconds): readiness must change at once. */
const freshness = 1000

/** How many probes a second one address may send before it gets repeated answers. */
const probesPerSecond = 50

export interface RefusedStranger {
  readonly address: string
  readonly path: string
  readonly count: number
}

export class Strangers extends Context.Tag("conversation-files/Strangers")<
  Strangers,
  {
    /** Whether a request has a known token, or needs none. */
    readonly isKnown: (request: IncomingMessage) => boolean
    /** Whether it is a probe of a supervisor, which waits for nobody. */
    readonly isProbe: (request: IncomingMessage) => boolean
    /** Answers a request that may go no further. Returns whether it did. */
    readonly turnAway: (request: IncomingMessage, response: ServerResponse, isKnown: boolean) => boolean
    /** Keeps the answer of a probe, for clients that ask too often. */
    readonly remember: (path: string, answer: HealthAnswer) => Effect.Effect<void>
    /** The refusals since this was last asked. */
    readonly refused: Effect.Effect<ReadonlyArray<RefusedStranger>>
  }
>() {
  static readonly layer: Layer.Layer<Strangers, never, Access | Settings> = Layer.effect(
    Strangers,
    Effect.gen(function* () {
      const { isOpen, userOf } = yield* Access
      const { requestsPerSecond } = yield* Settings
      const clock = yield* Effect.clock
      const buckets = new Buckets(requestsPerSecond, mostAddresses)
      const probes = new Buckets(probesPerSecond, mostAddresses)
      const answers = new Map<string, HealthAnswer & { readonly at: number }>([
        ["/livez", { ...alive, at: Number.POSITIVE_INFINITY }]
      ])
      let counts = new Map<string, { path: string; count: number }>()

      const count = (address: string, path: string) => {
        const known = counts.get(address)
        if (known !== undefined) {
          known.count += 1
          known.path = path
        } else if (counts.size < mostCounted) counts.set(address, { path, count: 1 })
        else if (address !== others) count(others, path)
        else counts.set(others, { path, count: 1 })
      }

      const isKnown = ({ headers }: IncomingMessage): boolean =>
        isOpen || Option.isSome(userOf(bearerOf(Headers.fromInput({ authorization: headers.authorization })) ?? ""))

      const turnAway = (request: IncomingMessage, response: ServerResponse, isKnown: boolean): boolean => {
        if (isKnown) return false
        const address = request.socket.remoteAddress ?? ""
        const caller = callerOf(address)
        const path = pathOf(request.url ?? "")
        const now = unsafeMonotonicMillis(clock)
        if (probePaths.has(path)) {
          if (probes.take(caller, now) === 0) return false
          const last = answers.get(path)
          if (last === undefined || now - last.at > freshness) return false
          send(request, response, last)
          return true
        }
        const retryAfterSeconds = buckets.take(caller, now)
        if (retryAfterSeconds === 0) return false
        count(address, path)
        const message = `Without a token one address may send ${requestsPerSecond} requests a second.`
        const problem = problemOf(new TooManyRequests({ retryAfterSeconds, message }), {
          path,
          headers: Headers.empty
        })
        // Nobody reads the rest of its body.
        send(request, response, { ...problem, headers: { ...problem.headers, connection: "close" } })
        return true
      }

      return {
        isKnown,
        isProbe: ({ url }) => probePaths.has(pathOf(url ?? "")),
        turnAway,
        remember: (path, answer) =>
          Effect.sync(() => {
            if (probePaths.has(path)) answers.set(path, { ...answer, at: unsafeMonotonicMillis(clock) })
          }),
        refused: Effect.sync(() => {
          const since = counts
          counts = new Map()
          return [...since].map(([address, { count, path }]) => ({ address, path, count }))
        })
      }
    })
  )

  /** Counts the refusals every second and at the end. */
  static readonly counted: Layer.Layer<never, never, Refusals | Strangers> = Layer.scopedDiscard(
    Effect.gen(function* () {
      const { refused } = yield* Strangers
      const { countStrangers } = yield* Refusals
      const count = Effect.flatMap(refused, countStrangers)
      yield* Effect.addFinalizer(() => count)
      yield* Effect.forkScoped(Effect.repeat(count, Schedule.spaced("1 second")))
    })
  )
}

/** Stands for the addresses that are counted together. */
const others = "others"

const probePaths = new Set(["/livez", "/readyz", "/startupz"])

const alive: HealthAnswer = {
  status: 200,
  headers: { "content-type": "text/plain", "cache-control": "no-store" },
  body: "ok\n"
}

const send = ({ method }: IncomingMessage, response: ServerResponse, { body, headers, status }: HealthAnswer) => {
  response.writeHead(status, {
    ...headers,
    "content-length": Buffer.byteLength(body),
    "x-content-type-options": "nosniff"
  })
  response.end(method === "HEAD" ? undefined : body)
}
