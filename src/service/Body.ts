/** Reads JSON bodies, and handles bodies that nobody reads. */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import * as Headers from "@effect/platform/Headers"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import { BodyTooLarge, UnsupportedMediaType } from "./ApiErrors.ts"
import { faultIn } from "./jsonMembers.ts"

/** The most bytes of a body read into memory: the longest message fits. File contents are not read into memory. */
const longestBody = 128 * 1024

const json = "application/json"

/**
 * The request with a JSON body that is read only when the platform asks for it: after the caller is known. The
 * platform's own reader cuts the connection if a body is too long, and accepts any other type.
 */
export const withJson = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest => {
  const incoming = NodeHttpServerRequest.toIncomingMessage(request)
  const asJson = request.modify({ headers: Headers.set(request.headers, "content-type", json) })
  // To the platform its failure is a defect; it is answered like any other error.
  return Object.create(asJson, { json: { value: jsonOf(incoming) } })
}

/** A body without a type is taken for JSON. */
export const requireJson = ({ headers }: IncomingMessage): Effect.Effect<void, UnsupportedMediaType> => {
  const [type = "", ...parameters] = (headers["content-type"] ?? json).toLowerCase().split(";")
  const charset = parameters.find((one) => /^\s*charset\s*=/.test(one))
  return type.trim() === json && (charset === undefined || /=\s*"?utf-?8"?\s*$/.test(charset))
    ? Effect.void
    : new UnsupportedMediaType({ accept: json, message: `Send the body as ${json}, in UTF-8.` })
}

const jsonOf = Effect.fnUntraced(function* (incoming: IncomingMessage) {
  yield* requireJson(incoming)
  if (Number(incoming.headers["content-length"] ?? 0) > longestBody) return yield* tooLong
  const bytes = yield* bytesOf(incoming)
  if (bytes.length === 0) return yield* unreadable("The body is empty. Send a JSON object.")
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => unreadable("The body is not UTF-8.")
  })
  const value = yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => unreadable(`The body is not JSON: ${error instanceof Error ? error.message : String(error)}.`)
  })
  const fault = faultIn(value)
  return fault === undefined ? value : yield* unreadable(fault)
})

const unreadable = (message: string) => new HttpApiDecodeError({ issues: [], message })

const tooLong = new BodyTooLarge({
  limitBytes: longestBody,
  message: `The body may have ${longestBody} bytes at most.`
})

const bytesOf = (incoming: IncomingMessage): Effect.Effect<Buffer, BodyTooLarge | HttpApiDecodeError> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let length = 0
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      length += chunk.length
      if (length > longestBody) over(tooLong)
    }
    const onEnd = () => over(Effect.succeed(Buffer.concat(chunks)))
    const onError = () => over(unreadable("The body was cut off."))
    const stop = () => {
      incoming.off("data", onData).off("end", onEnd).off("error", onError).off("close", onError).pause()
    }
    const over = (result: Effect.Effect<Buffer, BodyTooLarge | HttpApiDecodeError>) => {
      stop()
      resume(result)
    }
    incoming.on("end", onEnd).on("error", onError).on("close", onError).on("data", onData)
    return Effect.sync(stop)
  })

/** A body in a content coding would be taken for the bytes themselves. */
export const isEncoded = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  !/^(identity)?$/i.test((headers["content-encoding"] ?? "").trim())

/** How long to listen to a client that still sends a body nobody reads (milliseconds). */
const patience = 5000

/**
 * Ends the connection after an answer that came before the whole body. Not at once: bytes that arrive after the close
 * would make the system drop the answer before the client reads it (RFC 9112, 9.6).
 */
export const endingUnread = (
  request: HttpServerRequest.HttpServerRequest,
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  const incoming = NodeHttpServerRequest.toIncomingMessage(request)
  if (incoming.complete) return response
  const closing = HttpServerResponse.setHeader(response, "connection", "close")
  const { body } = response
  const { expect } = incoming.headers
  // A client that waits for `100 Continue` sends nothing after another answer.
  const waits = expect !== undefined && !NodeHttpServerRequest.toServerResponse(request).shouldKeepAlive
  if (body._tag !== "Uint8Array" || request.method === "HEAD" || waits) return closing
  const { headers, status } = closing
  return HttpServerResponse.raw(thenRest(body.body, incoming), {
    status,
    headers: { ...headers, "content-length": String(body.body.length) }
  })
}

/** Sends the bytes, and ends when the rest of the body has arrived. */
const thenRest = (bytes: Uint8Array, incoming: IncomingMessage): Readable => {
  let isSent = false
  return new Readable({
    read() {
      if (!isSent) {
        isSent = true
        this.push(bytes)
        return
      }
      const over = () => {
        clearTimeout(timer)
        incoming.off("end", over).off("close", over).off("error", over)
        this.push(null)
      }
      const timer = setTimeout(over, patience)
      incoming.on("end", over).on("close", over).on("error", over).resume()
    }
  })
}
