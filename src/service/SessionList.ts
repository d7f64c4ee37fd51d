/** The sessions of a user, or of all: last changed first, page by page. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CurrentUser, Forbidden, SessionCursor, SessionPage } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { cursorOf } from "./Cursor.ts"
import { dialect } from "./Dialect.ts"
import { othersTurn } from "./inTurns.ts"
import { type SessionRow, sessionColumns, summaryOf } from "./SessionRow.ts"

export interface SessionsRequest {
  readonly limit: number
  /** The `next` of the previous page. */
  readonly after?: string | undefined
  /** Part of the id. */
  readonly name?: string | undefined
  /** The owner; an administrator may ask for anyone's. */
  readonly owner?: string | undefined
  readonly state?: "open" | "ended" | undefined
}

/** How many sessions a search reads with one statement, so that others get their turn in between. */
const atOnce = 500

/**
 * How many statements one request may use. Then its page ends, however little it has found, and the next page
 * continues.
 */
const mostLooks = 10

export class SessionList extends Context.Tag("conversation-files/SessionList")<
  SessionList,
  {
    /**
     * The user's own sessions, or all for an administrator. A session that changes meanwhile moves to the front: it is
     * never seen twice, and is missed if the pages had not reached it. All others are seen once.
     */
    readonly page: (request: SessionsRequest) => Effect.Effect<SessionPage, Forbidden | SqlError, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<SessionList, never, AuditTrail | SqlClient.SqlClient> = Layer.effect(
    SessionList,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { audited } = yield* AuditTrail
      const { byBytes, timeOf } = yield* dialect
      const columns = sql.literal(sessionColumns)

      /** The owner whose sessions are listed; undefined is all. */
      const ownerFor = Effect.fnUntraced(function* (asked: string | undefined) {
        const { isAdministrator, name } = yield* CurrentUser
        if (isAdministrator) return asked
        if (asked !== undefined && asked !== name) {
          return yield* new Forbidden({ message: "Only an administrator may list the sessions of others." })
        }
        return name
      })

      const rowsBehind = (position: Option.Option<Position>, owner: string | undefined, most: number) => {
        const conditions = [
          ...Option.toArray(position).map(
            ([changedAt, sessionId]) =>
              sql`(ss.changed_at, ss.session_id ${byBytes}) < (${timeOf(changedAt)}, ${sessionId})`
          ),
          ...(owner === undefined ? [] : [sql`ss.owner = ${owner}`])
        ]
        return sql<ListedRow>`
          SELECT ss.session_id, ${columns} FROM session_summaries ss
          LEFT JOIN ended_sessions es ON es.session_id = ss.session_id
          ${conditions.length === 0 ? sql`` : sql`WHERE ${sql.and(conditions)}`}
          ORDER BY ss.changed_at DESC, ss.session_id ${byBytes} DESC LIMIT ${most}`
      }

      const page = Effect.fnUntraced(function* ({ after, limit, name, owner, state }: SessionsRequest) {
        const whose = yield* ownerFor(owner)
        const part = name?.toLowerCase()
        const isMeant = ({ ended_at, session_id }: ListedRow) =>
          (part === undefined || session_id.toLowerCase().includes(part)) &&
          (state === undefined || (state === "ended") === (ended_at !== null))
        const most = part === undefined && state === undefined ? limit + 1 : atOnce
        let position = Option.flatMap(Option.fromNullable(after), SessionCursor.read)
        const found: Array<ListedRow> = []
        for (let looks = 0; looks < mostLooks; looks += 1) {
          if (most === atOnce) yield* othersTurn
          const rows = yield* rowsBehind(position, whose, most)
          for (const row of rows) {
            if (isMeant(row)) {
              // There is one more, so the page ends before it.
              if (found.length === limit) return pageOf(found, position)
              found.push(row)
            }
            position = Option.some([row.changed_at, row.session_id])
          }
          if (rows.length < most) return pageOf(found, Option.none())
        }
        return pageOf(found, position)
      })

      return { page: (request) => page(request).pipe(audited("list", {})) }
    })
  )
}

interface ListedRow extends SessionRow {
  readonly session_id: string
  readonly changed_at: string
}

type Position = Option.Option.Value<ReturnType<typeof SessionCursor.read>>

const pageOf = (rows: ReadonlyArray<ListedRow>, position: Option.Option<Position>): SessionPage =>
  new SessionPage({
    sessions: rows.map((row) => summaryOf(row.session_id, row)),
    next: Option.getOrNull(Option.map(position, cursorOf))
  })
