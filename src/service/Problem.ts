/**
 * Errors as problem details (RFC 9457): one encoder for the API, the router and the server itself. Besides the members
 * of the standard a problem has the error's own: `_tag`, `message` and its fields.
 */
import { randomUUID } from "node:crypto"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { InternalError, RouteNotFound } from "./ApiErrors.ts"
import { bearerOf } from "./bearer.ts"
import { inWords } from "./issues.ts"

export const contentType = "application/problem+json"

/** An error made to be sent: its class is a schema with a status. */
export interface Told {
  readonly _tag: string
  readonly message: string
}

export const isTold = (error: unknown): error is Told =>
  error instanceof Error && Predicate.hasProperty(error, "_tag") && Schema.isSchema(error.constructor)

export interface Problem {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Known if the answer belongs to a request: its path, and whether it had a token. */
export interface Asked {
  readonly path?: string | undefined
  readonly headers: Readonly<Record<string, string | undefined>>
}

export const problemOf = (given: Told, { headers, path }: Asked): Problem => {
  const error = given instanceof HttpApiDecodeError ? inWords(given) : given
  const status = Schema.isSchema(error.constructor) ? HttpApiSchema.getStatusError(error.constructor) : 500
  const fields: Readonly<Record<string, unknown>> = { ...error }
  const body = {
    // The description of the type is there. Its full path, as the standard recommends (3.1.1).
    type: `/openapi.json#/components/schemas/${error._tag}`,
    title: titleOf(error._tag),
    status,
    detail: error.message,
    // For a defect this one occurrence, which the log names too; otherwise the path of the request.
    instance: fields["instance"] ?? path,
    ...fields,
    _tag: error._tag,
    message: error.message
  }
  return {
    status,
    headers: { "content-type": contentType, "cache-control": "no-store", ...headersOf(status, fields, headers) },
    body: JSON.stringify(body)
  }
}

/** Headers that belong to a status, from the fields of the error. */
const headersOf = (
  status: number,
  { allow, accept, retryAfterSeconds, size }: Readonly<Record<string, unknown>>,
  asked: Asked["headers"]
): Readonly<Record<string, string>> => {
  switch (status) {
    // RFC 6750, 3.1: a request without a token is told of no error.
    case 401:
      return {
        "www-authenticate":
          bearerOf(asked) === undefined ? `Bearer realm="${realm}"` : `Bearer realm="${realm}", error="invalid_token"`
      }
    case 405:
      return Array.isArray(allow) ? { allow: allow.join(", ") } : {}
    case 415:
      return typeof accept === "string" ? { accept } : {}
    case 416:
      return { "content-range": `bytes */${String(size)}` }
    case 429:
    case 503:
      return { "retry-after": String(retryAfterSeconds ?? 1) }
    default:
      return {}
  }
}

const realm = "conversation-files"

/** `FileNotFound`: "File not found". */
const titleOf = (tag: string): string => {
  // The tag is the platform's.
  if (tag === "HttpApiDecodeError") return "Invalid request"
  const words = tag.replace(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase()
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}`
}

/** A request's path, without its query. */
export const pathOf = (url: string): string => url.replace(/[?#].*$/s, "")

const respond = (error: Told) =>
  Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
    const { body, headers, status } = problemOf(error, {
      path: pathOf(request.originalUrl),
      headers: request.headers
    })
    return HttpServerResponse.text(body, { status, headers, contentType })
  })

/**
 * Every failure of an app as a problem. Errors made to be sent are sent as they are. Errors of the platform get words
 * of their own. Anything else is a defect: its cause goes to the log, not to the client.
 */
export const problems = <E, R>(app: HttpApp.Default<E, R>) => Effect.catchAllCause(app, answerTo)

const answerTo = <E>(cause: Cause.Cause<E>) => {
  // Nobody is left to answer.
  if (Cause.isInterruptedOnly(cause)) return Effect.failCause(Cause.stripFailures(cause))
  const failure = Option.getOrUndefined(Cause.failureOption(cause))
  if (isTold(failure)) return respond(failure)
  const defect = Option.getOrUndefined(Cause.dieOption(cause))
  // The platform treats every failure to read a body as a defect.
  if (isTold(defect)) return respond(defect)
  if (failure instanceof HttpServerError.RouteNotFound) {
    const { method, originalUrl } = failure.request
    return respond(new RouteNotFound({ message: `There is nothing at ${method} ${pathOf(originalUrl)}.` }))
  }
  if (defect instanceof HttpServerError.RequestError) {
    return respond(new HttpApiDecodeError({ issues: [], message: "The body cannot be read." }))
  }
  const instance = `urn:uuid:${randomUUID()}`
  return Effect.zipRight(
    Effect.annotateLogs(Effect.logError("A request ended in a defect", cause), { instance }),
    respond(
      new InternalError({
        instance,
        message: "Something is wrong with the service. Look for the `instance` of this answer in its log."
      })
    )
  )
}
