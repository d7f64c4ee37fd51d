/** HTTP handlers for files. Who may do what is decided by the services; here is what HTTP makes of it. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import { type FilePage, FilesApi } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { contentResponse } from "./ContentResponse.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { Deletions } from "./Deletions.ts"
import { answered } from "./failures.ts"
import { Quota, within } from "./Quota.ts"
import { Reserve } from "./Reserve.ts"
import { Settings } from "./Settings.ts"
import { mostOfTheRest, type Receive, uploadForm } from "./UploadForm.ts"

/** Every endpoint of `FilesGroup`. */
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

    const upload = Effect.fnUntraced(function* (sessionId: string, request: HttpServerRequest.HttpServerRequest) {
      yield* files.mayWrite(sessionId)
      const announced = Number(request.headers["content-length"] ?? 0)
      yield* mayStore(announced)
      const form = Effect.gen(function* () {
        yield* mayGrow(sessionId, { files: 1, bytes: announced - mostOfTheRest })
        const quota = yield* room(sessionId)
        const receive: Receive = (content) => store.receive(within(quota, content))
        return yield* uploadForm(NodeHttpServerRequest.toIncomingMessage(request), receive, maxFileSize)
      })
      const received = Effect.tapError(form, ({ _tag }) => audit.refused("upload", { sessionId }, _tag))
      return yield* Effect.flatMap(received, (file) => files.add(sessionId, file))
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
      .handle("upload", ({ path, request }) => Effect.scoped(answered(upload(path.sessionId, request))))
      .handleRaw("list", ({ path, urlParams }) => Effect.map(answered(files.list(path.sessionId, urlParams)), asIs))
      .handleRaw("search", ({ urlParams }) => Effect.map(answered(files.search(urlParams)), asIs))
      .handle("details", ({ path }) => answered(files.details(path.fileId)))
      .handleRaw("view", ({ path, request }) => send(path.fileId, "view", request))
      .handleRaw("download", ({ path, request }) => send(path.fileId, "download", request))
      .handle("rename", ({ path, payload }) => answered(files.rename(path.fileId, payload.name)))
      .handle("expire", ({ path, payload }) => answered(freeing(deletions.expire(path.fileId, payload.expiresAt))))
      .handle("delete", ({ path }) => answered(freeing(deletions.remove(path.fileId))))
      .handle("restore", ({ path }) => answered(freeing(deletions.restore(path.fileId))))
      .handle("destroy", ({ path }) => answered(freeing(deletions.destroy(path.fileId))))
  })
)

/** A page's fields are their own encoding; to say so by its schema takes two thirds of the time of a list. */
const asIs = (page: FilePage) => HttpServerResponse.unsafeJson(page)
