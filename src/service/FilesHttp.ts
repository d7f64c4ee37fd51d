/** HTTP handlers for files. Who may do what is decided by the services; here is what HTTP makes of it. */
import type * as Headers from "@effect/platform/Headers"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApp from "@effect/platform/HttpApp"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import * as Effect from "effect/Effect"
import { type ConversationFile, type FilePage, FilesApi } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { contentResponse } from "./ContentResponse.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { Deletions } from "./Deletions.ts"
import { fileTag } from "./FileRow.ts"
import { answered } from "./failures.ts"
import { keptUnchanged } from "./keptUnchanged.ts"
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
    const kept = yield* keptUnchanged

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
      const readable = yield* answered(files.read(fileId, access))
      return yield* contentResponse(readable, access, request).pipe(
        Effect.tapError(({ _tag }) => audit.refused(access, { fileId }, _tag))
      )
    })

    return handlers
      .handle("upload", ({ path, request }) =>
        answered(upload(path.sessionId, request)).pipe(
          Effect.scoped,
          Effect.tap((file) => withHeaders({ location: `/api/files/${file.fileId}`, etag: fileTag(file) }))
        )
      )
      .handleRaw("list", ({ path, urlParams }) =>
        kept(Effect.map(answered(files.list(path.sessionId, urlParams)), asIs))
      )
      .handleRaw("search", ({ urlParams }) => kept(Effect.map(answered(files.search(urlParams)), asIs)))
      .handle("details", ({ path }) => kept(Effect.tap(answered(files.details(path.fileId)), tagged)))
      .handleRaw("view", ({ path, request }) => send(path.fileId, "view", request))
      .handleRaw("download", ({ path, request }) => send(path.fileId, "download", request))
      .handle("rename", ({ path, payload }) => Effect.tap(answered(files.rename(path.fileId, payload.name)), tagged))
      .handle("expire", ({ path, payload }) =>
        Effect.tap(answered(freeing(deletions.expire(path.fileId, payload.expiresAt))), tagged)
      )
      .handle("delete", ({ path }) => Effect.tap(answered(freeing(deletions.remove(path.fileId))), tagged))
      .handle("restore", ({ path }) => Effect.tap(answered(freeing(deletions.restore(path.fileId))), tagged))
      .handle("destroy", ({ path }) => answered(freeing(deletions.destroy(path.fileId))))
  })
)

const tagged = (file: ConversationFile) => withHeaders({ etag: fileTag(file) })

const withHeaders = (headers: Headers.Input) =>
  HttpApp.appendPreResponseHandler((_, response) => Effect.succeed(HttpServerResponse.setHeaders(response, headers)))

/** A page's fields are their own encoding; to say so by its schema takes two thirds of the time of a list. */
const asIs = (page: FilePage) => HttpServerResponse.unsafeJson(page)
