/** The limit of requests that several backends share, counted in Redis. Without Redis each process counts on its own. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Settings } from "./Settings.ts"

/** How long Redis may take (milliseconds): a request waits 100 at most, and a timer on a busy machine is late. */
const patience = 80

/** How often Redis is asked whether it is there. No request asks one that did not answer. */
const interval = "1 second"

export class SharedLimits extends Context.Tag("conversation-files/SharedLimits")<
  SharedLimits,
  {
    /** Whether the limit is to be shared. */
    readonly isShared: boolean
    /** Takes one permission of a user. The seconds until there is one, 0 for now; undefined if Redis does not tell. */
    readonly take: (user: string) => Effect.Effect<number | undefined>
    /** Why each process counts on its own at this moment; undefined if it does not. */
    readonly fault: Effect.Effect<string | undefined>
  }
>() {
  /** Redis is not waited for: requests are served before it is there, and after it is gone. */
  static readonly layer: Layer.Layer<SharedLimits, never, Settings> = Layer.scoped(
    SharedLimits,
    Effect.flatMap(Settings, ({ redisUrl, requestsPerSecond }) =>
      Option.match(redisUrl, {
        onNone: () => Effect.succeed(alone),
        onSome: (url) => shared(Redacted.value(url), requestsPerSecond)
      })
    )
  )
}

type Service = SharedLimits["Type"]

const alone: Service = {
  isShared: false,
  take: () => Effect.succeed(undefined),
  fault: Effect.succeed(undefined)
}

/**
 * The bucket of a user: when it will be full again, in microseconds of Redis's own clock, because the clocks of
 * backends differ. The key goes when it is full (https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm).
 */
const script = `local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + ARGV[1]
local wait = full - ARGV[2] - now
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000))
return 0`

const shared = (url: string, requestsPerSecond: number): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { lastError, redis } = yield* connectedTo(url)
    const each = Math.ceil(1_000_000 / requestsPerSecond)
    let fault: string | undefined = "it has not answered yet"
    /** Undefined where Redis does not answer: from then on only the background asks, until it does. */
    const ask = <A>(question: () => Promise<A>): Effect.Effect<A | undefined> =>
      Effect.match(Effect.tryPromise({ try: question, catch: lastError }), {
        onFailure: (message) => {
          fault = message
          return undefined
        },
        onSuccess: (answer) => {
          fault = undefined
          return answer
        }
      })
    yield* ask(() => redis.ping()).pipe(Effect.repeat(Schedule.spaced(interval)), Effect.forkScoped)
    return {
      isShared: true,
      take: (user) =>
        Effect.suspend(() =>
          fault === undefined
            ? Effect.map(
                ask(() =>
                  redis.eval(script, 1, `conversation-files:requests:${user}`, each, 2 * requestsPerSecond * each)
                ),
                (wait) => (wait === undefined ? undefined : Math.ceil(Number(wait) / 1_000_000))
              )
            : Effect.succeed(undefined)
        ),
      fault: Effect.sync(() => fault)
    }
  })

/** Loaded only where it is wanted. It connects by itself, again and again, and keeps no command for later. */
const connectedTo = (url: string) =>
  Effect.acquireRelease(
    Effect.map(
      Effect.promise(() => import("ioredis")),
      ({ Redis }) => {
        const redis = new Redis(url, {
          connectTimeout: 500,
          commandTimeout: patience,
          socketTimeout: 3000,
          maxRetriesPerRequest: 0,
          enableOfflineQueue: false
        })
        let last: string | undefined
        redis.on("error", (error: Error) => {
          last = error.message
        })
        redis.on("ready", () => {
          last = undefined
        })
        /** Why there is no connection says more than that a command cannot be sent on it. Never with the URL. */
        const lastError = (error: unknown): string =>
          last ??
          (redis.status !== "ready"
            ? "there is no connection yet"
            : error instanceof Error
              ? error.message
              : String(error))
        return { redis, lastError }
      }
    ),
    ({ redis }) => Effect.sync(() => redis.disconnect())
  )
