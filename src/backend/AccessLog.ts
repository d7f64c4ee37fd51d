/**
 * Views and downloads on record. Reading waits for no log: what cannot be written at once, because another process
 * writes or the disk is full, is written when it can. Those of one moment are one transaction.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseReady } from "../../layers/index.ts"
import type { FileRow } from "./FileRow.ts"
import { timestampOf } from "./timestamp.ts"

export interface Reading {
  readonly file: Pick<FileRow, "file_id" | "original_filename" | "session_id">
  readonly access: "view" | "download"
  readonly by: string
  readonly details: Readonly<Record<string, unknown>>
}

/** So many wait at most; the oldest are lost then, and that is said. */
const mostWaiting = 10_000

/** So many are written in one transaction. */
const most = 500

export class AccessLog extends Context.Tag("conversation-files/AccessLog")<
  AccessLog,
  {
    /** On record when this is done, or as soon as it can be. */
    readonly record: (reading: Reading) => Effect.Effect<void>
    /** How many wait to be written, and how many were lost. */
    readonly state: Effect.Effect<{ readonly waiting: number; readonly lost: number }>
  }
>() {
  /** Writes what still waits when the scope closes. */
  static readonly layer: Layer.Layer<AccessLog, never, DatabaseReady | SqlClient.SqlClient> = Layer.scoped(
    AccessLog,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* DatabaseReady
      const waiting: Array<{ readonly row: string; readonly written: Deferred.Deferred<void> }> = []
      const isWaiting = yield* Effect.makeLatch()
      let isBlocked = false
      let lost = 0

      // What is read and deleted before it could be written is told of by the audit trail, which needs no file.
      const insert = (rows: string) =>
        write(
          Effect.zipRight(
            sql`INSERT INTO audit_log (happened_at, actor, action, session_id, file_id, filename, details)
              SELECT value->>'at', value->>'by', value->>'access', value->>'session', value->>'file', value->>'name',
                value->>'details'
              FROM json_each(${rows})
              WHERE NOT EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.file_id = value->>'file')`,
            sql`INSERT INTO file_access_log (file_id, access_type, accessed_by, accessed_at, access_metadata)
              SELECT value->>'file', value->>'access', value->>'by', value->>'at', value->>'details'
              FROM json_each(${rows})
              WHERE EXISTS (SELECT 1 FROM conversation_files cf WHERE cf.file_id = value->>'file')`
          )
        )

      const writeSome = Effect.gen(function* () {
        const some = waiting.slice(0, most)
        yield* insert(`[${some.map(({ row }) => row).join(",")}]`)
        // Those that were lost meanwhile are not there any more.
        const written = new Set(some)
        waiting.splice(0, waiting.length, ...waiting.filter((one) => !written.has(one)))
        yield* Effect.forEach(some, (one) => Deferred.succeed(one.written, undefined), { discard: true })
        isBlocked = false
      })

      const writeAll = Effect.repeat(
        Effect.suspend(() => (waiting.length === 0 ? Effect.void : writeSome)),
        { until: () => waiting.length === 0 }
      )

      yield* Effect.addFinalizer(() =>
        Effect.catchAll(writeAll, ({ message }) =>
          Effect.logError(`${waiting.length} views and downloads could not be recorded: ${message}`)
        )
      )
      yield* isWaiting.await.pipe(
        Effect.zipRight(isWaiting.close),
        Effect.zipRight(writeAll),
        Effect.catchAll(({ message }) =>
          Effect.suspend(() => {
            const isNews = !isBlocked
            isBlocked = true
            return isNews
              ? Effect.logWarning(`Views and downloads are recorded later, it cannot be done now: ${message}`)
              : Effect.void
          }).pipe(Effect.zipRight(Effect.sleep("1 second")), Effect.zipRight(isWaiting.open))
        ),
        Effect.forever,
        Effect.forkScoped
      )

      return {
        record: Effect.fnUntraced(function* ({ access, by, details, file }) {
          const row = JSON.stringify({
            file: file.file_id,
            session: file.session_id,
            name: file.original_filename,
            access,
            by,
            at: timestampOf(yield* Clock.currentTimeMillis),
            details: JSON.stringify(details)
          })
          const written = yield* Deferred.make<void>()
          waiting.push({ row, written })
          if (waiting.length > mostWaiting) {
            waiting.shift()
            lost += 1
            if (lost === 1)
              yield* Effect.logError(`${mostWaiting} views and downloads wait to be recorded: the oldest are lost`)
          }
          yield* isWaiting.open
          if (isBlocked) return
          yield* Deferred.await(written).pipe(
            Effect.timeoutOption("100 millis"),
            Effect.tap((done) => {
              if (done._tag === "None") isBlocked = true
            })
          )
        }),
        state: Effect.sync(() => ({ waiting: waiting.length, lost }))
      }
    })
  )
}
