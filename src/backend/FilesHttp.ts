/** The API's files on the service's: what HTTP has to say about multipart bodies, ranges and headers. */
import type * as Headers from "@effect/platform/Headers"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Multipart from "@effect/platform/Multipart"
import { SqlError } from "@effect/sql/SqlError"
import contentDisposition from "content-disposition"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import parseRange from "range-parser"
import {
  DatabaseBusy,
  DeletedFiles,
  FilesApi,
  FileTooLarge,
  InvalidUpload,
  Metadata,
  RangeNotSatisfiable,
  StorageFull,
  StorageStatistics
} from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { ContentError, ContentStore } from "./ContentStore.ts"
import { ConversationFiles, type NewFile, type ReadableFile } from "./ConversationFiles.ts"
import { retryAfter } from "./retryAfter.ts"
import { Settings } from "./Settings.ts"

/** Every endpoint of `FilesGroup`. */
export const filesHttp = HttpApiBuilder.group(
  FilesApi,
  "files",
  Effect.fnUntraced(function* (handlers) {
    const files = yield* ConversationFiles
    const store = yield* ContentStore
    const audit = yield* AuditTrail
    const { maxFileSize } = yield* Settings

    const upload = Effect.fnUntraced(function* (
      sessionId: string,
      request: HttpServerRequest.HttpServerRequest,
      parts: Stream.Stream<Multipart.Part, Multipart.MultipartError>
    ) {
      yield* answered(files.mayWrite(sessionId))
      // What says beforehand that it is too large need not be read; the rest of a multipart body is small.
      const announced = Number(request.headers["content-length"] ?? 0)
      if (announced > maxFileSize + mostOfTheRest) return yield* tooLarge(maxFileSize)
      const { file, message_id, metadata } = yield* received(store, parts)
      if (file === undefined) return yield* new InvalidUpload({ message: "The part `file` is missing." })
      return yield* stored(
        files.add(sessionId, {
          ...file,
          messageId: message_id,
          metadata: metadata === undefined ? {} : yield* metadataOf(metadata)
        })
      )
    })

    const send = Effect.fnUntraced(function* (
      fileId: string,
      access: "view" | "download",
      request: HttpServerRequest.HttpServerRequest
    ) {
      const { headers } = request
      const readable = yield* answered(files.read(fileId, access, headers["range"]))
      return yield* contentResponse(readable, access, headers).pipe(
        Effect.tapError(({ _tag }) => audit.refused(access, { fileId }, _tag))
      )
    })

    return handlers
      .handle("upload", ({ path, payload, request }) =>
        upload(path.sessionId, request, payload).pipe(
          Effect.scoped,
          Effect.tapError(({ _tag }) =>
            _tag === "InvalidUpload" || _tag === "FileTooLarge"
              ? audit.refused("upload", { sessionId: path.sessionId }, _tag)
              : Effect.void
          )
        )
      )
      .handle("list", ({ path, urlParams }) => answered(files.list(path.sessionId, urlParams)))
      .handle("deleteSession", ({ path }) =>
        Effect.map(answered(files.destroySession(path.sessionId)), (deleted) => new DeletedFiles({ deleted }))
      )
      .handle("audit", ({ path, urlParams }) => answered(files.events(path.sessionId, urlParams)))
      .handle("search", ({ urlParams }) => answered(files.search(urlParams)))
      .handle("details", ({ path }) => answered(files.details(path.fileId)))
      .handleRaw("view", ({ path, request }) => send(path.fileId, "view", request))
      .handleRaw("download", ({ path, request }) => send(path.fileId, "download", request))
      .handle("rename", ({ path, payload }) => answered(files.rename(path.fileId, payload.name)))
      .handle("delete", ({ path }) => answered(files.remove(path.fileId)))
      .handle("restore", ({ path }) => answered(files.restore(path.fileId)))
      .handle("destroy", ({ path }) => answered(files.destroy(path.fileId)))
      .handle("storage", () =>
        Effect.map(
          Effect.all([answered(files.statistics), store.freeBytes]),
          ([statistics, freeBytes]) => new StorageStatistics({ ...statistics, freeBytes })
        )
      )
  })
)

type Failed = SqlError | ContentError
const isFailed = <E>(error: E): error is Extract<E, Failed> =>
  error instanceof SqlError || error instanceof ContentError

/** What nobody who asks can do anything about is a defect, and its cause goes to the log. */
const answered = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.catchIf(work, isFailed<E>, (error: Failed) => (isBusy(error) ? retryAfter(busy()) : Effect.die(error)))

/** The same for what writes contents, where a full disk is an answer. */
const stored = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.catchIf(
    work,
    isFailed<E>,
    (error: Failed): Effect.Effect<never, DatabaseBusy | StorageFull> =>
      isFull(error) ? new StorageFull({ message: "The disk is full." }) : answered(Effect.fail(error))
  )

const sqliteCodeOf = ({ cause }: SqlError): string => (Predicate.hasProperty(cause, "code") ? String(cause.code) : "")

const isBusy = (error: Failed): boolean =>
  error instanceof SqlError && /^SQLITE_(BUSY|LOCKED)/.test(sqliteCodeOf(error))

const isFull = (error: Failed): boolean =>
  error instanceof SqlError ? sqliteCodeOf(error) === "SQLITE_FULL" : error.reason === "Full"

