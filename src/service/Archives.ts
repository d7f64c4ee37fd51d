/**
 * Files of a session as one archive, created while it is sent. Only one content is open at a time, and reading is no
 * faster than the client. A file that is not on the disk as it was stored is listed in the archive, never silently left
 * out.
 */
import { createHash } from "node:crypto"
import { PassThrough, type Readable } from "node:stream"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ZipFile } from "yazl"
import { AccessLog } from "./AccessLog.ts"
import { CurrentUser, FileDeleted, FileNotFound, type Forbidden, mostArchived, TooManyFiles } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { archiveNames } from "./archiveNames.ts"
import type { ContentFaults } from "./ContentFaults.ts"
import type { ContentStore } from "./ContentStore.ts"
import { dialect } from "./Dialect.ts"
import { exactly } from "./exactly.ts"
import type { FileRow } from "./FileRow.ts"
import { rowContent } from "./RowContent.ts"
import { Sessions } from "./Sessions.ts"
import { isTextType } from "./TextType.ts"
import { isoOf } from "./timestamp.ts"

export type ArchivedRow = Pick<
  FileRow,
  | "deleted_at"
  | "file_hash"
  | "file_id"
  | "file_size"
  | "is_deleted"
  | "mime_type"
  | "original_filename"
  | "session_id"
  | "uploaded_at"
>

/** The list inside the archive of files that are not as they were stored. */
const missingName = "MISSING.txt"

/** The content had the right length but could not be read to its end. */
class CutShort extends Data.TaggedError("CutShort")<{ readonly cause: Error }> {}

export class Archives extends Context.Tag("conversation-files/Archives")<
  Archives,
  {
    /** The files that were asked for, or all files of a session that are not deleted; oldest first. */
    readonly filesOf: (
      sessionId: string,
      fileIds: ReadonlyArray<string> | undefined
    ) => Effect.Effect<
      ReadonlyArray<ArchivedRow>,
      FileDeleted | FileNotFound | Forbidden | SqlError | TooManyFiles,
      CurrentUser
    >
    /** The archive as a stream; it ends with the scope. Each file is recorded as a download. */
    readonly archive: (rows: ReadonlyArray<ArchivedRow>) => Effect.Effect<Readable, never, CurrentUser | Scope.Scope>
  }
