/** What HTTP asks before any handler: does the path exist in this spelling, and does it take this method? */
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
  /** Everything at its path, for any method. */
  readonly routes: ReadonlyArray<Route>
  readonly route: Route | undefined
}

export const askedOf = (request: HttpServerRequest.HttpServerRequest): Asked => {
  const target = targetOf(request.url)
  const routes = target?.spelt === undefined ? [] : routesAt(target.spelt)
  return { request, target, routes, route: routeFor(routes, request.method) }
}

/** Answers without the app if HTTP requires it. Otherwise calls the app with the path in its one spelling. */
export const dispatch = <E, R>({ request, route, routes, target }: Asked, app: HttpApp.Default<E, R>) =>
  Effect.suspend((): Answer<E, R> => {
    const { method, url } = request
    if (!hasHost(request)) return new MalformedRequest({ message: "Send exactly one `Host` header, with a host." })
    if (method === "OPTIONS" && url === "*") return Effect.succeed(options(allMethods))
    if (target === undefined || !isHost(target.authority ?? "")) {
      return new MalformedRequest({ message: "The target of the request is not a path in percent-encoded ASCII." })
    }
    if (routes.length === 0) return new RouteNotFound({ message: `There is nothing at ${target.path}.` })
    if (target.spelt !== target.path) return Effect.succeed(redirect(`${target.spelt}${target.query}`))
    if (method === "OPTIONS") return Effect.succeed(options(methodsOf(routes)))
    if (route === undefined) {
      const allow = methodsOf(routes)
      return new MethodNotAllowed({ allow, message: `${target.path} takes ${allow.join(", ")}, not ${method}.` })
    }
    // What is meant for a part would replace the whole (RFC 9110, 14.5).
    if (method === "PUT" && request.headers["content-range"] !== undefined) {
      return new MalformedRequest({ message: "Send all of the body, without a `Content-Range`." })
    }
    if (isEncoded(request)) {
      return new UnsupportedMediaType({ message: "Send the body without a Content-Encoding." })
    }
    const plain = relative(request, target)
    const asked = route.takesJson ? withJson(plain) : plain
    return asked === request ? app : Effect.provideService(app, HttpServerRequest.HttpServerRequest, asked)
  })

type Answer<E, R> = Effect.Effect<
  HttpServerResponse.HttpServerResponse,
  E | Refused,
  R | HttpServerRequest.HttpServerRequest
>

type Refused = MalformedRequest | MethodNotAllowed | RouteNotFound | UnsupportedMediaType

/** Exactly one host, because more could contradict each other (RFC 9112, 3.2). */
const hasHost = (request: HttpServerRequest.HttpServerRequest): boolean => {
  const { httpVersion, rawHeaders } = NodeHttpServerRequest.toIncomingMessage(request)
  const hosts = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "host")
  return hosts.length === 0 ? httpVersion === "1.0" : hosts.length === 1 && hosts.every(isHost)
}

/** A host that a URL can have, with its port, or nothing (RFC 3986, 3.2.2). */
const isHost = (text: string): boolean =>
  /^(?:\[[0-9a-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})*)(?::\d*)?$/i.test(text)

const options = (allow: ReadonlyArray<string>) =>
  HttpServerResponse.empty({ status: 204, headers: { allow: allow.join(", "), "cache-control": "no-store" } })

/** Redirects to the path in its one spelling. With 308 method and body stay. */
const redirect = (location: string) =>
  HttpServerResponse.empty({ status: 308, headers: { location, "cache-control": "no-store" } })

/** A host in the target counts more than the header (RFC 9112, 3.2.2). */
const relative = (request: HttpServerRequest.HttpServerRequest, { authority, path, query }: Target) =>
  authority === undefined
    ? request
    : request.modify({ url: `${path}${query}`, headers: Headers.set(request.headers, "host", authority) })
