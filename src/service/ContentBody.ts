/** Bodies that are not forms: the bytes of a content, or long JSON. */
import type { IncomingMessage } from "node:http"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { FileTooLarge, InvalidUpload, tooLarge, UnsupportedMediaType } from "./Api.ts"
import { requireJson } from "./Body.ts"
import { faultIn, hasFewStrings, tooManyMembers } from "./jsonMembers.ts"

/**
 * The length that a request announces; 0 if it does not. Fails if it is above `longest`. Ask before looking at the disk
 * or a quota, so that what can never be stored is not answered as if there were only no space for it now.
 */
export const announcedOf = (
  headers: Readonly<Record<string, string | undefined>>,
  maxFileSize: number,
  longest = maxFileSize
): Effect.Effect<number, FileTooLarge> => {
  const announced = Number(headers["content-length"] ?? 0)
  return announced > longest ? tooLarge(maxFileSize) : Effect.succeed(announced)
}

/**
 * The bytes of a request, as they arrive. If the announced length exceeds the limit, it is refused unread. Otherwise up
 * to twice the limit is read, so that a client that reads the answer only at its end gets it.
 */
export const bytesOf = (
  request: IncomingMessage,
  limit: number
): Stream.Stream<Uint8Array, FileTooLarge | InvalidUpload> =>
  Stream.suspend(() => {
    if (Number(request.headers["content-length"] ?? 0) > limit) return Stream.fail(tooLarge(limit))
    let seen = 0
    return NodeStream.fromReadable<InvalidUpload, Uint8Array>(() => request, unreadable, { closeOnDone: false }).pipe(
      Stream.tap(({ length }) => {
        seen += length
        return seen > 2 * limit ? tooLarge(limit) : Effect.void
      })
    )
  }).pipe(
    // If nobody reads, the client waits for ever instead of getting the answer.
    Stream.ensuring(Effect.sync(() => request.resume()))
  )

const unreadable = (cause: unknown): InvalidUpload =>
  new InvalidUpload({
    message: `Cannot read the body: ${cause instanceof Error ? cause.message : String(cause)}.`
  })

const longText = (limitBytes: number): FileTooLarge =>
  new FileTooLarge({
    limitBytes,
    message: `The request may have ${limitBytes} bytes at most. Upload a longer text as a file.`
  })

/** A JSON body in UTF-8, decoded by a schema. All of it is in memory meanwhile. */
export const jsonBodyOf = Effect.fnUntraced(function* <A, I>(
  request: IncomingMessage,
  schema: Schema.Schema<A, I>,
  limit: number
) {
  yield* requireJson(request)
  let seen = 0
  const chunks = yield* bytesOf(request, limit).pipe(
    Stream.map((chunk) => {
      seen += chunk.length
      return seen > limit ? new Uint8Array() : chunk
    }),
    Stream.runCollect,
    Effect.catchTag("FileTooLarge", () => longText(limit))
  )
  if (seen > limit) return yield* longText(limit)
  const text = yield* Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(Chunk.toReadonlyArray(chunks))),
    catch: () => new UnsupportedMediaType({ message: "The body is not valid UTF-8." })
  })
  if (!hasFewStrings(text)) return yield* misshapen(tooManyMembers)
  return yield* Schema.decode(Schema.parseJson())(text).pipe(
    Effect.tap((value) => {
      const fault = faultIn(value)
      return fault === undefined ? Effect.void : misshapen(fault)
    }),
    Effect.flatMap(Schema.decodeUnknown(schema)),
    Effect.catchTag("ParseError", (error) => Effect.flatMap(HttpApiDecodeError.fromParseError(error), Effect.fail))
  )
})

const misshapen = (message: string) => new HttpApiDecodeError({ issues: [], message })
