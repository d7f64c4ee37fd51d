/** HTTP handlers for sessions. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { DeletedFiles, FilesApi } from "./Api.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { Deletions } from "./Deletions.ts"
import { withApiErrors } from "./failures.ts"
import { keptUnchanged } from "./keptUnchanged.ts"
import { Reserve } from "./Reserve.ts"
import { SessionList } from "./SessionList.ts"
import { Sessions } from "./Sessions.ts"

export const sessionsHttp = HttpApiBuilder.group(
  FilesApi,
  "sessions",
  Effect.fnUntraced(function* (handlers) {
    const files = yield* ConversationFiles
    const deletions = yield* Deletions
    const sessions = yield* Sessions
    const list = yield* SessionList
    const { freeing } = yield* Reserve
    const kept = yield* keptUnchanged

    return handlers
      .handle("list", ({ urlParams }) => kept(withApiErrors(list.page(urlParams))))
      .handle("get", ({ path }) => kept(withApiErrors(sessions.state(path.sessionId))))
      .handle("end", ({ path }) => withApiErrors(freeing(sessions.end(path.sessionId))))
      .handle("reopen", ({ path }) => withApiErrors(sessions.reopen(path.sessionId)))
      .handle("give", ({ path, payload }) => withApiErrors(sessions.giveTo(path.sessionId, payload.owner)))
      .handle("audit", ({ path, urlParams }) => withApiErrors(files.events(path.sessionId, urlParams)))
      .handle("deleteFiles", ({ path }) =>
        Effect.map(withApiErrors(freeing(deletions.destroySession(path.sessionId))), (some) =>
          HttpServerResponse.unsafeJson(new DeletedFiles(some), { status: some.remaining === 0 ? 200 : 202 })
        )
      )
  })
)
