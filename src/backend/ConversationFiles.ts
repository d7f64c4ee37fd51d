/**
 * The files of conversations: rows in the database, contents in the store, and never one without the other.
 * A content is kept before its row is committed, and discarded after the rows are: what a kill in between
 * leaves is a content without a row, which the next sweep discards.
 */
import { randomUUID } from "node:crypto"
import type * as FileSystem from "@effect/platform/FileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { DatabaseReady } from "../../layers/index.ts"
import {
  type AuditPage,
  ConversationFile,
  CurrentUser,
  FileDeleted,
  FileDetails,
  FileNotFound,
  FilePage,
  Forbidden,
  type InvalidFileName,
  type StorageStatistics
} from "./Api.ts"
import { type About, type Action, AuditTrail } from "./AuditTrail.ts"
import { type ContentError, ContentStore, type Received } from "./ContentStore.ts"
import { fileNameOf } from "./FileName.ts"
import { Settings } from "./Settings.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

/** A file that has arrived, and what its uploader says of it. */
export interface NewFile {
  readonly received: Received
  readonly name: string
  readonly mimeType: string
  readonly messageId: string | undefined
  readonly metadata: Readonly<Record<string, string>>
}

export interface PageRequest {
  readonly limit: number
  /** The `next` of the page before. */
  readonly after?: string | undefined
  /** Part of the name. */
  readonly name?: string | undefined
}

/** A file whose content may be sent. */
export interface ReadableFile {
  readonly file: ConversationFile
  /** Open until the scope closes. */
  readonly content: FileSystem.File
}

/** What a sweep found: contents that no row wanted, and rows whose content is gone. */
export interface Sweep {
  readonly discarded: number
  readonly missing: ReadonlyArray<string>
}

type Refused = Forbidden | FileNotFound
type Failed = SqlError | ContentError

/** What asks on its own, where no user does. */
const cleaner = "cleanup"

const uploads = Metric.counter("conversation_files_uploads", { description: "Files uploaded", incremental: true })
const uploadedBytes = Metric.counter("conversation_files_uploaded_bytes", {
  description: "Bytes of files uploaded",
  incremental: true
})
const deletions = Metric.counter("conversation_files_deletions", {
  description: "Files deleted for good",
  incremental: true
})

export class ConversationFiles extends Context.Tag("conversation-files/ConversationFiles")<
  ConversationFiles,
  {
    /** Fails where the session is another user's: to be asked before anything of an upload is read. */
    readonly mayWrite: (sessionId: string) => Effect.Effect<void, Forbidden | SqlError, CurrentUser>
    /** Adds a file to a session, which becomes the user's where it was nobody's. */
    readonly add: (
      sessionId: string,
      file: NewFile
    ) => Effect.Effect<FileDetails, Forbidden | InvalidFileName | Failed, CurrentUser>
    readonly list: (
      sessionId: string,
      page: PageRequest & { readonly deleted: boolean }
    ) => Effect.Effect<FilePage, Forbidden | SqlError, CurrentUser>
    /** Through all sessions of the user, or all of all for an administrator. */
    readonly search: (page: PageRequest) => Effect.Effect<FilePage, SqlError, CurrentUser>
    readonly details: (fileId: string) => Effect.Effect<FileDetails, Refused | SqlError, CurrentUser>
    /** What is needed to send the content, opened before anybody else could delete it. The access is logged. */
    readonly read: (
      fileId: string,
      access: "view" | "download",
      range: string | undefined
    ) => Effect.Effect<ReadableFile, Refused | FileDeleted | Failed, CurrentUser | Scope.Scope>
    readonly rename: (
      fileId: string,
      name: string
    ) => Effect.Effect<ConversationFile, Refused | FileDeleted | InvalidFileName | SqlError, CurrentUser>
    /** Marks it deleted, to be cleaned up when the retention is over. */
    readonly remove: (fileId: string) => Effect.Effect<ConversationFile, Refused | SqlError, CurrentUser>
    readonly restore: (fileId: string) => Effect.Effect<ConversationFile, Refused | SqlError, CurrentUser>
    /** Deletes it for good, and its content where no other file has the same. */
    readonly destroy: (fileId: string) => Effect.Effect<void, Refused | Failed, CurrentUser>
    /** Deletes every file of a session for good; the number of them. */
    readonly destroySession: (sessionId: string) => Effect.Effect<number, Forbidden | Failed, CurrentUser>
    /** What was done in a session, and what was refused. */
    readonly events: (
      sessionId: string,
      page: { readonly after: number; readonly limit: number }
    ) => Effect.Effect<AuditPage, Forbidden | SqlError, CurrentUser>
    readonly statistics: Effect.Effect<Omit<StorageStatistics, "freeBytes">, SqlError, CurrentUser>
    /** Deletes what is due, a hundred at most; the number of entries that were due. */
    readonly cleanDue: Effect.Effect<number, Failed>
    /** Compares the contents on the disk with the rows, and discards those that no row wants. */
    readonly sweep: Effect.Effect<Sweep, Failed>
  }
