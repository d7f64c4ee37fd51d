/** What every answer has in common: metrics, security headers, and JSON where nothing else was said. */

import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { Api, InternalError, RouteNotFound } from "./Api.ts"
import { turnOf } from "./Connections.ts"

const requests = Metric.counter("http_requests", { description: "Requests answered", incremental: true })
const durations = Metric.histogram(
  "http_request_duration_ms",
  MetricBoundaries.exponential({ start: 0.5, factor: 2, count: 16 }),
  "How long it took to answer, without the sending of the body, in milliseconds"
)

/**
 * Turns what is left of an app's failures into JSON: a path that nobody knows, and defects, whose cause goes
 * to the log and not to the caller. Counts and times every request. What a request acquires, it has until its
 * answer is sent, or nobody is there any more to take it.
 */
export const answering = <E, R>(
  app: HttpApp.Default<E, R>
): HttpApp.Default<never, Exclude<R, Scope.Scope> | HttpServerRequest.HttpServerRequest> => untilSent(answered(app))

/**
 * The platform's own scope of a request waits for its answer to be taken. A caller who hangs up in the middle
 * of it never takes it, and what the request holds would be held for ever.
 */
const untilSent = <E, R>(app: HttpApp.Default<E, R>) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const response = NodeHttpServerRequest.toServerResponse(request)
    const { socket } = NodeHttpServerRequest.toIncomingMessage(request)
    const over = yield* turnOf(socket)
    if (over === undefined) return yield* Effect.interrupt
    // An answer that waits behind another on its connection is not closed with it.
    const closed = Effect.async<void>((resume) => {
      const over = () => {
        response.off("close", over)
        socket.off("close", over)
        resume(Effect.void)
      }
      if (response.closed || socket.destroyed) return over()
      response.once("close", over)
      socket.once("close", over)
    })
    const scope = yield* Scope.make()
    yield* Scope.addFinalizer(scope, Effect.sync(over))
    return yield* Effect.onExit(Scope.extend(app, scope), (exit) => {
      const close = Scope.close(scope, exit)
      return Exit.isSuccess(exit) ? Effect.forkDaemon(Effect.zipRight(closed, close)) : close
    })
  })

const answered = <E, R>(app: HttpApp.Default<E, R>) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const startedAt = yield* Clock.currentTimeMillis
    const response = yield* Effect.catchAllCause(app, (cause) => lastResort(request, cause))
    const route = routeOf(request.url)
    const labelled = <Type, In, Out>(metric: Metric.Metric<Type, In, Out>) =>
      Metric.tagged(Metric.tagged(metric, "method", methodOf(request.method)), "route", route)
    yield* Metric.increment(Metric.tagged(labelled(requests), "status", String(response.status)))
    yield* Metric.update(labelled(durations), (yield* Clock.currentTimeMillis) - startedAt)
    return HttpServerResponse.setHeader(response, "x-content-type-options", "nosniff")
  })

const lastResort = <E>(request: HttpServerRequest.HttpServerRequest, cause: Cause.Cause<E>) => {
  // Nobody is there any more to be answered.
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(Cause.stripFailures(cause))
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (failure instanceof HttpServerError.RouteNotFound) {
    return jsonOf(404, new RouteNotFound({ message: `There is nothing at ${request.method} ${pathOf(request.url)}.` }))
  }
  // What the platform makes of a body that is too long, or none of the kind that it says it is.
  if (Option.exists(Cause.dieOption(cause), (defect) => defect instanceof HttpServerError.RequestError)) {
    return jsonOf(400, new HttpApiDecodeError({ issues: [], message: "The body cannot be read." }))
  }
  return Effect.zipRight(
    Effect.logError("A request ended in a defect", cause),
    jsonOf(500, new InternalError({ message: "Something is wrong with the service; its log tells what." }))
  )
}

const jsonOf = (status: number, body: unknown) => Effect.orDie(HttpServerResponse.json(body, { status }))

/** The methods of the API; who sends others makes no more series of them than one. */
const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

const methodOf = (method: string): string => (methods.has(method) ? method : "other")

/** A request's path, without what is asked of it. */
export const pathOf = (url: string): string => url.replace(/[?#].*$/, "")

/** The paths of the API, for metrics that have as many series as there are routes. */
const routes: ReadonlyArray<readonly [route: string, pattern: RegExp]> = [
  "/",
  "/openapi.json",
  ...Object.values(Api.groups).flatMap((group) => Object.values(group.endpoints).map(({ path }) => path))
].map((route) => [route, new RegExp(`^${route.replace(/\./g, "\\.").replace(/:\w+/g, "[^/]+")}$`)])

const routeOf = (url: string): string => routes.find(([, pattern]) => pattern.test(pathOf(url)))?.[0] ?? "unknown"
