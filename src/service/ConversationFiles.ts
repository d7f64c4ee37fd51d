/**
 * The files of conversations: rows in the database and contents in the store, never one without the other. A content is
 * stored before its row is committed, and deleted after its rows are. A kill in between leaves a content without a row,
 * and the next sweep moves it to the trash.
 */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { AccessLog, type Reading } from "./AccessLog.ts"
import {
  type AuditPage,
  type ContentLost,
  type ConversationFile,
  CurrentUser,
  type FileDeleted,
  type FileDetails,
  type FileNotFound,
  type FilePage,
  type Forbidden,
  type InvalidFileName,
  type PreconditionFailed,
  type QuotaExceeded,
  type SessionEnded,
  type StorageStatistics
} from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import type { CleanupList } from "./CleanupList.ts"
import type { ContentError } from "./ContentError.ts"
import { ContentFaults } from "./ContentFaults.ts"
import type { ContentStore } from "./ContentStore.ts"
import { Database } from "./Database.ts"
import { insertFile, type NewFile } from "./FileInsertion.ts"
import { fileNameOf } from "./FileName.ts"
import { filePages, type PageRequest } from "./FilePages.ts"
import { fileOf, requireNotDeleted } from "./FileRow.ts"
import { Keeping } from "./Keeping.ts"
import { requireUnchanged } from "./Preconditions.ts"
import type { Quota } from "./Quota.ts"
import { rowContent } from "./RowContent.ts"
import { Rows } from "./Rows.ts"
import { Sessions } from "./Sessions.ts"
import { statistics } from "./Statistics.ts"
import { spanned } from "./spanned.ts"

/** A file whose content may be sent. */
export interface ReadableFile {
  readonly file: ConversationFile
  /** Open until the scope closes; has as many bytes as the file. */
  readonly content: FileSystem.File
  /** Call it if the bytes of the content do not match its name. */
  readonly unsafeDisproven: () => ContentLost
  /** Call it when the content, or a part of it, is sent: it records the access. */
  readonly record: (range: string | undefined) => Effect.Effect<void>
  /** The same for a caller without a fiber: `recorded` is called once, at once or later. */
  readonly unsafeRecord: (range: string | undefined, recorded: () => void) => void
  /** Whether this would be read again: nothing has changed in the database or at the place of the content. */
  readonly unsafeIsCurrent: () => boolean
}

type Refused = Forbidden | FileNotFound
type Failed = SqlError | ContentError

const uploads = Metric.counter("conversation_files_uploads", { description: "Files uploaded", incremental: true })
const uploadedBytes = Metric.counter("conversation_files_uploaded_bytes", {
  description: "Bytes of files uploaded",
  incremental: true
})

