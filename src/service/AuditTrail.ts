/** The audit trail: who did what, and who was refused. Events stay in order, and none is ever removed. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { AuditEvent, AuditPage, CurrentUser } from "./Api.ts"
import { Database } from "./Database.ts"
import { dialect } from "./Dialect.ts"
import { lateWriter } from "./LateWriter.ts"
import { Refusals } from "./Refusals.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

export type Action =
  | "upload"
  | "view"
  | "download"
  | "list"
  | "rename"
  | "change"
  | "copy"
  | "move"
  | "watch"
  | "delete"
  | "restore"
  | "expire"
  | "end"
  | "reopen"
  | "give"
  | "rebuild"
  | "experiment"
  | "report"
  | "audit"

export interface About {
  readonly sessionId?: string | undefined
  readonly fileId?: string | undefined
  readonly filename?: string | undefined
}

/** The answers that refuse one caller. Others, such as a busy database, refuse everybody and are not recorded. */
const refusals = new Set([
  "FileDeleted",
  "FileNotFound",
  "FileTooLarge",
  "Forbidden",
  "InvalidFileName",
  "InvalidUpload",
  "PreconditionFailed",
  "PreconditionRequired",
  "QuotaExceeded",
  "RangeNotSatisfiable",
  "SessionEnded",
  "TooManyFiles",
  "TooManyRequests",
  "Unauthorized",
  "UnsupportedMediaType"
])

/** How many refusals of one user are listed per minute. All of them are counted. */
const mostAMinute = 100

export class AuditTrail extends Context.Tag("conversation-files/AuditTrail")<
  AuditTrail,
  {
    /** Records an action that the access log has no word for. */
    readonly done: (
      action: Action,
      about: About,
      details?: Readonly<Record<string, unknown>>
    ) => Effect.Effect<void, SqlError, CurrentUser>
    /**
     * Counts a refusal by its tag. Records it too, but the same refusal only once a minute. Ignores tags that are not
     * refusals. Finishes when it is recorded, or earlier if that must wait.
     */
    readonly refused: (action: Action, about: About, reason: string) => Effect.Effect<void>
    /** Records a refusal of this effect, with the session of the file if there is one. */
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
  static readonly layer: Layer.Layer<AuditTrail, never, Database | Refusals | SqlClient.SqlClient> = Layer.scoped(
    AuditTrail,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const { count } = yield* Refusals
      const { elements, timeIn } = yield* dialect

      const record = Effect.fnUntraced(function* (event: {
        readonly actor: string | null
        readonly action: Action
        readonly about: About
        readonly details: string | null
      }) {
        const { about, ...columns } = event
        yield* sql`INSERT INTO audit_log ${sql.insert({
          ...columns,
          happened_at: timestampOf(yield* Clock.currentTimeMillis),
          session_id: about.sessionId ?? null,
          file_id: about.fileId ?? null,
          filename: about.filename ?? null
        })}`
      })

      // If the file exists, its session is known: then the refusal is also in the session's trail.
      const late = yield* lateWriter("refusals", (rows) =>
        write(
          sql`INSERT INTO audit_log
              (happened_at, actor, action, outcome, reason, session_id, file_id, filename)
            SELECT ${timeIn("value->>'at'")}, value->>'actor', value->>'action', 'refused', value->>'reason',
              coalesce(value->>'sessionId', cf.session_id), value->>'fileId',
              coalesce(value->>'filename', cf.original_filename)
            FROM ${elements(rows)} LEFT JOIN conversation_files cf ON cf.file_id = value->>'fileId' ORDER BY key`
        )
      )

      let recorded = { minute: 0, refusals: new Map<string | null, Set<string>>() }

      /** Whether it is the first of its kind in this minute and its actor has not had too many. */
      const isNews = (now: number, actor: string | null, refusal: string): boolean => {
        const minute = Math.floor(now / 60_000)
        if (recorded.minute !== minute) recorded = { minute, refusals: new Map() }
        const ofActor = recorded.refusals.get(actor) ?? new Set()
        recorded.refusals.set(actor, ofActor)
        if (ofActor.has(refusal) || ofActor.size >= mostAMinute) return false
        ofActor.add(refusal)
        return true
      }

      const refused = Effect.fnUntraced(function* (action: Action, about: About, reason: string) {
        if (!refusals.has(reason)) return
        yield* count(reason)
        const user = yield* Effect.serviceOption(CurrentUser)
        const actor = Option.getOrNull(Option.map(user, ({ name }) => name))
        const now = yield* Clock.currentTimeMillis
        if (!isNews(now, actor, JSON.stringify([action, about, reason]))) return
        yield* late.record([JSON.stringify({ at: timestampOf(now), actor, action, reason, ...about })])
      })

      return {
        done: (action, about, details) =>
          Effect.flatMap(CurrentUser, ({ name }) =>
            record({
              actor: name,
              action,
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
    name: row.filename,
    details: row.details
  })
