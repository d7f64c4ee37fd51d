/** What every answer has in common: HTTP conventions, metrics, and security headers. */
import type { ServerResponse } from "node:http"
import type { Socket } from "node:net"
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberRef from "effect/FiberRef"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import * as Scope from "effect/Scope"
import { finish } from "./Answers.ts"
import { endingUnread } from "./Body.ts"
import { turnOf } from "./ConnectionTurns.ts"
import type { KeptAnswers } from "./KeptAnswers.ts"
import { monotonicMillis } from "./monotonic.ts"
import { problems } from "./Problem.ts"
import { type Asked, askedOf, dispatch } from "./Routing.ts"

const requests = Metric.counter("http_requests", { description: "Requests answered", incremental: true })
const durations = Metric.histogram(
  "http_request_duration_ms",
  MetricBoundaries.exponential({ start: 0.5, factor: 2, count: 16 }),
  "How long it took to answer, without the sending of the body, in milliseconds"
)

/**
 * Answers every request: without a handler by itself, and a failure as a problem. Counts and times all of them. What a
 * request acquires is released when its answer is sent, or nobody is left to take it.
 */
export const answerRequests = <E, R>(
  app: HttpApp.Default<E, R>,
  keep: KeptAnswers["Type"]["keep"]
): HttpApp.Default<never, Exclude<R, Scope.Scope> | HttpServerRequest.HttpServerRequest> =>
  holdUntilSent(answer(app, keep))

/**
 * The platform's own scope of a request waits for its answer to be taken. A client that hangs up in the middle never
 * takes it, and the request would hold its resources for ever.
 */
const holdUntilSent = <E, R>(app: HttpApp.Default<E, R>) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const response = NodeHttpServerRequest.toServerResponse(request)
    const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
    const over = yield* turnOf(socket)
    if (over === undefined || socket.destroyed) {
      over?.()
      // The platform would wait for this answer to be sent, and hold everything that belongs to it.
      response.end()
      return yield* Effect.interrupt
    }
    const scope = yield* Scope.make()
    yield* Scope.addFinalizer(scope, Effect.sync(over))
    const runFork = Runtime.runFork(yield* Effect.runtime())
    return yield* Effect.onExit(Scope.extend(app, scope), (exit) => {
      const close = Scope.close(scope, exit)
      return Exit.isSuccess(exit) ? Effect.sync(() => whenClosed(response, socket, () => runFork(close))) : close
    })
  })

/** An answer that waits behind another on its connection is not closed with it, so watch the socket too. */
const whenClosed = (response: ServerResponse, socket: Socket, act: () => void): void => {
  if (response.closed || socket.destroyed) {
    act()
    return
  }
  const over = () => {
    response.off("close", over)
    socket.off("close", over)
    act()
  }
  response.once("close", over)
  socket.once("close", over)
}

const answer = <E, R>(app: HttpApp.Default<E, R>, keep: KeptAnswers["Type"]["keep"]) =>
  Effect.gen(function* () {
    const startedAt = yield* monotonicMillis
    const asked = askedOf(yield* HttpServerRequest.HttpServerRequest)
    const handled = yield* Effect.flatMap(problems(dispatch(asked, app)), (response) => applyHandlers(asked, response))
    const response = endingUnread(asked.request, yield* finish(asked, handled))
    const count = counterFor(asked, response.status)
    count((yield* monotonicMillis) - startedAt)
    keep(asked.request, response, count)
    return response
  })

/** Applies what handlers add to answers that they did not build. Here, because later steps look at the result. */
const applyHandlers = (
  { request }: Asked,
  response: HttpServerResponse.HttpServerResponse
): Effect.Effect<HttpServerResponse.HttpServerResponse> =>
  Effect.flatMap(
    FiberRef.getAndSet(HttpApp.currentPreResponseHandlers, Option.none()),
    Option.match({
      onNone: () => Effect.succeed(response),
      onSome: (handler) => Effect.orElseSucceed(handler(request, response), () => response)
    })
  )

/** The methods of the API. All others share one series. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

const methodOf = (method: string): string => (methods.has(method) ? method : "other")

const routeOf = ({ route, routes }: Asked): string => (route ?? routes[0])?.path ?? "unknown"

/**
 * Kept by their labels, of which there are few: creating a series for each request takes longer than counting in it.
 */
const series = new Map<string, (millis: number) => void>()

const counterFor = (asked: Asked, status: number): ((millis: number) => void) => {
  const method = methodOf(asked.request.method)
  const route = routeOf(asked)
  const key = `${method} ${route} ${status}`
  const known = series.get(key)
  if (known !== undefined) return known
  const labelled = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) =>
    Metric.tagged(Metric.tagged(metric, "method", method), "route", route)
  const one = Metric.tagged(labelled(requests), "status", String(status))
  const duration = labelled(durations)
  const count = (millis: number) => {
    one.unsafeUpdate(1, [])
    duration.unsafeUpdate(millis, [])
  }
  series.set(key, count)
  return count
}
