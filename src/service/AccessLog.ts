/**
 * Records views and downloads. Reading never waits for the log. If a record cannot be written at once, because another
 * process writes or the disk is full, it is written later. Records of one moment share a transaction.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Database } from "./Database.ts"
import { dialect } from "./Dialect.ts"
import type { FileRow } from "./FileRow.ts"
import { inSlices } from "./inTurns.ts"
import { type LateWriter, lateWriter } from "./LateWriter.ts"
import { timestampOf } from "./timestamp.ts"

export interface Reading {
  readonly file: Pick<FileRow, "file_id" | "original_filename" | "session_id">
  readonly access: "view" | "download"
  readonly by: string
  readonly details: Readonly<Record<string, unknown>>
}

export class AccessLog extends Context.Tag("conversation-files/AccessLog")<
  AccessLog,
  {
    /** Finishes when they are recorded, or earlier if that must wait. */
    readonly record: (readings: ReadonlyArray<Reading>) => Effect.Effect<void>
    /** The same of one for a caller without a fiber: `recorded` is called once, at once or later. */
    readonly unsafeRecord: (reading: Reading, recorded: () => void) => void
    /** As of the database, but records of this log do not change it: a file is the same after it was read. */
    readonly unsafeVersion: () => string | undefined
    readonly state: LateWriter["state"]
  }
>() {
  /** Writes what still waits when the scope closes. */
  static readonly layer: Layer.Layer<AccessLog, never, Database | SqlClient.SqlClient> = Layer.scoped(
    AccessLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const database = yield* Database
      const { elements, jsonIn, timeIn } = yield* dialect
      const clock = yield* Effect.clock

      let last: { readonly before: string; readonly after: string } | undefined
      const unsafeVersion = () => {
        const now = database.unsafeVersion()
        return now !== undefined && now === last?.after ? last.before : now
      }
      /** Run it with the write lock held: then nothing but these rows is between the two versions. */
      const unseen = <E, R>(rows: Effect.Effect<unknown, E, R>) =>
        Effect.suspend(() => {
          const before = unsafeVersion()
          return Effect.map(rows, () => {
            const after = database.unsafeVersion()
            return before === undefined || after === undefined ? undefined : { before, after }
          })
        })
      const write = <E, R>(rows: Effect.Effect<unknown, E, R>) =>
        Effect.map(database.write(unseen(rows)), (written) => {
          last = written
        })

      // A file can be read and deleted before its record is written. Then the audit trail keeps the record: it needs no
      // file.
      const late = yield* lateWriter("views and downloads", (rows) =>
        write(
          Effect.zipRight(
            sql`INSERT INTO audit_log (happened_at, actor, action, session_id, file_id, filename, details)
              SELECT ${timeIn("value->>'at'")}, value->>'by', value->>'access', value->>'session', value->>'file', value->>'name',
                ${jsonIn("value->>'details'")}
              FROM ${elements(rows)}
              WHERE NOT EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.file_id = value->>'file')`,
            sql`INSERT INTO file_access_log (file_id, access_type, accessed_by, accessed_at, access_metadata)
              SELECT value->>'file', value->>'access', value->>'by', ${timeIn("value->>'at'")},
                ${jsonIn("value->>'details'")}
              FROM ${elements(rows)}
              WHERE EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.file_id = value->>'file')`
          )
        )
      )

      const rowOf = ({ access, by, details, file }: Reading) =>
        JSON.stringify({
          file: file.file_id,
          session: file.session_id,
          name: file.original_filename,
          access,
          by,
          at: timestampOf(clock.unsafeCurrentTimeMillis()),
          details: JSON.stringify(details)
        })

      return {
        record: (readings) => Effect.flatMap(inSlices(readings, rowOf), late.record),
        unsafeRecord: (reading, recorded) => late.unsafeRecord(rowOf(reading), recorded),
        unsafeVersion,
        state: late.state
      }
    })
  )
}
