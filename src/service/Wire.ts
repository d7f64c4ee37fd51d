/** The server's own answers, for bytes that are not a complete request. */
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import * as Predicate from "effect/Predicate"
import {
  BodyTooLarge,
  ExpectationFailed,
  HeadersTooLarge,
  MalformedRequest,
  MethodNotAllowed,
  MethodNotImplemented,
  NotReady,
  RequestTimedOut,
  TargetTooLong
} from "./ApiErrors.ts"
import { problemOf, type Told } from "./Problem.ts"
import { allMethods } from "./Routes.ts"
import { TinyChunks } from "./SmallChunks.ts"

/** Bytes of a request's head: Node.js' own limit. */
const longestHead = 16 * 1024

/** Makes the server itself answer in problems too. */
export const answerByItself = (server: Server): void => {
  const open = new WeakMap<Duplex, Set<ServerResponse>>()
  let hasServed = false
  const follow = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    const responses = open.get(socket) ?? new Set()
    open.set(socket, responses.add(response))
    response.once("close", () => responses.delete(response))
    // What serves begins after the server does and ends before it: a request may come between the two.
    if (server.listeners("request").every((listener) => listener === follow)) {
      const message = hasServed ? "The service is stopping." : "The service is not ready yet."
      answer(request, response, new NotReady({ retryAfterSeconds: 1, message }))
    }
  }

  server
    .on("request", follow)
    .on("newListener", (event) => {
      if (event === "request") hasServed = true
    })
    .on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
      const message = "The service supports only `Expect: 100-continue`."
      answer(request, response, new ExpectationFailed({ message }))
    })
    .on("connect", (_, socket) =>
      end(
        socket,
        new MethodNotAllowed({ allow: allMethods, message: "This service is not a proxy and has no CONNECT." })
      )
    )
    .on("clientError", (error, socket) => {
      const responses = [...(open.get(socket) ?? [])]
      // An answer that has begun must not be continued by another one.
      if (!socket.writable || responses.some(({ headersSent }) => headersSent) || isGone(error)) {
        return void socket.destroy()
      }
      end(socket, errorOf(error))
    })
}

/** The last answer of its connection. */
const answer = (request: IncomingMessage, response: ServerResponse, error: Told): void => {
  const { body, headers, status } = problemOf(error, { headers: {} })
  response.writeHead(status, { ...headers, connection: "close", "content-length": Buffer.byteLength(body) })
  response.end(request.method === "HEAD" ? undefined : body)
}

const codeOf = (error: unknown): string => (Predicate.hasProperty(error, "code") ? String(error.code) : "")

const isGone = (error: unknown): boolean => /^(ECONNRESET|EPIPE)$/.test(codeOf(error))

/** Node.js cannot read a request with an unknown method at all. */
const isRequestLine = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+ \S+ HTTP\/1\.[01]\r?\n/

/** No line of the head has ended. */
const isLongTarget = new RegExp(`^[A-Z]+ [^\\r\\n]{${longestHead}}`)

const errorOf = (error: unknown): Told => {
  if (error instanceof TinyChunks) return new MalformedRequest({ message: error.message })
  switch (codeOf(error)) {
    case "HPE_HEADER_OVERFLOW":
      if (isLongTarget.test(firstBytesOf(error))) {
        return new TargetTooLong({
          limitBytes: longestHead,
          message: `The path and the query may have ${longestHead} bytes at most.`
        })
      }
      return new HeadersTooLarge({
        limitBytes: longestHead,
        message: `The path and the headers together may have ${longestHead} bytes at most.`
      })
    case "HPE_CHUNK_EXTENSIONS_OVERFLOW":
      return new BodyTooLarge({
        limitBytes: longestHead,
        message: `The extensions of chunks together may have ${longestHead} bytes at most.`
      })
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return new RequestTimedOut({ message: "The request did not arrive in time." })
    case "HPE_INVALID_METHOD":
      if (isRequestLine.test(firstBytesOf(error))) {
        return new MethodNotImplemented({ message: "The service does not know this method." })
      }
  }
  return new MalformedRequest({ message: "This is not an HTTP/1.1 request." })
}

const firstBytesOf = (error: unknown): string =>
  Predicate.hasProperty(error, "rawPacket") && Buffer.isBuffer(error.rawPacket)
    ? error.rawPacket.subarray(0, 2 * longestHead).toString("latin1")
    : ""

/** Sends a problem and ends the connection. */
const end = (socket: Duplex, error: Told): void => {
  const { body, headers, status } = problemOf(error, { headers: {} })
  const head = Object.entries({
    ...headers,
    "x-content-type-options": "nosniff",
    date: new Date().toUTCString(),
    "content-length": String(Buffer.byteLength(body)),
    connection: "close"
  }).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`, ...head, "", body].join("\r\n"), () =>
    socket.destroy()
  )
}
