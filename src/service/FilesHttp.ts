/** HTTP handlers for files. The services decide who may do what; this file maps it to HTTP. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import { type ConversationFile, type FileDetails, type FilePage, FilesApi } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { announcedOf } from "./ContentBody.ts"
import { contentResponse } from "./ContentResponse.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { Deletions } from "./Deletions.ts"
import { fileTag } from "./FileRow.ts"
import { withApiErrors } from "./failures.ts"
import type { Arrival } from "./Incoming.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { keptUnchanged } from "./keptUnchanged.ts"
import { Quota } from "./Quota.ts"
import { Reserve } from "./Reserve.ts"
import { Settings } from "./Settings.ts"
import { mostOfTheRest, uploadForm } from "./UploadForm.ts"
import { withHeaders } from "./withHeaders.ts"

export const filesHttp = HttpApiBuilder.group(
  FilesApi,
  "files",
  Effect.fnUntraced(function* (handlers) {
    const files = yield* ConversationFiles
    const deletions = yield* Deletions
    const store = yield* ContentStore
    const audit = yield* AuditTrail
    const { freeing, mayStore } = yield* Reserve
    const { mayGrow, room } = yield* Quota
    const { maxFileSize } = yield* Settings
    const kept = yield* keptUnchanged
    const keptAnswers = yield* KeptAnswers

    const upload = Effect.fnUntraced(function* (sessionId: string, request: HttpServerRequest.HttpServerRequest) {
      yield* files.mayWrite(sessionId)
      const announced = yield* announcedOf(request.headers, maxFileSize, maxFileSize + mostOfTheRest).pipe(
        Effect.tapError(({ _tag }) => audit.refused("upload", { sessionId }, _tag))
      )
      yield* mayStore(announced)
      const formOf = Effect.fnUntraced(function* (arrival: Arrival) {
        yield* mayGrow(sessionId, { files: 1, bytes: announced - mostOfTheRest })
        const limits = { maxFileSize, room: yield* room(sessionId) }
        return yield* uploadForm(NodeHttpServerRequest.toIncomingMessage(request), arrival, limits)
      })
      return yield* store.withArrival((arrival) =>
        formOf(arrival).pipe(
          Effect.tapError(({ _tag }) => audit.refused("upload", { sessionId }, _tag)),
          Effect.flatMap((file) => files.add(sessionId, file))
        )
      )
    })

    const send = Effect.fnUntraced(function* (
      fileId: string,
      access: "view" | "download",
      request: HttpServerRequest.HttpServerRequest
    ) {
      const readable = yield* withApiErrors(files.read(fileId, access))
      return yield* contentResponse(readable, access, request, keptAnswers).pipe(
        Effect.tapError(({ _tag }) => audit.refused(access, { fileId }, _tag))
      )
    })

    return handlers
      .handleRaw("upload", ({ path, request }) => Effect.map(withApiErrors(upload(path.sessionId, request)), created))
      .handleRaw("list", ({ path, urlParams }) =>
        kept(Effect.map(withApiErrors(files.list(path.sessionId, urlParams)), asIs))
      )
      .handleRaw("search", ({ urlParams }) => kept(Effect.map(withApiErrors(files.search(urlParams)), asIs)))
      .handle("details", ({ path }) => kept(Effect.tap(withApiErrors(files.details(path.fileId)), withTag)))
      .handleRaw("view", ({ path, request }) => send(path.fileId, "view", request))
      .handleRaw("download", ({ path, request }) => send(path.fileId, "download", request))
      .handle("rename", ({ path, payload }) =>
        Effect.tap(withApiErrors(files.rename(path.fileId, payload.name)), withTag)
      )
      .handle("expire", ({ path, payload }) =>
        Effect.tap(withApiErrors(freeing(deletions.expire(path.fileId, payload.expiresAt))), withTag)
      )
      .handle("delete", ({ path }) => Effect.tap(withApiErrors(freeing(deletions.remove(path.fileId))), withTag))
      .handle("restore", ({ path }) => Effect.tap(withApiErrors(freeing(deletions.restore(path.fileId))), withTag))
      .handle("destroy", ({ path }) => withApiErrors(freeing(deletions.destroy(path.fileId))))
  })
)

const withTag = (file: ConversationFile) => withHeaders({ etag: fileTag(file) })

/** Its fields were just checked. Encoding them by the schema would check them again. */
const created = (file: FileDetails) =>
  HttpServerResponse.unsafeJson(file, {
    status: 201,
    headers: { location: `/api/files/${file.fileId}`, etag: fileTag(file) }
  })

/** The fields of a page encode themselves. Encoding them by the schema would take two thirds of the time of a list. */
const asIs = (page: FilePage) => HttpServerResponse.unsafeJson(page)
