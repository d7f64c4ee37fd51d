/** The body of a request that is JSON, and what becomes of one that nobody reads. */
import type { IncomingMessage } from "node:http"
import { Readable } from "node:stream"
import * as Headers from "@effect/platform/Headers"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import { BodyTooLarge, UnsupportedMediaType } from "./ApiErrors.ts"

/** Bytes of a body that is read into memory. Those of files are not. */
const longestBody = 64 * 1024

const json = "application/json"

/**
 * The request, with its body read as JSON once the platform asks for it, which is when its caller is known. The
 * platform's own reading breaks the connection off where a body is too long, and takes any other type as well.
 */
export const withJson = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest => {
  const incoming = NodeHttpServerRequest.toIncomingMessage(request)
  const asJson = request.modify({ headers: Headers.set(request.headers, "content-type", json) })
  // What it fails with is a defect to the platform, and told like any other error.
  return Object.create(asJson, { json: { value: jsonOf(incoming) } })
}

const jsonOf = Effect.fnUntraced(function* (incoming: IncomingMessage) {
  const [type = "", ...parameters] = (incoming.headers["content-type"] ?? json).toLowerCase().split(";")
  const charset = parameters.find((one) => /^\s*charset\s*=/.test(one))
  if (type.trim() !== json || (charset !== undefined && !/=\s*"?utf-?8"?\s*$/.test(charset))) {
    return yield* new UnsupportedMediaType({ accept: json, message: `The body has to be ${json}, in UTF-8.` })
  }
  if (Number(incoming.headers["content-length"] ?? 0) > longestBody) return yield* tooLong
  const bytes = yield* bytesOf(incoming)
  if (bytes.length === 0) return yield* unreadable("The body is empty; a JSON object is expected.")
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: () => unreadable("The body is not UTF-8.")
  })
  return yield* Effect.try({
    try: (): unknown => JSON.parse(text),
    catch: (error) => unreadable(`The body is not JSON: ${error instanceof Error ? error.message : String(error)}.`)
  })
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
    const onError = () => over(unreadable("The body was broken off."))
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

/** A body in a coding would be taken for the bytes themselves. */
export const isEncoded = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  !/^(identity)?$/i.test((headers["content-encoding"] ?? "").trim())

/** Who still sends what nobody reads is heard so long (milliseconds). */
const patience = 5000

/**
 * Ends the connection behind an answer that comes before all of the body did. Not at once: what arrives after the end
 * would make the system throw away the answer, before its reader has it (RFC 9112, 9.6).
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
  // Whoever waits for `100 Continue` sends nothing after another answer.
  const waits = expect !== undefined && !NodeHttpServerRequest.toServerResponse(request).shouldKeepAlive
  if (body._tag !== "Uint8Array" || request.method === "HEAD" || waits) return closing
  const { headers, status } = closing
  return HttpServerResponse.raw(thenRest(body.body, incoming), {
    status,
    headers: { ...headers, "content-length": String(body.body.length) }
  })
}

/** The bytes, and the end of it when the rest of the body is over. */
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
