/** Copies or moves files to another session. A copy shares the content, so no bytes are written. */
import { createHash, randomUUID } from "node:crypto"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  type ContentLost,
  type ConversationFile,
  CurrentUser,
  type FileDeleted,
  type FileDetails,
  type FileNotFound,
  type Forbidden,
  type InvalidFileName,
  type PreconditionFailed,
  type QuotaExceeded,
  type SessionEnded
} from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { ContentError } from "./ContentError.ts"
import type { ContentFaults } from "./ContentFaults.ts"
import { ContentStore } from "./ContentStore.ts"
import { passageRemoval } from "./context/removal.ts"
import { Database } from "./Database.ts"
import { DeletionRows } from "./DeletionRows.ts"
import { fileNameOf } from "./FileName.ts"
import { type FileRow, fileOf, requireNotDeleted, timestampNow } from "./FileRow.ts"
import { requireUnchanged } from "./Preconditions.ts"
import { Quota } from "./Quota.ts"
import { rowContent } from "./RowContent.ts"
import { Rows } from "./Rows.ts"
import { Sessions } from "./Sessions.ts"

type Refused = FileDeleted | FileNotFound | Forbidden | PreconditionFailed | QuotaExceeded | SessionEnded | SqlError

type Copied = Effect.Effect<FileDetails, Refused | ContentError | ContentLost | InvalidFileName, CurrentUser>

