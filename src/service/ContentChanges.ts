/**
 * Replaces a content in place. The old content stays until the row is committed, and is deleted afterwards if no other
 * file has it. So the row always has one of the two, whole.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  CurrentUser,
  type FileDeleted,
  type FileDetails,
  type FileNotFound,
  type Forbidden,
  type PreconditionFailed,
  type PreconditionRequired,
  type QuotaExceeded,
  type SessionEnded
} from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import type { ContentError } from "./ContentError.ts"
import { ContentStore } from "./ContentStore.ts"
import { passageRemoval } from "./context/removal.ts"
import type { Database } from "./Database.ts"
import { Discarding } from "./Discarding.ts"
import { type FileRow, requireNotDeleted, timestampNow } from "./FileRow.ts"
import type { Received } from "./Incoming.ts"
import { Keeping } from "./Keeping.ts"
import { type Conditions, requireMatch } from "./Preconditions.ts"
import { Quota } from "./Quota.ts"
import { Rows } from "./Rows.ts"
import { Sessions } from "./Sessions.ts"

type Refused =
  | FileDeleted
  | FileNotFound
  | Forbidden
  | PreconditionFailed
  | PreconditionRequired
  | SessionEnded
  | SqlError

export class ContentChanges extends Context.Tag("conversation-files/ContentChanges")<
  ContentChanges,
  {
    /** Returns the row, or fails if the content may not be replaced. Ask before reading the new content. */
    readonly mayReplace: (fileId: string, conditions: Conditions) => Effect.Effect<FileRow, Refused, CurrentUser>
    /** Of several calls with the same `If-Match` one succeeds: it is checked again under the write lock. */
    readonly replace: (
      fileId: string,
      conditions: Conditions,
      content: { readonly received: Received; readonly mimeType: string }
    ) => Effect.Effect<FileDetails, Refused | QuotaExceeded | ContentError, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<
    ContentChanges,
    never,
    AuditTrail | ContentStore | Database | Discarding | Keeping | Quota | Rows | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    ContentChanges,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { relativePathOf } = yield* ContentStore
      const { audited } = yield* AuditTrail
      const { discard } = yield* Discarding
      const { detailsOf, found, logChange } = yield* Rows
      const { mayGrow } = yield* Quota
      const { mayAdd } = yield* Sessions
      const { writeKeeping } = yield* Keeping
      const removePassages = yield* passageRemoval

      const replaceable = (fileId: string, conditions: Conditions) =>
        found(fileId).pipe(
          Effect.flatMap(requireNotDeleted),
          Effect.tap((row) => mayAdd(row.session_id)),
          Effect.tap((row) => requireMatch(row, conditions))
        )

      return {
        mayReplace: (fileId, conditions) => replaceable(fileId, conditions).pipe(audited("change", { fileId })),

        replace: (fileId, conditions, { mimeType, received }) =>
          writeKeeping(
            received,
            Effect.gen(function* () {
              const before = yield* replaceable(fileId, conditions)
              yield* mayGrow(before.session_id, { files: 0, bytes: received.size - before.file_size })
              const { name } = yield* CurrentUser
              const at = yield* timestampNow
              if (before.file_hash !== received.sha256) yield* removePassages(fileId)
              // Who stored this content, and when: `Last-Modified` tells the time. The trail has the earlier values.
              yield* sql`UPDATE conversation_files SET ${sql.update({
                stored_filename: `${fileId}-${received.sha256}`,
                file_path: relativePathOf(received.sha256),
                file_size: received.size,
                file_hash: received.sha256,
                mime_type: mimeType,
                uploaded_at: at,
                uploaded_by: name
              })} WHERE file_id = ${fileId}`
              yield* logChange(fileId, name, {
                file_size: received.size,
                mime_type: mimeType,
                from: before.file_hash,
                to: received.sha256
              })
              return { before, after: yield* Effect.flatMap(found(fileId), detailsOf) }
            })
          ).pipe(
            audited("change", { fileId }),
            Effect.tap(({ before }) =>
              before.file_hash === received.sha256 ? Effect.void : discard([before.file_hash])
            ),
            Effect.map(({ after }) => after),
            Effect.withSpan("conversation-files.replace", { attributes: { fileId, size: received.size } })
          )
      }
    })
  )
}
