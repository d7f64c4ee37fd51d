/** HTTP handlers for sessions. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { DeletedFiles, FilesApi } from "./Api.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { Deletions } from "./Deletions.ts"
import { answered } from "./failures.ts"
import { keptUnchanged } from "./keptUnchanged.ts"
import { Reserve } from "./Reserve.ts"
import { SessionList } from "./SessionList.ts"
import { Sessions } from "./Sessions.ts"

/** Every endpoint of `SessionsGroup`. */
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
      .handle("list", ({ urlParams }) => kept(answered(list.page(urlParams))))
      .handle("get", ({ path }) => kept(answered(sessions.state(path.sessionId))))
      .handle("end", ({ path }) => answered(freeing(sessions.end(path.sessionId))))
      .handle("reopen", ({ path }) => answered(sessions.reopen(path.sessionId)))
      .handle("give", ({ path, payload }) => answered(sessions.giveTo(path.sessionId, payload.owner)))
      .handle("audit", ({ path, urlParams }) => answered(files.events(path.sessionId, urlParams)))
      .handle("deleteFiles", ({ path }) =>
        Effect.map(
          answered(freeing(deletions.destroySession(path.sessionId))),
          (deleted) => new DeletedFiles({ deleted })
        )
      )
  })
)