>() {
  static readonly layer: Layer.Layer<
    Archives,
    never,
    AccessLog | AuditTrail | ContentFaults | ContentStore | Sessions | SqlClient.SqlClient
  > = Layer.effect(
    Archives,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { audited } = yield* AuditTrail
      const { record } = yield* AccessLog
      const { mayUse } = yield* Sessions
      const { open, unsafeDisproven } = yield* rowContent
      const { byBytes, texts } = yield* dialect

      const columns = sql.literal(`cf.file_id, cf.session_id, cf.original_filename, cf.file_size, cf.file_hash,
        cf.mime_type, cf.uploaded_at, cf.is_deleted, cf.deleted_at`)

      const all = (sessionId: string) =>
        sql<ArchivedRow>`SELECT ${columns} FROM conversation_files cf
          WHERE cf.session_id = ${sessionId} AND cf.is_deleted = 0
          ORDER BY cf.uploaded_at NULLS FIRST, cf.file_id ${byBytes} LIMIT ${mostArchived + 1}`

      const some = (sessionId: string, fileIds: ReadonlyArray<string>) =>
        Effect.gen(function* () {
          const rows = yield* sql<ArchivedRow>`SELECT ${columns} FROM conversation_files cf
            WHERE cf.file_id IN (SELECT given.value FROM ${texts(JSON.stringify(fileIds))})
              AND cf.session_id = ${sessionId}
            ORDER BY cf.uploaded_at NULLS FIRST, cf.file_id ${byBytes}`
          const found = new Set(rows.map(({ file_id }) => file_id))
          for (const fileId of fileIds) {
            if (!found.has(fileId)) {
              return yield* new FileNotFound({ fileId, message: "There is no file with this id in the session." })
            }
          }
          for (const { deleted_at, file_id, is_deleted } of rows) {
            if (is_deleted === 1) {
              const deletedAt = isoOf(deleted_at ?? "")
              return yield* new FileDeleted({
                fileId: file_id,
                deletedAt,
                message: "A file is deleted. Restore it or leave it out."
              })
            }
          }
          return rows
        })

      /** Adds one file, and returns what is wrong with it. Fails if it cannot be read to its end. */
      const add = (zip: ZipFile, name: string, row: ArchivedRow, by: string, now: number) =>
        Effect.gen(function* () {
          const stored = yield* open(row)
          // Nobody waits for the record.
          yield* Effect.forkDaemon(record([{ file: row, access: "download", by, details: { archive: true } }]))
          const hash = createHash("sha256")
          const content = exactly(Number(stored.file.fd), 0, row.file_size, (bytes) => void hash.update(bytes))
          const uploaded = Date.parse(isoOf(row.uploaded_at ?? ""))
          zip.addReadStream(content, name, {
            size: row.file_size,
            mtime: new Date(Number.isNaN(uploaded) ? now : uploaded),
            compress: isTextType(row.mime_type ?? "")
          })
          yield* readToEnd(content)
          return hash.digest("hex") === row.file_hash ? undefined : unsafeDisproven(row, stored).reason
        }).pipe(
          Effect.scoped,
          Effect.catchTags({
            ContentLost: ({ reason }) => Effect.succeed(reason),
            // For example, the process may not read it.
            ContentError: ({ message }) =>
              Effect.as(Effect.logWarning(`Cannot read a content: ${message}`), "unreadable" as const)
          })
        )

      const addAll = Effect.fnUntraced(function* (zip: ZipFile, rows: ReadonlyArray<ArchivedRow>) {
        const { name: by } = yield* CurrentUser
        const now = yield* Clock.currentTimeMillis
        const nameOf = archiveNames([missingName])
        const missing: Array<string> = []
        for (const row of rows) {
          const name = nameOf(row.original_filename)
          const wrong = yield* add(zip, name, row, by, now)
          if (wrong !== undefined) missing.push(`${name}: ${wrong} (${row.file_id})\n`)
        }
        if (missing.length > 0) {
          const head = "These files are not in this archive as they were stored:\n\n"
          zip.addBuffer(Buffer.from(head + missing.join("")), missingName, { mtime: new Date(now) })
        }
        zip.end()
      })

      return {
        filesOf: (sessionId, fileIds) =>
          mayUse(sessionId).pipe(
            Effect.zipRight(fileIds === undefined ? all(sessionId) : some(sessionId, fileIds)),
            Effect.filterOrFail(
              (rows) => rows.length <= mostArchived,
              () =>
                new TooManyFiles({
                  limitFiles: mostArchived,
                  message: `An archive may have ${mostArchived} files at most. Name the files that you want.`
                })
            ),
            audited("download", { sessionId })
          ),

        archive: Effect.fnUntraced(function* (rows) {
          const zip = new ZipFile()
          const body = new PassThrough()
          zip.outputStream.pipe(body)
          // A repair tool would take an archive without its end for a whole one, so the connection ends.
          zip.on("error", (error: Error) => void body.destroy(error))
          body.on("error", () => undefined)
          yield* addAll(zip, rows).pipe(
            Effect.catchAllCause((cause) =>
              Effect.zipRight(
                Effect.logWarning("An archive was cut off", cause),
                Effect.sync(() => void body.destroy(new Error("A file could not be read to its end.")))
              )
            ),
            Effect.forkScoped
          )
          return body
        })
      }
    })
  )
}

/** Finishes when everything was read. Stops reading when nobody waits any more. */
const readToEnd = (content: Readable): Effect.Effect<void, CutShort> =>
  Effect.async((resume) => {
    content.once("end", () => resume(Effect.void))
    content.once("error", (error) => resume(new CutShort({ cause: error })))
    return Effect.sync(() => void content.destroy())
  })