export class ConversationFiles extends Context.Tag("conversation-files/ConversationFiles")<
  ConversationFiles,
  {
    /** Fails if nothing may be added. Ask before reading an upload. */
    readonly mayWrite: (sessionId: string) => Effect.Effect<void, Forbidden | SessionEnded | SqlError, CurrentUser>
    /** Adds a file to a session. A session without an owner becomes the user's. */
    readonly add: (
      sessionId: string,
      file: NewFile
    ) => Effect.Effect<FileDetails, Forbidden | InvalidFileName | QuotaExceeded | SessionEnded | Failed, CurrentUser>
    readonly list: (
      sessionId: string,
      page: PageRequest & { readonly deleted: boolean }
    ) => Effect.Effect<FilePage, Forbidden | SqlError, CurrentUser>
    /** Searches all sessions of the user, or all sessions for an administrator. */
    readonly search: (page: PageRequest) => Effect.Effect<FilePage, SqlError, CurrentUser>
    readonly details: (fileId: string) => Effect.Effect<FileDetails, Refused | SqlError, CurrentUser>
    /** Returns what is needed to send the content, opened so that nobody can delete it in between. */
    readonly read: (
      fileId: string,
      access: "view" | "download"
    ) => Effect.Effect<ReadableFile, Refused | ContentLost | FileDeleted | Failed, CurrentUser | Scope.Scope>
    readonly rename: (
      fileId: string,
      name: string
    ) => Effect.Effect<
      ConversationFile,
      Refused | FileDeleted | InvalidFileName | PreconditionFailed | SqlError,
      CurrentUser
    >
    /** What was done in a session, and what was refused. */
    readonly events: (
      sessionId: string,
      page: { readonly after: number; readonly limit: number }
    ) => Effect.Effect<AuditPage, Forbidden | SqlError, CurrentUser>
    readonly statistics: Effect.Effect<Omit<StorageStatistics, "freeBytes">, SqlError, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<
    ConversationFiles,
    never,
    | AccessLog
    | AuditTrail
    | CleanupList
    | ContentFaults
    | ContentStore
    | Database
    | Keeping
    | Quota
    | Rows
    | Sessions
    | SqlClient.SqlClient
  > = Layer.effect(
    ConversationFiles,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const audit = yield* AuditTrail
      const { audited } = audit
      const log = yield* AccessLog
      const faults = yield* ContentFaults
      const { detailsOf, found } = yield* Rows
      const { open, unsafeDisproven } = yield* rowContent
      const { writeKeeping } = yield* Keeping
      const { inSession, ofAll, ofOwner } = yield* filePages
      const { mayAdd, mayUse } = yield* Sessions

      const insert = yield* insertFile

      return {
        mayWrite: (sessionId) => mayAdd(sessionId).pipe(audited("upload", { sessionId })),

        add: (sessionId, file) =>
          fileNameOf(file.name).pipe(
            Effect.flatMap((name) => writeKeeping(file.received, insert(sessionId, { ...file, name }))),
            Effect.tap(({ size }) => {
              uploads.unsafeUpdate(1, [])
              uploadedBytes.unsafeUpdate(size, [])
            }),
            audited("upload", { sessionId }),
            spanned("conversation-files.add", { sessionId, size: file.received.size })
          ),

        list: (sessionId, { deleted, ...request }) =>
          mayUse(sessionId).pipe(
            audited("list", { sessionId }),
            Effect.zipRight(inSession(sessionId, deleted, request))
          ),

        search: (request) =>
          Effect.flatMap(CurrentUser, ({ isAdministrator, name }) =>
            isAdministrator ? ofAll(request) : ofOwner(name, request)
          ),

        details: (fileId) => found(fileId).pipe(Effect.flatMap(detailsOf), audited("view", { fileId })),

        read: (fileId, access) =>
          Effect.gen(function* () {
            const before = log.unsafeVersion()
            const row = yield* Effect.flatMap(found(fileId), requireNotDeleted)
            const { name } = yield* CurrentUser
            // Somebody may have deleted it for good meanwhile. Then it is not lost: it does not exist.
            const stored = yield* Effect.tapErrorTag(open(row), "ContentLost", () =>
              Effect.tapError(found(fileId), () => faults.over(row.file_hash))
            )
            const readingOf = (range: string | undefined): Reading => ({
              file: row,
              access,
              by: name,
              details: range === undefined ? {} : { range }
            })
            const readable: ReadableFile = {
              file: fileOf(row),
              content: stored.file,
              unsafeDisproven: () => unsafeDisproven(row, stored),
              record: (range) => log.record([readingOf(range)]),
              unsafeRecord: (range, recorded) => log.unsafeRecord(readingOf(range), recorded),
              unsafeIsCurrent: () => before !== undefined && log.unsafeVersion() === before && stored.unsafeIsThere()
            }
            return readable
          }).pipe(audited(access, { fileId })),

        rename: (fileId, given) =>
          fileNameOf(given).pipe(
            Effect.flatMap((name) =>
              write(
                Effect.gen(function* () {
                  const row = yield* found(fileId).pipe(
                    Effect.flatMap(requireNotDeleted),
                    Effect.flatMap(requireUnchanged)
                  )
                  yield* sql`UPDATE conversation_files SET original_filename = ${name} WHERE file_id = ${fileId}`
                  const about = { sessionId: row.session_id, fileId, filename: name }
                  yield* audit.done("rename", about, { from: row.original_filename })
                  return fileOf({ ...row, original_filename: name })
                })
              )
            ),
            audited("rename", { fileId })
          ),

        events: (sessionId, request) =>
          mayUse(sessionId).pipe(audited("audit", { sessionId }), Effect.zipRight(audit.events(sessionId, request))),

        statistics: yield* statistics
      }
    })
  )
}
