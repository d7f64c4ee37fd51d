/** What will be deleted and when, in a user's sessions or in all: next due first, page by page. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import type { Fragment } from "@effect/sql/Statement"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { CleanupCursor, CleanupPage, CurrentUser, PlannedCleanup } from "./Api.ts"
import { cursorOf } from "./Cursor.ts"
import { dialect } from "./Dialect.ts"
import { fromDatabase, isUsedElsewhere } from "./FileRow.ts"
import { ownTurn } from "./inTurns.ts"
import { isoOf } from "./timestamp.ts"

export interface CleanupsRequest {
  readonly limit: number
  /** The `next` of the previous page. */
  readonly after?: string | undefined
}

export class CleanupList extends Context.Tag("conversation-files/CleanupList")<
  CleanupList,
  {
    readonly page: (request: CleanupsRequest) => Effect.Effect<CleanupPage, SqlError, CurrentUser>
    /** How many are due by then (a time as stored), counted in steps. */
    readonly countUntil: (time: string) => Effect.Effect<number, SqlError, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<CleanupList, never, SqlClient.SqlClient> = Layer.effect(
    CleanupList,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const file = sql.literal("cf.file_id, cf.original_filename, cf.session_id, cf.file_size, cf.is_deleted")
      const usedElsewhere = sql.literal(isUsedElsewhere)
      const { firstKey, firstTime, indexedBy, join, key, timeOf } = yield* dialect
      const entry = sql.literal("q.cleanup_id")
      const expiry = key("fe", "file_id")
      const session = key("es", "session_id")
      const ofSession = key("cf", "file_id")
      const beginning: Position = [firstTime, 0, -1, 0]

      /** What a source has behind a position, which may be in another source: these follow each other at each moment. */
      const behind = (kind: Position[1], time: string, row: Fragment, [due, last, first]: Position) => {
        const dueAt = sql.literal(time)
        if (kind !== last) return sql`${dueAt} ${sql.literal(kind < last ? ">" : ">=")} ${due}`
        return sql`(${dueAt}, ${row}) > (${due}, ${first})`
      }

      // Each statement starts at an index of times and stops at its limit, whatever it finds: rows that do not count are
      // marked, not left out. CROSS JOIN and LEFT JOIN make SQLite keep that order
      // (https://sqlite.org/optoverview.html#crossjoin).
      const sources = Effect.map(CurrentUser, ({ isAdministrator, name }) => {
        const whose = (column: string) => (isAdministrator ? sql`` : sql`${sql.literal(column)} = ${name} AND`)
        /** Files of sessions that have ended; those with an expiry of their own do not count. */
        const isEnding = sql`cf.file_id IS NOT NULL AND NOT ${usedElsewhere}
          AND NOT EXISTS (SELECT 1 FROM file_expiries fe WHERE fe.file_id = cf.file_id)`
        return {
          /** If a file has several entries, the last one counts. */
          queued: (position: Position, most: number) => sql<LookedAtRow>`
            SELECT 0 AS kind, q.scheduled_deletion_time AS due_at, q.cleanup_id AS first, 0 AS second, ${file},
              NOT EXISTS (
                SELECT 1 FROM file_cleanup_queue later ${indexedBy("idx_cleanup_queue_file")}
                WHERE later.file_id = q.file_id AND later.is_processed = 0
                  AND (later.scheduled_deletion_time, later.cleanup_id) > (q.scheduled_deletion_time, q.cleanup_id)
              ) AS is_planned
            FROM file_cleanup_queue q ${join} conversation_files cf ON cf.file_id = q.file_id
            WHERE ${whose("q.owner")} q.is_processed = 0 AND ${behind(0, "q.scheduled_deletion_time", entry, position)}
            ORDER BY q.scheduled_deletion_time, q.cleanup_id LIMIT ${most}`,
          expiring: (position: Position, most: number) => sql<LookedAtRow>`
            SELECT 1 AS kind, fe.expires_at AS due_at, ${expiry} AS first, 0 AS second, ${file},
              cf.is_deleted = 0 AS is_planned
            FROM file_expiries fe ${join} conversation_files cf ON cf.file_id = fe.file_id
            WHERE ${whose("fe.owner")} fe.expires_at IS NOT NULL AND ${behind(1, "fe.expires_at", expiry, position)}
            ORDER BY fe.expires_at, ${expiry} LIMIT ${most}`,
          /** A session without such files is a row too, because it was looked at. */
          ending: (position: Position, most: number) => sql<LookedAtRow>`
            SELECT 2 AS kind, es.expires_at AS due_at, ${session} AS first, coalesce(${ofSession}, ${firstKey}) AS second,
              ${file},
              ${isEnding} AS is_planned
            FROM ended_sessions es
            LEFT JOIN conversation_files cf ON cf.session_id = es.session_id AND cf.is_deleted = 0
            WHERE ${whose("es.owner")} es.expires_at IS NOT NULL AND ${behind(2, "es.expires_at", session, position)}
            ORDER BY es.expires_at, ${session}, ${ofSession} LIMIT ${most}`,
          /** The rest of the session in which the previous look ended. */
          endingToo: ([due, , first, second]: Position, most: number) => sql<LookedAtRow>`
            SELECT 2 AS kind, es.expires_at AS due_at, ${session} AS first, ${ofSession} AS second, ${file},
              ${isEnding} AS is_planned
            FROM ended_sessions es
            ${join} conversation_files cf ON cf.session_id = es.session_id AND cf.is_deleted = 0
            WHERE ${whose("es.owner")} ${session} = ${first} AND es.expires_at = ${due} AND ${ofSession} > ${second}
            ORDER BY ${ofSession} LIMIT ${most}`
        }
      })

      /** Where a client continues. Entries of the queue have numbers on both engines. */
      const given = ([due, kind, first, second]: Position): Position => [
        String(timeOf(due)),
        kind,
        kind === 0 && typeof first === "string" ? 0 : first,
        second
      ]

      /** At most so many rows from a position on, and where the rest begins; undefined if there is none. */
      const look = Effect.fnUntraced(function* (position: Position, most: number) {
        const { ending, endingToo, expiring, queued } = yield* sources
        yield* ownTurn
        const rows = (yield* Effect.all([
          queued(position, most + 1),
          expiring(position, most + 1),
          position[1] === 2 ? endingToo(position, most + 1) : Effect.succeed([]),
          ending(position, most + 1)
        ]))
          .flat()
          .sort(inOrder)
        const some = rows.slice(0, most)
        const last = rows.length > most ? some.at(-1) : undefined
        return { some, next: last && positionOf(last) }
      })

      const page = Effect.fnUntraced(function* (begin: Position, limit: number) {
        const found: Array<PlannedRow> = []
        let position = begin
        // Mostly all that is looked at counts.
        let most = limit
        for (let looks = 0; looks < mostLooks; looks += 1) {
          const { next, some } = yield* look(position, most)
          for (const row of some) {
            // There is one more, so the page ends before it.
            if (isPlanned(row)) {
              if (found.length === limit) return { found, next: position }
              found.push(row)
            }
            position = positionOf(row)
          }
          if (next === undefined) return { found, next }
          most = atOnce
        }
        return { found, next: position }
      })

      const countFrom = (position: Position, time: string): Effect.Effect<number, SqlError, CurrentUser> =>
        Effect.flatMap(look(position, atOnce), ({ next, some }) => {
          const due = some.filter((row) => isPlanned(row) && row.due_at <= time).length
          return next === undefined || next[0] > time
            ? Effect.succeed(due)
            : Effect.map(countFrom(next, time), (rest) => due + rest)
        })

      return {
        page: Effect.fnUntraced(function* ({ after, limit }) {
          const position = Option.match(Option.flatMap(Option.fromNullable(after), CleanupCursor.read), {
            onNone: () => beginning,
            onSome: given
          })
          const { found, next } = yield* page(position, limit)
          return new CleanupPage({
            cleanups: found.map(cleanupOf),
            next: next === undefined ? null : cursorOf(next)
          })
        }),

        countUntil: (time) => countFrom(beginning, time)
      }
    })
  )
}

