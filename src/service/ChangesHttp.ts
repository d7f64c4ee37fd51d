/** HTTP handlers for changes of files. The services decide who may do what. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { type FileDetails, FilesApi, NewText } from "./Api.ts"
import { type About, AuditTrail } from "./AuditTrail.ts"
import { BulkChanges } from "./BulkChanges.ts"
import { announcedOf, bytesOf, jsonBodyOf } from "./ContentBody.ts"
import { ContentChanges } from "./ContentChanges.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { fileTag } from "./FileRow.ts"
import { withApiErrors } from "./failures.ts"
import { Quota, within } from "./Quota.ts"
import { Relocations } from "./Relocations.ts"
import { Reserve } from "./Reserve.ts"
import { Settings } from "./Settings.ts"
import { textTypeOf, utf8Only } from "./TextType.ts"
import { withHeaders } from "./withHeaders.ts"

/** The most bytes of a request that creates a text file: all of it is in memory. */
const longestText = 1024 * 1024

export const changesHttp = HttpApiBuilder.group(
  FilesApi,
  "changes",
  Effect.fnUntraced(function* (handlers) {
    const files = yield* ConversationFiles
    const changes = yield* ContentChanges
    const relocations = yield* Relocations
    const bulk = yield* BulkChanges
    const store = yield* ContentStore
    const { refused } = yield* AuditTrail
    const { mayStore } = yield* Reserve
    const { mayGrow, room } = yield* Quota
    const { maxFileSize } = yield* Settings

    /** Records a problem with the body as a refusal, as for an upload. */
    const refusingBody =
      (action: "change" | "upload", about: About) =>
      <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.tapError(effect, ({ _tag }) => (bodyProblems.has(_tag) ? refused(action, about, _tag) : Effect.void))

    const createText = Effect.fnUntraced(function* (sessionId: string, request: HttpServerRequest.HttpServerRequest) {
      yield* files.mayWrite(sessionId)
      const message = NodeHttpServerRequest.toIncomingMessage(request)
      const { messageId, metadata = {}, mimeType, name, text } = yield* jsonBodyOf(message, NewText, longestText)
      const type = yield* textTypeOf(mimeType, "text/plain")
      const bytes = Buffer.from(text)
      yield* mayStore(bytes.length)
      const received = yield* store.receive(Stream.make(bytes))
      return yield* files.add(sessionId, { received, name, mimeType: type, messageId, metadata })
    })

    const replace = Effect.fnUntraced(function* (
      fileId: string,
      headers: { readonly "if-match"?: string | undefined; readonly "content-type"?: string | undefined },
      request: HttpServerRequest.HttpServerRequest
    ) {
      const conditions = { ifMatch: headers["if-match"], ifNoneMatch: request.headers["if-none-match"] }
      const row = yield* changes.mayReplace(fileId, conditions)
      const mimeType = yield* textTypeOf(headers["content-type"], row.mime_type ?? "")
      const announced = yield* announcedOf(request.headers, maxFileSize)
      yield* mayStore(announced)
      const received = yield* Effect.gen(function* () {
        yield* mayGrow(row.session_id, { files: 0, bytes: announced - row.file_size })
        const quota = yield* room(row.session_id, row.file_size)
        const body = bytesOf(NodeHttpServerRequest.toIncomingMessage(request), maxFileSize)
        return yield* store.receive(within(quota, utf8Only(body)))
      }).pipe(Effect.tapErrorTag("QuotaExceeded", ({ _tag }) => refused("change", { fileId }, _tag)))
      return yield* changes.replace(fileId, conditions, { received, mimeType })
    })

    return handlers
      .handleRaw("createText", ({ path, request }) =>
        withApiErrors(createText(path.sessionId, request)).pipe(
          Effect.scoped,
          refusingBody("upload", { sessionId: path.sessionId }),
          Effect.map(created)
        )
      )
      .handleRaw("replace", ({ headers, path, request }) =>
        withApiErrors(replace(path.fileId, headers, request)).pipe(
          Effect.scoped,
          refusingBody("change", { fileId: path.fileId }),
          Effect.map((file) => HttpServerResponse.unsafeJson(file, { headers: tagOf(file) }))
        )
      )
      .handle("copy", ({ path, payload }) =>
        Effect.tap(withApiErrors(relocations.copy(path.fileId, payload)), (file) => withHeaders(placeOf(file)))
      )
      .handle("move", ({ path, payload }) =>
        Effect.tap(withApiErrors(relocations.move(path.fileId, payload.sessionId)), (file) =>
          withHeaders({ etag: fileTag(file) })
        )
      )
      .handle("deleteFiles", ({ payload }) => bulk.remove(payload.fileIds))
      .handle("restoreFiles", ({ payload }) => bulk.restore(payload.fileIds))
      .handle("destroyFiles", ({ payload }) => bulk.destroy(payload.fileIds))
  })
)

const bodyProblems = new Set(["FileTooLarge", "InvalidUpload", "UnsupportedMediaType"])

const tagOf = ({ sha256 }: FileDetails) => ({ etag: `"${sha256}"` })

/** Where a new file is, and its tag (RFC 9110, 15.3.2). */
const placeOf = (file: FileDetails) => ({ location: `/api/files/${file.fileId}`, etag: fileTag(file) })

const created = (file: FileDetails) => HttpServerResponse.unsafeJson(file, { status: 201, headers: placeOf(file) })
