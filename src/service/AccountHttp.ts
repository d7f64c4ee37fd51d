/** HTTP handlers for the user's own account. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import { CurrentUser, FilesApi, Me, StorageStatistics } from "./Api.ts"
import { CleanupList } from "./CleanupList.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { withApiErrors } from "./failures.ts"
import { Quota } from "./Quota.ts"
import { Settings } from "./Settings.ts"

export const accountHttp = HttpApiBuilder.group(
  FilesApi,
  "account",
  Effect.fnUntraced(function* (handlers) {
    const cleanups = yield* CleanupList
    const files = yield* ConversationFiles
    const quota = yield* Quota
    const store = yield* ContentStore
    const { maxFileSize } = yield* Settings

    return handlers
      .handle("me", () =>
        Effect.zipWith(CurrentUser, withApiErrors(quota.own), (user, own) => new Me({ ...user, ...own, maxFileSize }))
      )
      .handle("cleanups", ({ urlParams }) => withApiErrors(cleanups.page(urlParams)))
      .handle("storage", () =>
        Effect.map(
          Effect.all([withApiErrors(files.statistics), store.diskSpace]),
          ([statistics, space]) => new StorageStatistics({ ...statistics, freeBytes: space?.free ?? null })
        )
      )
  })
)