>() {
  static readonly layer: Layer.Layer<
    ConversationFiles,
    never,
    AuditTrail | ContentStore | DatabaseReady | Settings | SqlClient.SqlClient
  > = Layer.effect(
    ConversationFiles,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* DatabaseReady
      const store = yield* ContentStore
      const audit = yield* AuditTrail
      const { retention } = yield* Settings

      const columns = sql`cf.file_id, cf.session_id, cf.original_filename, cf.file_size, cf.file_hash, cf.mime_type,
        cf.uploaded_at, cf.uploaded_by, cf.deleted_at, cf.is_deleted`

      /** A session that is used and nobody's comes from a program that knew no owners: it is the administrators'. */
      const mayUse = Effect.fnUntraced(function* (sessionId: string) {
        const user = yield* CurrentUser
        if (user.isAdministrator) return
        // One statement sees one moment: between two, another process may take the session for this very user.
        const [session] = yield* sql<{ readonly owner: string | null; readonly is_used: 0 | 1 }>`
          SELECT (SELECT owner FROM session_owners WHERE session_id = ${sessionId}) AS owner,
            EXISTS (SELECT 1 FROM conversation_files WHERE session_id = ${sessionId}) AS is_used`
        const isFree = session?.owner === null && session.is_used === 0
        if (!isFree && session?.owner !== user.name) {
          return yield* new Forbidden({ message: `The session ${sessionId} is not yours.` })
        }
      })

      const found = Effect.fnUntraced(function* (fileId: string) {
        const [row] = yield* sql<FileRow>`SELECT ${columns} FROM conversation_files cf WHERE cf.file_id = ${fileId}`
        if (row === undefined) return yield* new FileNotFound({ fileId, message: "There is no file with this id." })
        yield* mayUse(row.session_id)
        return row
      })

      const notDeleted = (row: FileRow): Effect.Effect<FileRow, FileDeleted> =>
        row.is_deleted === 0
          ? Effect.succeed(row)
          : new FileDeleted({
              fileId: row.file_id,
              deletedAt: isoOf(row.deleted_at ?? ""),
              message: "The file is deleted; it can be restored."
            })

      const log = Effect.fnUntraced(function* (
        fileId: string,
        access: "view" | "download" | "delete" | "restore",
        by: string,
        details: Readonly<Record<string, unknown>> = {}
      ) {
        const at = yield* timestampNow
        yield* sql`INSERT INTO file_access_log (file_id, access_type, accessed_by, accessed_at, access_metadata)
          VALUES (${fileId}, ${access}, ${by}, ${at}, ${JSON.stringify(details)})`
      })

      /** What is refused enters the audit trail, with the session of the file where there is one. */
      const audited =
        (action: Action, about: About) =>
        <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
          Effect.tapError(effect, ({ _tag }) => audit.refused(action, about, _tag))

      const detailsOf = Effect.fnUntraced(function* (row: FileRow) {
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
      })

      const insert = Effect.fnUntraced(function* (
        sessionId: string,
        { messageId, metadata, mimeType, name, received }: NewFile
      ) {
        const user = yield* CurrentUser
        const at = yield* timestampNow
        const fileId = randomUUID()
        yield* mayUse(sessionId)
        yield* sql`INSERT INTO session_owners (session_id, owner, claimed_at) VALUES (${sessionId}, ${user.name}, ${at})
          ON CONFLICT (session_id) DO NOTHING`
        // Somebody may have discarded the content since it was kept.
        if (!(yield* store.has(received.sha256))) yield* store.keep(received)
        yield* sql`INSERT INTO conversation_files ${sql.insert({
          file_id: fileId,
          session_id: sessionId,
          original_filename: name,
          stored_filename: `${fileId}-${received.sha256}`,
          file_path: store.relativePathOf(received.sha256),
          file_size: received.size,
          file_hash: received.sha256,
          mime_type: mimeType,
          uploaded_at: at,
          uploaded_by: user.name
        })}`
        yield* sql`INSERT INTO session_file_associations (session_id, file_id, message_id, associated_at)
          VALUES (${sessionId}, ${fileId}, ${messageId ?? null}, ${at})`
        for (const [key, value] of Object.entries(metadata)) {
          yield* sql`INSERT INTO file_metadata (file_id, metadata_key, metadata_value, created_at)
            VALUES (${fileId}, ${key}, ${value}, ${at})`
        }
        return new FileDetails({
          fileId,
          sessionId,
          name,
          size: received.size,
          sha256: received.sha256,
          mimeType,
          uploadedAt: isoOf(at),
          uploadedBy: user.name,
          deletedAt: null,
          metadata,
          messageId: messageId ?? null
        })
      })

      const page = (where: ReadonlyArray<Fragment>, { after, limit, name }: PageRequest) =>
        Effect.gen(function* () {
          const conditions = [...where]
          if (name !== undefined) conditions.push(sql`cf.original_filename LIKE ${likePattern(name)} ESCAPE '\\'`)
          const [at, fileId] = after?.split("~") ?? []
          if (at !== undefined && fileId !== undefined) {
            // What has no time comes last.
            conditions.push(
              at === ""
                ? sql`cf.uploaded_at IS NULL AND cf.file_id < ${fileId}`
                : sql`((cf.uploaded_at, cf.file_id) < (${at}, ${fileId}) OR cf.uploaded_at IS NULL)`
            )
          }
          const rows = yield* sql<FileRow>`SELECT ${columns} FROM conversation_files cf
            LEFT JOIN session_owners so ON so.session_id = cf.session_id
            WHERE ${sql.and(conditions)} ORDER BY cf.uploaded_at DESC, cf.file_id DESC LIMIT ${limit + 1}`
          const files = rows.slice(0, limit).map((row) => new ConversationFile(fieldsOf(row), fromDatabase))
          const last = rows.length > limit ? rows[limit - 1] : undefined
          return new FilePage(
            { files, next: last === undefined ? null : `${last.uploaded_at ?? ""}~${last.file_id}` },
            fromDatabase
          )
        })

      /** The sessions that are the user's; of an administrator, all. */
      const ownSessions = Effect.map(CurrentUser, ({ isAdministrator, name }) =>
        isAdministrator ? sql`1 = 1` : sql`so.owner = ${name}`
      )

      /** Deletes rows for good, within a transaction; their contents have to be looked at afterwards. */
      const destroyRows = Effect.fnUntraced(function* (
        rows: ReadonlyArray<Pick<FileRow, "file_hash" | "file_id">>,
        by: string,
        details: Readonly<Record<string, unknown>>
      ) {
        for (const { file_id } of rows) {
          yield* log(file_id, "delete", by, { permanently: true, ...details })
          yield* sql`DELETE FROM conversation_files WHERE file_id = ${file_id}`
        }
        yield* Metric.incrementBy(deletions, rows.length)
        return [...new Set(rows.map(({ file_hash }) => file_hash))]
      })

      /** Discards the contents that no row wants, a hundred under one lock; the number of them. */
      const discardUnwanted = Effect.fnUntraced(function* (hashes: ReadonlyArray<string>) {
        let discarded = 0
        for (let at = 0; at < hashes.length; at += 100) {
          yield* write(
            Effect.forEach(
              hashes.slice(at, at + 100),
              Effect.fnUntraced(function* (hash) {
                const wanted = yield* sql`SELECT 1 FROM conversation_files WHERE file_hash = ${hash} LIMIT 1`
                if (wanted.length > 0) return
                yield* store.discard(hash)
                discarded += 1
              }),
              { discard: true }
            )
          )
        }
        return discarded
      })

      /** The rows are gone, and that is what was asked for: contents that stay are left to the next sweep. */
      const discardOrLeave = (hashes: ReadonlyArray<string>): Effect.Effect<void> =>
        Effect.catchAll(discardUnwanted(hashes), ({ message }) =>
          Effect.logWarning(`Contents without a file are left to the next sweep: ${message}`)
        )

      /** Whether a content is gone that a row wants, within a transaction. */
      const isMissing = Effect.fnUntraced(function* (hash: string) {
        const wanted = yield* sql`SELECT 1 FROM conversation_files WHERE file_hash = ${hash} LIMIT 1`
        return wanted.length > 0 && !(yield* store.has(hash))
      })

      /** One entry of the queue, looked at once more under the lock: what it was for may be over. */
      const cleanUp = Effect.fnUntraced(function* (cleanupId: number, at: string) {
        const [entry] = yield* sql<CleanupRow>`
          SELECT q.session_id, q.cleanup_reason, cf.file_id, cf.file_hash
          FROM file_cleanup_queue q JOIN conversation_files cf ON cf.file_id = q.file_id
          WHERE q.cleanup_id = ${cleanupId} AND q.is_processed = 0`
        const processed = sql`UPDATE file_cleanup_queue SET is_processed = 1, processed_at = ${at} WHERE cleanup_id = ${cleanupId}`
        if (entry === undefined) {
          // Another process was faster, or an earlier system left it without its file: it is not due again.
          yield* processed
          return []
        }
        const { cleanup_reason, file_id, session_id } = entry
        if (cleanup_reason !== "user_request") {
          yield* sql`DELETE FROM session_file_associations WHERE file_id = ${file_id} AND session_id = ${session_id}`
          const others = yield* sql`SELECT 1 FROM session_file_associations WHERE file_id = ${file_id} LIMIT 1`
          if (others.length > 0) {
            yield* processed
            return []
          }
        }
        return yield* destroyRows([entry], cleaner, { reason: cleanup_reason })
      })

      return {
        mayWrite: (sessionId) => mayUse(sessionId).pipe(audited("upload", { sessionId })),

        add: (sessionId, file) =>
          fileNameOf(file.name).pipe(
            Effect.tap(() => mayUse(sessionId)),
            // Before the lock is asked for, for it takes as long as the disk does.
            Effect.tap(() => store.keep(file.received)),
            Effect.flatMap((name) => write(insert(sessionId, { ...file, name }))),
            Effect.tap(({ size }) => Effect.all([Metric.increment(uploads), Metric.incrementBy(uploadedBytes, size)])),
            audited("upload", { sessionId }),
            Effect.withSpan("conversation-files.add", { attributes: { sessionId, size: file.received.size } })
          ),

        list: (sessionId, { deleted, ...request }) =>
          mayUse(sessionId).pipe(
            audited("list", { sessionId }),
            Effect.zipRight(page([sql`cf.session_id = ${sessionId}`, sql`cf.is_deleted = ${deleted ? 1 : 0}`], request))
          ),

        search: (request) => Effect.flatMap(ownSessions, (own) => page([own, sql`cf.is_deleted = 0`], request)),

        details: (fileId) => found(fileId).pipe(Effect.flatMap(detailsOf), audited("view", { fileId })),

        read: (fileId, access, range) =>
          write(
            Effect.gen(function* () {
              const row = yield* Effect.flatMap(found(fileId), notDeleted)
              const { name } = yield* CurrentUser
              yield* log(fileId, access, name, range === undefined ? {} : { range })
              const content = yield* store.open(row.file_hash)
              return { file: new ConversationFile(fieldsOf(row)), content }
            })
          ).pipe(audited(access, { fileId })),

        rename: (fileId, given) =>
          fileNameOf(given).pipe(
            Effect.flatMap((name) =>
              write(
                Effect.gen(function* () {
                  const row = yield* Effect.flatMap(found(fileId), notDeleted)
                  yield* sql`UPDATE conversation_files SET original_filename = ${name} WHERE file_id = ${fileId}`
                  const about = { sessionId: row.session_id, fileId, filename: name }
                  yield* audit.done("rename", about, { from: row.original_filename })
                  return new ConversationFile({ ...fieldsOf(row), name })
                })
              )
            ),
            audited("rename", { fileId })
          ),

        remove: (fileId) =>
          write(
            Effect.gen(function* () {
              const row = yield* found(fileId)
              if (row.is_deleted === 1) return new ConversationFile(fieldsOf(row))
              const { name } = yield* CurrentUser
              const now = yield* Clock.currentTimeMillis
              yield* log(fileId, "delete", name)
              yield* sql`UPDATE conversation_files SET is_deleted = 1 WHERE file_id = ${fileId}`
              yield* sql`INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
                VALUES (${fileId}, ${row.session_id}, ${timestampOf(now + Duration.toMillis(retention))}, 'user_request')`
              return new ConversationFile(fieldsOf(yield* found(fileId)))
            })
          ).pipe(audited("delete", { fileId })),

        restore: (fileId) =>
          write(
            Effect.gen(function* () {
              const row = yield* found(fileId)
              if (row.is_deleted === 0) return new ConversationFile(fieldsOf(row))
              const { name } = yield* CurrentUser
              yield* sql`UPDATE conversation_files SET is_deleted = 0, deleted_at = NULL WHERE file_id = ${fileId}`
              yield* sql`DELETE FROM file_cleanup_queue
                WHERE file_id = ${fileId} AND cleanup_reason = 'user_request' AND is_processed = 0`
              yield* log(fileId, "restore", name)
              return new ConversationFile(fieldsOf(yield* found(fileId)))
            })
          ).pipe(audited("restore", { fileId })),

        destroy: (fileId) =>
          write(
            Effect.gen(function* () {
              const row = yield* found(fileId)
              const { name } = yield* CurrentUser
              return yield* destroyRows([row], name, {})
            })
          ).pipe(audited("delete", { fileId }), Effect.flatMap(discardOrLeave)),

        destroySession: (sessionId) =>
          write(
            Effect.gen(function* () {
              yield* mayUse(sessionId)
              const { name } = yield* CurrentUser
              const rows = yield* sql<FileRow>`
                SELECT ${columns} FROM conversation_files cf WHERE cf.session_id = ${sessionId} ORDER BY cf.uploaded_at`
              return { hashes: yield* destroyRows(rows, name, { session: true }), deleted: rows.length }
            })
          ).pipe(
            audited("delete", { sessionId }),
            Effect.tap(({ hashes }) => discardOrLeave(hashes)),
            Effect.map(({ deleted }) => deleted)
          ),

        events: (sessionId, request) =>
          mayUse(sessionId).pipe(audited("audit", { sessionId }), Effect.zipRight(audit.events(sessionId, request))),

        statistics: Effect.gen(function* () {
          const own = yield* ownSessions
          const [row] = yield* sql<Omit<StorageStatistics, "freeBytes">>`
            WITH own AS (
              SELECT cf.* FROM conversation_files cf LEFT JOIN session_owners so ON so.session_id = cf.session_id
              WHERE ${own}
            )
            SELECT
              (SELECT count(*) FROM own WHERE is_deleted = 0) AS files,
              (SELECT count(*) FROM own WHERE is_deleted = 1) AS "deletedFiles",
              (SELECT count(DISTINCT session_id) FROM own) AS sessions,
              (SELECT coalesce(sum(file_size), 0) FROM own) AS bytes,
              (SELECT coalesce(sum(file_size), 0) FROM (SELECT DISTINCT file_hash, file_size FROM own)) AS "storedBytes",
              (SELECT count(*) FROM v_pending_cleanups WHERE file_id IN (SELECT file_id FROM own)) AS "pendingCleanups"`
          return row ?? { files: 0, deletedFiles: 0, sessions: 0, bytes: 0, storedBytes: 0, pendingCleanups: 0 }
        }),

        cleanDue: Effect.gen(function* () {
          const at = yield* timestampNow
          const due = yield* sql<DueRow>`SELECT cleanup_id FROM file_cleanup_queue
            WHERE is_processed = 0 AND scheduled_deletion_time <= ${at} ORDER BY scheduled_deletion_time LIMIT 100`
          if (due.length === 0) return 0
          const hashes = yield* write(Effect.forEach(due, ({ cleanup_id }) => cleanUp(cleanup_id, at)))
          yield* discardUnwanted(hashes.flat())
          return due.length
        }).pipe(Effect.withSpan("conversation-files.clean-due")),

        sweep: Effect.gen(function* () {
          const contents = new Set(yield* store.contents)
          const rows = yield* sql<{ readonly file_hash: string }>`SELECT DISTINCT file_hash FROM conversation_files`
          const wanted = new Set(rows.map(({ file_hash }) => file_hash))
          // Each is looked at once more with the lock held: an upload may be about to keep it, or a deletion over.
          const discarded = yield* discardUnwanted([...contents].filter((hash) => !wanted.has(hash)))
          const missing = yield* write(
            Effect.filter(
              [...wanted].filter((hash) => !contents.has(hash)),
              isMissing
            )
          )
          const sweep: Sweep = { discarded, missing }
          return sweep
        }).pipe(Effect.withSpan("conversation-files.sweep"))
      }
    })
  )
}