interface LookedAt {
  /** The source; it also orders entries due at the same moment. */
  readonly kind: Position[1]
  readonly due_at: string
  readonly first: Key
  readonly second: Key
}

interface UnplannedRow extends LookedAt {
  readonly is_planned: 0
}

interface PlannedRow extends LookedAt {
  readonly is_planned: 1
  readonly file_id: string
  readonly original_filename: string
  readonly session_id: string
  readonly file_size: number
  readonly is_deleted: number
}

type LookedAtRow = PlannedRow | UnplannedRow

const isPlanned = (row: LookedAtRow): row is PlannedRow => row.is_planned === 1

type Position = Option.Option.Value<ReturnType<typeof CleanupCursor.read>>
type Key = Position[2]

const positionOf = ({ due_at, first, kind, second }: LookedAt): Position => [due_at, kind, first, second]

/** How many rows are looked at in one turn, if not all of them count. */
const atOnce = 200

/** How many turns one request may take. Then its page ends, however little it has found, and the next page continues. */
const mostLooks = 25

/** Each source is in the order of its keys already, which a sort keeps. */
const inOrder = (one: LookedAt, other: LookedAt): number => {
  if (one.due_at !== other.due_at) return one.due_at < other.due_at ? -1 : 1
  return one.kind - other.kind
}

const cleanupOf = (row: PlannedRow): PlannedCleanup => {
  const forGood = row.is_deleted === 1
  return new PlannedCleanup(
    {
      fileId: row.file_id,
      name: row.original_filename,
      sessionId: row.session_id,
      size: row.file_size,
      dueAt: isoOf(row.due_at),
      reason: forGood ? "retention" : row.kind === 2 ? "session_ended" : "expired",
      forGood
    },
    fromDatabase
  )
}
