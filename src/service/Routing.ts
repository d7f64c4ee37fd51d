/** What HTTP asks before any handler is: is there such a path, spelt like this, and does it take this method. */
import * as Headers from "@effect/platform/Headers"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import { MalformedRequest, MethodNotAllowed, RouteNotFound, UnsupportedMediaType } from "./ApiErrors.ts"
import { isEncoded, withJson } from "./Body.ts"
import { allMethods, methodsOf, type Route, routeFor, routesAt } from "./Routes.ts"
import { type Target, targetOf } from "./Target.ts"

/** A request, and what it is for. */
export interface Asked {
  readonly request: HttpServerRequest.HttpServerRequest
  readonly target: Target | undefined
  /** All that is at its path, whatever the method. */
  readonly routes: ReadonlyArray<Route>
  readonly route: Route | undefined
}

export const askedOf = (request: HttpServerRequest.HttpServerRequest): Asked => {
  const target = targetOf(request.url)
  const routes = target?.spelt === undefined ? [] : routesAt(target.spelt)
  return { request, target, routes, route: routeFor(routes, request.method) }
}

/** Answers for the app where the app is not to be asked; otherwise asks it, by the path as it is spelt. */
export const routed = <E, R>({ request, route, routes, target }: Asked, app: HttpApp.Default<E, R>) =>
  Effect.suspend((): Effect.Effect<HttpServerResponse.HttpServerResponse, E | Refused, R> => {
    const { method, url } = request
    if (!hasHost(request)) return new MalformedRequest({ message: "A request has one header `Host`." })
    if (method === "OPTIONS" && url === "*") return Effect.succeed(options(allMethods))
    if (target === undefined) {
      return new MalformedRequest({ message: "The target of the request is not a path in percent-encoded ASCII." })
    }
    if (routes.length === 0) return new RouteNotFound({ message: `There is nothing at ${target.path}.` })
    if (target.spelt !== target.path) return Effect.succeed(moved(`${target.spelt}${target.query}`))
    if (method === "OPTIONS") return Effect.succeed(options(methodsOf(routes)))
    if (route === undefined) {
      const allow = methodsOf(routes)
      return new MethodNotAllowed({ allow, message: `${target.path} takes ${allow.join(", ")}, not ${method}.` })
    }
    if (isEncoded(request)) {
      return new UnsupportedMediaType({ message: "A body is taken without a Content-Encoding." })
    }
    const asked = relative(request, target)
    return Effect.provideService(app, HttpServerRequest.HttpServerRequest, route.takesJson ? withJson(asked) : asked)
  })

type Refused = MalformedRequest | MethodNotAllowed | RouteNotFound | UnsupportedMediaType

/** One host, where there is more than one to be told apart (RFC 9112, 3.2). */
const hasHost = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const { httpVersion, rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === "host").length
  return hosts === 1 || (hosts === 0 && httpVersion === "1.0")
}

const options = (allow: ReadonlyArray<string>) =>
  HttpServerResponse.empty({ status: 204, headers: { allow: allow.join(", "), "cache-control": "no-store" } })

/** The same resource, as its path is spelt. With 308 method and body stay. */
const moved = (location: string) =>
  HttpServerResponse.empty({ status: 308, headers: { location, "cache-control": "no-store" } })

/** A target that names its host counts more than the header does (RFC 9112, 3.2.2). */
const relative = (request: HttpServerRequest.HttpServerRequest, { authority, path, query }: Target) =>
  authority === undefined
    ? request
    : request.modify({ url: `${path}${query}`, headers: Headers.set(request.headers, "host", authority) })
