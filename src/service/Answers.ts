/** What every answer has: caching headers, an entity tag, and a content coding. */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { PreconditionFailed } from "./ApiErrors.ts"
import { codingFor, compress, isCoded } from "./Coding.ts"
import { pathOf, problemOf } from "./Problem.ts"
import type { Asked } from "./Routing.ts"
import { codedTag, isStronglyIn, isWeaklyIn, tagOf } from "./tags.ts"

type Response = HttpServerResponse.HttpServerResponse

/** The order matters: a tag belongs to the uncompressed bytes, and a compressed answer has its own tag. */
export const finish = (asked: Asked, response: Response): Effect.Effect<Response> =>
  compressIfAccepted(asked, withEntityTag(asked, withNext(asked, withDefaults(asked, response))))

/**
 * Defaults that handlers need not set. An API answer belongs to its caller, so clients must revalidate it each time.
 */
const withDefaults = ({ request, route }: Asked, response: Response): Response => {
  const { headers, status } = response
  const isApi = /^\/api\b/.test(route?.path ?? request.url)
  const kept = status >= 400 ? "no-store" : isApi ? "private, no-cache" : "no-cache"
  const varies = [
    ...(isApi ? ["Authorization"] : []),
    ...(isCoded(headers["content-type"] ?? "") ? ["Accept-Encoding"] : [])
  ]
  return HttpServerResponse.setHeaders(response, {
    "cache-control": headers["cache-control"] ?? kept,
    "x-content-type-options": "nosniff",
    ...(varies.length === 0 ? {} : { vary: [...new Set([...listed(headers["vary"]), ...varies])].join(", ") }),
    // A temporary refusal tells when to try again (RFC 9110, 10.2.3).
    ...((status === 503 || status === 429) && headers["retry-after"] === undefined ? { "retry-after": "1" } : {})
  })
}

const listed = (header: string | undefined): ReadonlyArray<string> =>
  header === undefined ? [] : header.split(",").map((part) => part.trim())

/** `next` is the last field of every page, and is valid JSON itself. */
const nextField = /"next":("(?:[^"\\]|\\.)*"|\d+)\}$/

/** Links to the next page (RFC 8288): the same request, starting there. */
const withNext = ({ request, route }: Asked, response: Response): Response => {
  const bytes = bytesOf(response)
  if (route?.pageFrom === undefined || response.status !== 200 || bytes === undefined) return response
  const [, next] = nextField.exec(Buffer.from(bytes.subarray(-4096)).toString("utf8")) ?? []
  if (next === undefined) return response
  const url = new URL(request.url, "http://localhost")
  url.searchParams.set(route.pageFrom, String(JSON.parse(next)))
  return HttpServerResponse.setHeader(response, "link", `<${url.pathname}${url.search}>; rel="next"`)
}

/** Adds a tag to what can be requested again, and answers 304 to a client that has it (RFC 9110, 15.4.5). */
const withEntityTag = (asked: Asked, response: Response): Response => {
  const { request } = asked
  const bytes = bytesOf(response)
  const isRead = request.method === "GET" || request.method === "HEAD"
  if (!isRead || response.status !== 200 || bytes === undefined) return response
  if (response.headers["cache-control"] === "no-store") return response
  const etag = response.headers["etag"] ?? tagOf(bytes)
  const { "if-match": expected, "if-none-match": known } = request.headers
  if (expected !== undefined && !isStronglyIn(expected, etag)) return withDefaults(asked, changed(request, etag))
  if (known === undefined || !isWeaklyIn(known, etag)) return HttpServerResponse.setHeader(response, "etag", etag)
  const coding = codingOf(response, bytes, request.headers["accept-encoding"])
  const { "content-length": _, "content-type": __, ...headers } = response.headers
  return HttpServerResponse.empty({
    status: 304,
    headers: { ...headers, etag: coding === undefined ? etag : codedTag(etag, coding) }
  })
}

const changed = ({ headers, url }: Asked["request"], etag: string): Response => {
  const error = new PreconditionFailed({ etag, message: "What is here has changed since you read it." })
  const problem = problemOf(error, { path: pathOf(url), headers })
  return HttpServerResponse.text(problem.body, problem)
}

const compressIfAccepted = ({ request }: Asked, response: Response): Effect.Effect<Response> => {
  const bytes = bytesOf(response)
  const coding = bytes === undefined ? undefined : codingOf(response, bytes, request.headers["accept-encoding"])
  if (bytes === undefined || coding === undefined) return Effect.succeed(response)
  return Effect.map(
    Effect.promise(() => compress(bytes, coding)),
    (shorter) => {
      const { etag } = response.headers
      const body = HttpBody.uint8Array(shorter, response.headers["content-type"] ?? "")
      return HttpServerResponse.setHeaders(HttpServerResponse.setBody(response, body), {
        "content-encoding": coding,
        ...(etag === undefined ? {} : { etag: codedTag(etag, coding) })
      })
    }
  )
}

const codingOf = ({ headers }: Response, bytes: Uint8Array, acceptEncoding: string | undefined) =>
  headers["content-encoding"] === undefined && isCoded(headers["content-type"] ?? "")
    ? codingFor(bytes, acceptEncoding)
    : undefined

/** The bytes of an answer that is in memory. */
const bytesOf = ({ body }: Response): Uint8Array | undefined => (body._tag === "Uint8Array" ? body.body : undefined)
