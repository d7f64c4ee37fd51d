/** The row of a file, for users who may use its session, and what is logged about it. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type CurrentUser, FileDetails, FileNotFound, type Forbidden } from "./Api.ts"
import { type FileRow, fieldsOf, fileColumns, timestampNow } from "./FileRow.ts"
import { Sessions } from "./Sessions.ts"

export class Rows extends Context.Tag("conversation-files/Rows")<
  Rows,
  {
    /** The columns of a `FileRow`. */
    readonly columns: Fragment
    readonly found: (fileId: string) => Effect.Effect<FileRow, Forbidden | FileNotFound | SqlError, CurrentUser>
    /** A row with its details. */
    readonly detailsOf: (row: FileRow) => Effect.Effect<FileDetails, SqlError>
    /** Writes to the access log, within a transaction. */
    readonly log: (
      fileId: string,
      access: "delete" | "restore",
      by: string,
      details?: Readonly<Record<string, unknown>>
    ) => Effect.Effect<void, SqlError>
    /**
     * Records a new content, within a transaction. The access log has no word for it and accepts no other (its CHECK),
     * so there it is an `upload`. In the audit trail it is a `change`.
     */
    readonly logChange: (
      fileId: string,
      by: string,
      details: Readonly<Record<string, unknown>>
    ) => Effect.Effect<void, SqlError>
  }
>() {
  static readonly layer: Layer.Layer<Rows, never, Sessions | SqlClient.SqlClient> = Layer.effect(
    Rows,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { mayUse } = yield* Sessions
      const columns = sql.literal(fileColumns)
      return {
        columns,
        found: Effect.fnUntraced(function* (fileId) {
          const [row] = yield* sql<FileRow>`SELECT ${columns} FROM conversation_files cf WHERE cf.file_id = ${fileId}`
          if (row === undefined) return yield* new FileNotFound({ fileId, message: "There is no file with this id." })
          yield* mayUse(row.session_id)
          return row
        }),
        detailsOf: Effect.fnUntraced(function* (row) {
          const metadata = yield* sql<{ readonly key: string; readonly value: string | null }>`
            SELECT metadata_key AS key, metadata_value AS value FROM file_metadata WHERE file_id = ${row.file_id}
            ORDER BY metadata_id`
          const [association] = yield* sql<{ readonly message_id: string | null }>`
            SELECT message_id FROM session_file_associations
            WHERE file_id = ${row.file_id} AND session_id = ${row.session_id} ORDER BY association_id LIMIT 1`
          return new FileDetails({
            ...fieldsOf(row),
            metadata: Object.fromEntries(metadata.map(({ key, value }) => [key, value ?? ""])),
            messageId: association?.message_id ?? null
          })
        }),
        logChange: Effect.fnUntraced(function* (fileId, by, details) {
          yield* sql`INSERT INTO file_access_log (file_id, access_type, accessed_by, accessed_at, access_metadata)
            VALUES (${fileId}, 'upload', ${by}, ${yield* timestampNow}, ${JSON.stringify(details)})`
          // The event that a trigger has just made: the last one, because nobody else can write now.
          yield* sql`UPDATE audit_log SET action = 'change' WHERE event_id = (SELECT max(event_id) FROM audit_log)`
        }),
        log: Effect.fnUntraced(function* (fileId, access, by, details = {}) {
          yield* sql`INSERT INTO file_access_log (file_id, access_type, accessed_by, accessed_at, access_metadata)
            VALUES (${fileId}, ${access}, ${by}, ${yield* timestampNow}, ${JSON.stringify(details)})`
        })
      }
    })
  )
}
