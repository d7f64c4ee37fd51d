/** Who did what, and who was refused what: an order of events that nothing is taken out of. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { DatabaseReady } from "../../layers/index.ts"
import { AuditEvent, AuditPage, CurrentUser } from "./Api.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

export type Action =
  | "upload"
  | "view"
  | "download"
  | "list"
  | "rename"
  | "delete"
  | "restore"
  | "expire"
  | "end"
  | "reopen"
  | "give"
  | "audit"
  | "authorize"

export interface About {
  readonly sessionId?: string | undefined
  readonly fileId?: string | undefined
  readonly filename?: string | undefined
}

/** The answers that refuse somebody something. Others, such as a busy database, refuse everybody. */
const refusals = new Set([
  "FileDeleted",
  "FileNotFound",
  "FileTooLarge",
  "Forbidden",
  "InvalidFileName",
  "InvalidUpload",
  "RangeNotSatisfiable",
  "SessionEnded",
  "TooManyRequests",
  "Unauthorized"
])

const refusedRequests = Metric.counter("conversation_files_refusals", {
  description: "Requests that were refused",
  incremental: true
})

export class AuditTrail extends Context.Tag("conversation-files/AuditTrail")<
  AuditTrail,
  {
    /** Records what the access log has no word for. */
    readonly done: (
      action: Action,
      about: About,
      details?: Readonly<Record<string, unknown>>
    ) => Effect.Effect<void, SqlError, CurrentUser>
    /** Records a refusal by its tag, in a transaction of its own; what is none is not recorded. */
    readonly refused: (action: Action, about: About, reason: string) => Effect.Effect<void>
    /** Records how an effect is refused, with the session of the file where there is one. */
    readonly audited: (
      action: Action,
      about: About
    ) => <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
    /** The events of a session, oldest first. */
    readonly events: (
      sessionId: string,
      page: { readonly after: number; readonly limit: number }
    ) => Effect.Effect<AuditPage, SqlError>
  }
>() {
  static readonly layer: Layer.Layer<AuditTrail, never, DatabaseReady | SqlClient.SqlClient> = Layer.effect(
    AuditTrail,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* DatabaseReady

      const record = Effect.fnUntraced(function* (event: {
        readonly actor: string | null
        readonly action: Action
        readonly outcome: "done" | "refused"
        readonly reason: string | null
        readonly about: About
        readonly details: string | null
      }) {
        const { about, ...columns } = event
        yield* sql`INSERT INTO audit_log ${sql.insert({
          ...columns,
          happened_at: timestampOf(yield* Clock.currentTimeMillis),
          // Of a file that is there its session is known, so that the session's trail has the refusal too.
          session_id: about.sessionId ?? null,
          file_id: about.fileId ?? null,
          filename: about.filename ?? null
        })}`
        if (about.sessionId === undefined && about.fileId !== undefined) {
          yield* sql`UPDATE audit_log SET (session_id, filename) =
            (SELECT session_id, original_filename FROM conversation_files WHERE file_id = ${about.fileId})
            WHERE event_id = last_insert_rowid()`
        }
      })

      const refused: AuditTrail["Type"]["refused"] = (action, about, reason) =>
        refusals.has(reason)
          ? Effect.serviceOption(CurrentUser).pipe(
              Effect.map((user) => Option.getOrNull(Option.map(user, ({ name }) => name))),
              Effect.flatMap((actor) =>
                write(record({ actor, action, outcome: "refused", reason, about, details: null }))
              ),
              Effect.zipRight(Metric.increment(Metric.tagged(refusedRequests, "reason", reason))),
              // The refusal stands, whether or not it could be recorded.
              Effect.catchAll((error) => Effect.logError(`A refusal could not be recorded: ${error.message}`))
            )
          : Effect.void

      return {
        done: (action, about, details) =>
          Effect.flatMap(CurrentUser, ({ name }) =>
            record({
              actor: name,
              action,
              outcome: "done",
              reason: null,
              about,
              details: details === undefined ? null : JSON.stringify(details)
            })
          ),
        refused,
        audited: (action, about) => (effect) => Effect.tapError(effect, ({ _tag }) => refused(action, about, _tag)),
        events: (sessionId, { after, limit }) =>
          Effect.map(
            sql<EventRow>`SELECT event_id, happened_at, actor, action, outcome, reason, file_id, filename, details
              FROM audit_log WHERE session_id = ${sessionId} AND event_id > ${after} ORDER BY event_id LIMIT ${limit + 1}`,
            (rows) => {
              const events = rows.slice(0, limit).map(eventOf)
              return new AuditPage({ events, next: rows.length > limit ? (events.at(-1)?.eventId ?? null) : null })
            }
          )
      }
    })
  )
}

interface EventRow {
  readonly event_id: number
  readonly happened_at: string
  readonly actor: string | null
  readonly action: string
  readonly outcome: "done" | "refused"
  readonly reason: string | null
  readonly file_id: string | null
  readonly filename: string | null
  readonly details: string | null
}

const eventOf = (row: EventRow): AuditEvent =>
  new AuditEvent({
    eventId: row.event_id,
    at: isoOf(row.happened_at),
    actor: row.actor,
    action: row.action,
    outcome: row.outcome,
    reason: row.reason,
    fileId: row.file_id,
    filename: row.filename,
    details: row.details
  })
