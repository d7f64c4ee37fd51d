/** The API's files on the service's: who may do what is theirs to say, what HTTP makes of it is said here. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { DatabaseBusy, DeletedFiles, type FilePage, FilesApi, StorageFull, StorageStatistics } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { contentResponse } from "./ContentResponse.ts"
import { ContentError, ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { retryAfter } from "./retryAfter.ts"
import { Settings } from "./Settings.ts"
import { uploadForm } from "./UploadForm.ts"

/** Every endpoint of `FilesGroup`. */
export const filesHttp = HttpApiBuilder.group(
  FilesApi,
  "files",
  Effect.fnUntraced(function* (handlers) {
    const files = yield* ConversationFiles
    const store = yield* ContentStore
    const audit = yield* AuditTrail
    const { maxFileSize } = yield* Settings

    const upload = Effect.fnUntraced(function* (sessionId: string, request: HttpServerRequest.HttpServerRequest) {
      yield* answered(files.mayWrite(sessionId))
      const form = uploadForm(NodeHttpServerRequest.toIncomingMessage(request), store.receive, maxFileSize)
      return yield* stored(Effect.flatMap(form, (file) => files.add(sessionId, file)))
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
      .handle("upload", ({ path, request }) =>
        upload(path.sessionId, request).pipe(
          Effect.scoped,
          Effect.tapError(({ _tag }) =>
            _tag === "InvalidUpload" || _tag === "FileTooLarge"
              ? audit.refused("upload", { sessionId: path.sessionId }, _tag)
              : Effect.void
          )
        )
      )
      .handleRaw("list", ({ path, urlParams }) => Effect.map(answered(files.list(path.sessionId, urlParams)), asIs))
      .handle("deleteSession", ({ path }) =>
        Effect.map(answered(files.destroySession(path.sessionId)), (deleted) => new DeletedFiles({ deleted }))
      )
      .handle("audit", ({ path, urlParams }) => answered(files.events(path.sessionId, urlParams)))
      .handleRaw("search", ({ urlParams }) => Effect.map(answered(files.search(urlParams)), asIs))
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

/** A page's fields are their own encoding; to say so by its schema takes two thirds of the time of a list. */
const asIs = (page: FilePage) => HttpServerResponse.unsafeJson(page)

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