interface FileRow {
  readonly file_id: string
  readonly session_id: string
  readonly original_filename: string
  readonly file_size: number
  readonly file_hash: string
  readonly mime_type: string | null
  readonly uploaded_at: string | null
  readonly uploaded_by: string | null
  readonly deleted_at: string | null
  readonly is_deleted: number
}

interface DueRow {
  readonly cleanup_id: number
}

interface CleanupRow extends Pick<FileRow, "file_hash" | "file_id" | "session_id"> {
  readonly cleanup_reason: string
}

/** Fields made from a row need no second look, which would be half the cost of a list. */
const fromDatabase = { disableValidation: true }

const fieldsOf = (row: FileRow) => ({
  fileId: row.file_id,
  sessionId: row.session_id,
  name: row.original_filename,
  size: row.file_size,
  sha256: row.file_hash,
  mimeType: row.mime_type ?? "application/octet-stream",
  uploadedAt: row.uploaded_at === null ? null : isoOf(row.uploaded_at),
  uploadedBy: row.uploaded_by,
  deletedAt: row.deleted_at === null ? null : isoOf(row.deleted_at)
})

const timestampNow = Effect.map(Clock.currentTimeMillis, timestampOf)

/** A part of a name for LIKE, whose wildcards stand for themselves. */
const likePattern = (part: string): string => `%${part.normalize("NFC").replace(/[\\%_]/g, "\\$&")}%`
