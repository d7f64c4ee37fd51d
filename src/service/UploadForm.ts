/**
 * Reads a multipart body with one file, in the order of its parts; the file goes straight to the disk. Parsed by
 * Busboy: the platform's own parser does not know names beyond Latin-1, and throws at some.
 */
import type { IncomingMessage } from "node:http"
import { Busboy, type BusboyFileStream, type BusboyInstance } from "@fastify/busboy"
import * as Effect from "effect/Effect"
import { type FileTooLarge, InvalidUpload, type QuotaExceeded, tooLarge, UnsupportedMediaType } from "./Api.ts"
import type { ContentError } from "./ContentError.ts"
import type { NewFile } from "./FileInsertion.ts"
import type { Arrival, Received } from "./Incoming.ts"
import { metadataOf } from "./metadataOf.ts"
import type { Room } from "./Quota.ts"

/** Bytes of a multipart body besides the file: its other fields and the lines between. */
export const mostOfTheRest = 1024 * 1024

const mostParts = 8

/** Bytes of one field. */
const longestField = 65_536

/** Bytes that the parser may hold back before the request waits for it. */
const mostUnparsed = 128 * 1024

/** Why a form is refused. */
type Refusal = FileTooLarge | InvalidUpload | QuotaExceeded | UnsupportedMediaType | ContentError

/** What the parser has found. */
interface Found {
  readonly received: Received
  readonly name: string
  readonly mimeType: string
  readonly fields: { readonly message_id?: string; readonly metadata?: string }
}

interface Limits {
  /** Bytes of a file. */
  readonly maxFileSize: number
  /** What the quota leaves; undefined is any length. */
  readonly room: Room | undefined
}

/**
 * Receives the form of a request. A body is read up to twice the limit of its file, so that a client that reads the
 * answer only at its end gets it.
 */
export const uploadForm = Effect.fnUntraced(function* (request: IncomingMessage, arrival: Arrival, limits: Limits) {
  if (!/^multipart\/form-data *(;|$)/i.test(request.headers["content-type"] ?? "")) return yield* noForm
  const { fields, ...file } = yield* read(request, yield* parserOf(request), arrival, limits)
  const form: NewFile = {
    ...file,
    messageId: fields.message_id,
    metadata: fields.metadata === undefined ? {} : yield* metadataOf(fields.metadata)
  }
  return form
})

const noForm = new UnsupportedMediaType({
  accept: "multipart/form-data",
  message: "Send the body as multipart/form-data."
})

const parserOf = ({ headers }: IncomingMessage): Effect.Effect<BusboyInstance, InvalidUpload> =>
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
  })

/**
 * Parses the body as it arrives, no faster than the disk takes the file. One effect around all of it, not one per
 * chunk. Any fault of the body ends the reading at once.
 */
const read = (
  request: IncomingMessage,
  parser: BusboyInstance,
  arrival: Arrival,
  { maxFileSize, room }: Limits
): Effect.Effect<Found, Refusal> =>
  Effect.async((resume) => {
    const fields: { message_id?: string; metadata?: string } = {}
    let isOver = false
    let seen = 0
    let files = 0
    let fileBytes = 0
    let file: { readonly name: string; readonly mimeType: string } | undefined
    let received: Received | undefined
    let isParsed = false
    /** What the request waits for: parsed chunks, and a slow disk. */
    let waits = 0

    const stop = () => {
      isOver = true
      request.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose)
      parser.destroy()
      // If nobody reads, the client waits for ever instead of getting the answer.
      request.on("error", () => undefined).resume()
    }
    const finish = (result: Effect.Effect<Found, Refusal>) => {
      if (isOver) return
      stop()
      resume(result)
    }
    const fail = (error: Refusal) => finish(Effect.fail(error))
    const wrong = (message: string) => fail(new InvalidUpload({ message }))
    const finishIfWhole = () => {
      if (file !== undefined && received !== undefined && isParsed) {
        finish(Effect.succeed({ ...file, received, fields }))
      }
    }

    const wait = () => {
      waits += 1
      request.pause()
    }
    const goOn = () => {
      waits -= 1
      if (waits === 0 && !isOver) request.resume()
    }
    const onParsed = () => {
      if (parser.writableLength <= mostUnparsed) {
        parser.off("drain", onParsed)
        goOn()
      }
    }

    const takeFile = (stream: BusboyFileStream) => {
      arrival.begin()
      stream.on("data", (chunk: Buffer) => {
        if (isOver) return
        fileBytes += chunk.length
        if (room !== undefined && fileBytes > room.bytes) return fail(room.refusal)
        const full = arrival.take(chunk)
        if (full === undefined) return
        wait()
        full.then(goOn, (cause) => fail(arrival.refusalOf(cause)))
      })
      stream.on("end", () => {
        if (isOver) return
        arrival.end().then(
          (whole) => {
            received = whole
            finishIfWhole()
          },
          (cause) => fail(arrival.refusalOf(cause))
        )
      })
    }

    parser
      .on("file", (key: string, stream: BusboyFileStream, name: string | undefined, _encoding, type: string) => {
        // It fails together with the parser, which is handled below.
        stream.on("error", () => undefined)
        files += 1
        if (key !== "file" || files > 1) return wrong("Send one part `file`, and no other file.")
        file = { name: name ?? "", mimeType: mimeTypeOf(type) }
        takeFile(stream)
      })
      .on("field", (key, value, _nameTruncated, isTruncated) => {
        if (isTruncated) return wrong(`A field may have ${longestField} bytes at most.`)
        if (key === "message_id" || key === "metadata") fields[key] = value
      })
      .on("partsLimit", () => wrong(`A body may have ${mostParts} parts at most.`))
      .on("error", (error) => fail(unreadable(error)))
      .on("finish", () => {
        if (files === 0) return wrong("The part `file` is missing.")
        isParsed = true
        finishIfWhole()
      })

    const parse = (work: () => void) => {
      try {
        work()
      } catch (error) {
        fail(unreadable(error))
      }
    }
    const onData = (chunk: Buffer) => {
      seen += chunk.length
      if (seen > 2 * maxFileSize + mostOfTheRest) return fail(tooLarge(maxFileSize))
      parse(() => {
        parser.write(chunk)
        if (isOver || parser.writableLength <= mostUnparsed) return
        wait()
        parser.on("drain", onParsed)
      })
    }
    const onEnd = () => parse(() => parser.end())
    const onError = (error: unknown) => fail(unreadable(error))
    const onClose = () => {
      if (!request.readableEnded) fail(unreadable(new Error("The connection ended")))
    }
    request.on("end", onEnd).on("error", onError).on("close", onClose).on("data", onData)
    return Effect.sync(stop)
  })

const unreadable = (cause: unknown): InvalidUpload =>
  new InvalidUpload({
    message: `Cannot read the multipart body: ${cause instanceof Error ? cause.message : String(cause)}.`
  })

/** Type and subtype, without parameters. An invalid type is a stream of bytes. */
const mimeTypeOf = (given: string): string => {
  const [essence = ""] = given.toLowerCase().split(";")
  return /^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,64}$/.test(essence.trim()) ? essence.trim() : "application/octet-stream"
}
