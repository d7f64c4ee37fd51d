/** HTTP handlers for what is the user's. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { CurrentUser, FilesApi, Me, StorageStatistics } from "./Api.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { answered } from "./failures.ts"

/** Every endpoint of `AccountGroup`. */
export const accountHttp = HttpApiBuilder.group(
  FilesApi,
  "account",
  Effect.fnUntraced(function* (handlers) {
    const files = yield* ConversationFiles
    const sql = yield* SqlClient.SqlClient
    const store = yield* ContentStore

    const me = Effect.gen(function* () {
      const user = yield* CurrentUser
      const [usage] = yield* sql<Me["usage"]>`
        SELECT files + deleted_files AS files, bytes + deleted_bytes AS bytes FROM owner_usage WHERE owner = ${user.name}`
      return new Me({ ...user, usage: usage ?? { files: 0, bytes: 0 }, quota: { files: null, bytes: null } })
    })

    return handlers
      .handle("me", () => answered(me))
      .handle("storage", () =>
        Effect.map(
          Effect.all([answered(files.statistics), store.freeBytes]),
          ([statistics, freeBytes]) => new StorageStatistics({ ...statistics, freeBytes })
        )
      )
  })
)
