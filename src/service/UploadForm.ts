/**
 * Reads a multipart body with one file, in the order of its parts; the file goes straight to the disk. Parsed by
 * Busboy: the platform's own parser does not know names beyond Latin-1, and throws at some.
 */
import type { IncomingMessage } from "node:http"
import * as NodeStream from "@effect/platform-node/NodeStream"
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type FileTooLarge,
  InvalidUpload,
  Metadata,
  type QuotaExceeded,
  tooLarge,
  UnsupportedMediaType
} from "./Api.ts"
import type { ContentError } from "./ContentError.ts"
import type { NewFile } from "./FileInsertion.ts"
import { longestKey, mostKeys } from "./GivenMetadata.ts"
import type { Received } from "./Incoming.ts"

/** Bytes of a multipart body besides the file: its other fields and the lines between. */
export const mostOfTheRest = 1024 * 1024

const mostParts = 8

/** Bytes of one field. */
const longestField = 65_536

/** Writes what arrives to the disk, as far as there is room for it. */
export type Receive = <E>(
  content: Stream.Stream<Uint8Array, E>
) => Effect.Effect<Received, E | FileTooLarge | QuotaExceeded | ContentError, Scope.Scope>

/**
 * Receives the form of a request. If the announced length is too large, it is refused unread. Otherwise a body is read
 * up to twice the limit of its file, so that a client that reads the answer only at its end gets it.
 */
export const uploadForm = Effect.fnUntraced(function* (
  request: IncomingMessage,
  receive: Receive,
  maxFileSize: number
) {
  const announced = Number(request.headers["content-length"] ?? 0)
  if (announced > maxFileSize + mostOfTheRest) return yield* tooLarge(maxFileSize)
  if (!/^multipart\/form-data *(;|$)/i.test(request.headers["content-type"] ?? "")) return yield* noForm
  const parser = yield* parserOf(request)
  const { file, finished, fields } = yield* heard(parser)

  const received = Effect.gen(function* () {
    const { content, mimeType, name } = yield* file
    const received = yield* receive(content)
    yield* finished
    const { message_id, metadata } = fields
    const form: NewFile = {
      received,
      name,
      mimeType,
      messageId: message_id,
      metadata: metadata === undefined ? {} : yield* metadataOf(metadata)
    }
    return form
  })
  const fed = feed(request, parser, 2 * maxFileSize + mostOfTheRest, maxFileSize)
  // Any fault of the body ends the reading at once.
  const failed = Effect.zipRight(finished, Effect.never)
  return yield* Effect.raceFirst(
    Effect.map(Effect.all([received, fed], { concurrency: "unbounded" }), ([form]) => form),
    failed
  )
})

const noForm = new UnsupportedMediaType({
  accept: "multipart/form-data",
  message: "Send the body as multipart/form-data."
})

const parserOf = ({ headers }: IncomingMessage): Effect.Effect<BusboyInstance, InvalidUpload, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () =>
        new Busboy({
          headers: { ...headers, "content-type": headers["content-type"] ?? "" },
          limits: { parts: mostParts, fieldSize: longestField },
          // A path is refused, not shortened to a name.
          preservePath: true,
          isPartAFile: (key, _type, name) => key === "file" || name !== undefined
        }),
      catch: () => new InvalidUpload({ message: "The multipart body has no boundary." })
    }),
    (parser) => Effect.sync(() => parser.destroy())
  )

interface FilePart {
  readonly name: string
  readonly mimeType: string
  readonly content: Stream.Stream<Uint8Array, InvalidUpload>
}

/** What the parser reports: the one file as soon as it begins, the fields, and that all was sound. */
const heard = Effect.fnUntraced(function* (parser: BusboyInstance) {
  const file = yield* Deferred.make<FilePart, InvalidUpload>()
  const finished = yield* Deferred.make<void, InvalidUpload>()
  const fields: { message_id?: string; metadata?: string } = {}
  const wrong = (message: string) => {
    Deferred.unsafeDone(finished, new InvalidUpload({ message }))
  }
  let files = 0
  parser
    .on("file", (key: string, stream: BusboyFileStream, name: string | undefined, _encoding, type: string) => {
      // It fails together with the parser, which is handled below.
      stream.on("error", () => undefined)
      files += 1
      if (key !== "file" || files > 1) return wrong("Send one part `file`, and no other file.")
      const content = NodeStream.fromReadable<InvalidUpload>(() => stream, unreadable)
      Deferred.unsafeDone(file, Effect.succeed({ name: name ?? "", mimeType: mimeTypeOf(type), content }))
    })
    .on("field", (key, value, _nameTruncated, isTruncated) => {
      if (isTruncated) return wrong(`A field may have ${longestField} bytes at most.`)
      if (key === "message_id" || key === "metadata") fields[key] = value
    })
    .on("partsLimit", () => wrong(`A body may have ${mostParts} parts at most.`))
    .on("error", (error) => Deferred.unsafeDone(finished, unreadable(error)))
    .on("finish", () => {
      if (files === 0) wrong("The part `file` is missing.")
      Deferred.unsafeDone(finished, Effect.void)
    })
  return { file: Deferred.await(file), finished: Deferred.await(finished), fields }
})

/** Passes the body on, no faster than it is parsed. When this ends, the rest is read and dropped. */
const feed = (
  request: IncomingMessage,
  parser: BusboyInstance,
  most: number,
  limit: number
): Effect.Effect<void, InvalidUpload | FileTooLarge> => {
  let seen = 0
  const bytes = NodeStream.fromReadable<InvalidUpload, Uint8Array>(() => request, unreadable, { closeOnDone: false })
  return Stream.runForEach(bytes, (chunk): Effect.Effect<void, InvalidUpload | FileTooLarge> => {
    seen += chunk.length
    return seen > most ? tooLarge(limit) : parse(parser, chunk)
  }).pipe(
    Effect.zipRight(Effect.sync(() => parser.end())),
    // If nobody reads, the client waits for ever instead of getting the answer.
    Effect.ensuring(Effect.sync(() => request.resume()))
  )
}

const parse = (parser: BusboyInstance, chunk: Uint8Array): Effect.Effect<void, InvalidUpload> =>
  Effect.async((resume) => {
    try {
      parser.write(chunk, (error) => resume(error ? unreadable(error) : Effect.void))
    } catch (error) {
      resume(unreadable(error))
    }
  })

const unreadable = (cause: unknown): InvalidUpload =>
  new InvalidUpload({
    message: `Cannot read the multipart body: ${cause instanceof Error ? cause.message : String(cause)}.`
  })

const metadataOf = (json: string): Effect.Effect<typeof Metadata.Type, InvalidUpload> =>
  Schema.decodeUnknown(Schema.parseJson(Metadata))(json).pipe(
    Effect.mapError(() => new InvalidUpload({ message: "The field `metadata` is not a JSON object of strings." })),
    Effect.filterOrFail(
      (metadata) => {
        const keys = Object.keys(metadata)
        return keys.length <= mostKeys && keys.every((key) => key.length <= longestKey)
      },
      () =>
        new InvalidUpload({
          message: `The field \`metadata\` may have at most ${mostKeys} keys of at most ${longestKey} characters.`
        })
    )
  )

/** Type and subtype, without parameters. An invalid type is a stream of bytes. */
const mimeTypeOf = (given: string): string => {
  const [essence = ""] = given.toLowerCase().split(";")
  return /^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,64}$/.test(essence.trim()) ? essence.trim() : "application/octet-stream"
}