export class Relocations extends Context.Tag("conversation-files/Relocations")<
  Relocations,
  {
    /** A new file with the same content and metadata, under the same name unless another one is given. */
    readonly copy: (fileId: string, to: { readonly sessionId: string; readonly name?: string | undefined }) => Copied
    /** Moves the file to another session. It may leave a session that has ended, which saves it from deletion. */
    readonly move: (fileId: string, sessionId: string) => Effect.Effect<ConversationFile, Refused, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<
    Relocations,
    never,
    AuditTrail | ContentFaults | ContentStore | Database | DeletionRows | Quota | Rows | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    Relocations,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const { done, audited } = yield* AuditTrail
      const { relativePathOf, sizeOf } = yield* ContentStore
      const { releaseIfOver } = yield* DeletionRows
      const { detailsOf, found } = yield* Rows
      const { mayGrow } = yield* Quota
      const { claim, mayAdd } = yield* Sessions
      const { lost, open, unsafeDisproven } = yield* rowContent
      const removePassages = yield* passageRemoval

      const relocatable = (fileId: string) =>
        found(fileId).pipe(Effect.flatMap(requireNotDeleted), Effect.flatMap(requireUnchanged))

      /** Proves that the content is intact, as an upload does, before another file relies on it. */
      const prove = (row: FileRow) =>
        open(row).pipe(
          Effect.flatMap((content) =>
            Effect.filterOrFail(
              digestOf(content.file, row.file_hash),
              (digest) => digest === row.file_hash,
              () => unsafeDisproven(row, content)
            )
          ),
          Effect.scoped
        )

      const insertCopy = Effect.fnUntraced(function* (
        row: FileRow,
        { name, sessionId }: { readonly name: string; readonly sessionId: string }
      ) {
        const user = yield* CurrentUser
        const at = yield* timestampNow
        const fileId = randomUUID()
        yield* mayAdd(sessionId)
        yield* mayGrow(sessionId, { files: 1, bytes: row.file_size })
        yield* claim(sessionId)
        if ((yield* sizeOf(row.file_hash)) !== row.file_size) return yield* lost(row, "missing")
        yield* sql`INSERT INTO conversation_files ${sql.insert({
          file_id: fileId,
          session_id: sessionId,
          original_filename: name,
          stored_filename: `${fileId}-${row.file_hash}`,
          file_path: relativePathOf(row.file_hash),
          file_size: row.file_size,
          file_hash: row.file_hash,
          mime_type: row.mime_type,
          uploaded_at: at,
          uploaded_by: user.name
        })}`
        yield* sql`INSERT INTO session_file_associations (session_id, file_id, associated_at)
          VALUES (${sessionId}, ${fileId}, ${at})`
        yield* sql`INSERT INTO file_metadata (file_id, metadata_key, metadata_value, created_at)
          SELECT ${fileId}, metadata_key, metadata_value, ${at} FROM file_metadata
          WHERE file_id = ${row.file_id} ORDER BY metadata_id`
        // The new file has an event of its own: an upload, by a trigger.
        yield* done("copy", aboutOf(row), { to: { sessionId, fileId } })
        return yield* Effect.flatMap(found(fileId), detailsOf)
      })

      const moveRow = Effect.fnUntraced(function* (row: FileRow, sessionId: string) {
        const { file_id: fileId, session_id: from } = row
        yield* mayAdd(sessionId)
        yield* mayGrow(sessionId, { files: 1, bytes: row.file_size, movedFrom: from })
        yield* claim(sessionId)
        yield* removePassages(fileId)
        yield* sql`UPDATE conversation_files SET session_id = ${sessionId} WHERE file_id = ${fileId}`
        // An earlier system may already use the file in both sessions, for the same message.
        yield* sql`UPDATE session_file_associations SET session_id = ${sessionId}
          WHERE file_id = ${fileId} AND session_id = ${from} AND NOT EXISTS (
            SELECT 1 FROM session_file_associations known WHERE known.session_id = ${sessionId}
            AND known.file_id = ${fileId} AND known.message_id = session_file_associations.message_id
          )`
        yield* sql`DELETE FROM session_file_associations WHERE file_id = ${fileId} AND session_id = ${from}`
        yield* sql`UPDATE file_cleanup_queue SET session_id = ${sessionId}
          WHERE file_id = ${fileId} AND is_processed = 0`
        yield* releaseIfOver(from)
        // One event per session, so that followers of either one see it.
        yield* done("move", aboutOf(row), { to: sessionId })
        yield* done("move", { ...aboutOf(row), sessionId }, { from })
        return fileOf(yield* found(fileId))
      })

      const copyOnce = Effect.fnUntraced(function* (fileId: string, sessionId: string, name: string | undefined) {
        const row = yield* relocatable(fileId)
        yield* fileNameOf(name ?? row.original_filename)
        yield* mayAdd(sessionId)
        yield* prove(row)
        return yield* write(
          Effect.gen(function* () {
            const now = yield* relocatable(fileId)
            if (now.file_hash !== row.file_hash) return undefined
            return yield* insertCopy(now, { sessionId, name: yield* fileNameOf(name ?? now.original_filename) })
          })
        )
      })

      /** Tries again if the content was replaced meanwhile: the new one was not proven. */
      const copy = (...args: Parameters<typeof copyOnce>): Copied =>
        Effect.flatMap(copyOnce(...args), (copied) => (copied === undefined ? copy(...args) : Effect.succeed(copied)))

      return {
        copy: (fileId, { name, sessionId }) =>
          copy(fileId, sessionId, name).pipe(
            audited("copy", { fileId }),
            Effect.withSpan("conversation-files.copy", { attributes: { fileId } })
          ),

        move: (fileId, sessionId) =>
          write(
            Effect.gen(function* () {
              const row = yield* relocatable(fileId)
              return row.session_id === sessionId ? fileOf(row) : yield* moveRow(row, sessionId)
            })
          ).pipe(audited("move", { fileId }))
      }
    })
  )
}

const aboutOf = (row: FileRow) => ({
  sessionId: row.session_id,
  fileId: row.file_id,
  filename: row.original_filename
})

/** Bytes that are read at once. */
const step = 256 * 1024

const digestOf = (file: FileSystem.File, name: string): Effect.Effect<string, ContentError> =>
  Effect.suspend(() => {
    const hash = createHash("sha256")
    const next: Effect.Effect<void, ContentError> = Effect.flatMap(
      Effect.mapError(file.readAlloc(step), ContentError.from(name)),
      (chunk) => {
        if (chunk._tag === "None") return Effect.void
        hash.update(chunk.value)
        return next
      }
    )
    return Effect.map(next, () => hash.digest("hex"))
  })