const busy = () =>
  new DatabaseBusy({ retryAfterSeconds: 1, message: "Another process writes to the database at this moment." })

const tooLarge = (limitBytes: number) =>
  new FileTooLarge({ limitBytes, message: `A file may have ${limitBytes} bytes at most.` })

/** Bytes of a multipart body besides the file: its other fields and the lines between. */
const mostOfTheRest = 1024 * 1024

interface Form {
  readonly file: Omit<NewFile, "messageId" | "metadata"> | undefined
  readonly message_id: string | undefined
  readonly metadata: string | undefined
}

/** Reads all parts in the order in which they come; the file goes to the disk on its way. */
const received = Effect.fnUntraced(function* (
  store: ContentStore["Type"],
  parts: Stream.Stream<Multipart.Part, Multipart.MultipartError>
) {
  let form: Form = { file: undefined, message_id: undefined, metadata: undefined }
  let isOneFile = true
  const take = Effect.fnUntraced(function* (part: Multipart.Part) {
    if (part._tag === "Field") {
      if (part.key === "message_id" || part.key === "metadata") form = { ...form, [part.key]: part.value }
      return
    }
    isOneFile = isOneFile && part.key === "file" && form.file === undefined
    const received = yield* stored(store.receive(part.content))
    form = { ...form, file: { received, name: part.name, mimeType: mimeTypeOf(part.contentType) } }
  })
  yield* Effect.mapError(Stream.runForEach(parts, take), (error) =>
    error._tag === "MultipartError"
      ? new InvalidUpload({ message: `The multipart body cannot be read: ${error.reason}.` })
      : error
  )
  if (!isOneFile) return yield* new InvalidUpload({ message: "One part `file` is expected, and no other file." })
  return form
})

const metadataOf = (json: string): Effect.Effect<typeof Metadata.Type, InvalidUpload> =>
  Effect.mapError(
    Schema.decodeUnknown(Schema.parseJson(Metadata))(json),
    () => new InvalidUpload({ message: "The field `metadata` is not a JSON object of strings." })
  )

/** Type and subtype, without parameters; what is none is a stream of bytes. */
const mimeTypeOf = (given: string): string => {
  const [essence = ""] = given.toLowerCase().split(";")
  return /^[a-z0-9.+-]{1,64}\/[a-z0-9.+-]{1,64}$/.test(essence.trim()) ? essence.trim() : "application/octet-stream"
}

/** What a browser may show without running anything; other text is shown as plain text, the rest is saved. */
const isShown = (mimeType: string): boolean =>
  /^(image\/(png|jpeg|gif|webp|avif)|audio\/.+|video\/.+|application\/(json|pdf))$/.test(mimeType)

const headersOf = ({ file: { mimeType, name, sha256 } }: ReadableFile, access: "view" | "download") => {
  const isText = mimeType.startsWith("text/")
  const type = access === "view" && (isShown(mimeType) || isText) ? "inline" : "attachment"
  return {
    "accept-ranges": "bytes",
    "cache-control": "private, no-cache",
    "content-disposition": contentDisposition(name, { type }),
    // Even what is shown runs nothing and loads nothing.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "content-type": isText && type === "inline" ? "text/plain; charset=utf-8" : mimeType,
    "cross-origin-resource-policy": "same-origin",
    etag: etagOf(sha256)
  }
}

const etagOf = (sha256: string): string => `"${sha256}"`

/** The whole, the part that is asked for, or that it is still the same (RFC 9110, 13 and 14). */
const contentResponse = Effect.fnUntraced(function* (
  readable: ReadableFile,
  access: "view" | "download",
  request: Headers.Headers
) {
  const { file, path } = readable
  const headers = headersOf(readable, access)
  const sameAs = request["if-none-match"]?.split(",").map((tag) => tag.trim().replace(/^W\//, ""))
  if (sameAs?.some((tag) => tag === headers.etag || tag === "*")) {
    return HttpServerResponse.empty({ status: 304, headers })
  }
  const isRangeOfThis = request["if-range"] === undefined || request["if-range"] === headers.etag
  const range = isRangeOfThis ? rangeOf(file.size, request["range"]) : undefined
  if (range === "unsatisfiable") {
    yield* HttpApp.appendPreResponseHandler((_, response) =>
      Effect.succeed(HttpServerResponse.setHeader(response, "content-range", `bytes */${file.size}`))
    )
    return yield* new RangeNotSatisfiable({ size: file.size, message: `The file has ${file.size} bytes.` })
  }
  const response = yield* Effect.orDie(
    HttpServerResponse.file(
      path,
      range === undefined ? {} : { status: 206, offset: range.start, bytesToRead: range.end - range.start + 1 }
    )
  )
  return HttpServerResponse.setHeaders(
    response,
    range === undefined ? headers : { ...headers, "content-range": `bytes ${range.start}-${range.end}/${file.size}` }
  )
})

/** One range; for several at once, as for what is none, the whole is sent, which is allowed (RFC 9110, 14.2). */
const rangeOf = (size: number, header: string | undefined): parseRange.Range | "unsatisfiable" | undefined => {
  const ranges = header === undefined ? undefined : parseRange(size, header, { combine: true })
  if (ranges === -1) return "unsatisfiable"
  if (ranges === undefined || ranges === -2 || ranges.type !== "bytes" || ranges.length !== 1) return undefined
  return ranges[0]
}
