/**
 * Follows changes of sessions as they happen. They are read from the audit trail. There each event has a number, and
 * events are committed in the order of their numbers, whichever process writes. So a reader who knows the last number
 * misses nothing and sees nothing twice. A statement outside a transaction waits for a running one, so no event is read
 * that may be rolled back. One watcher looks for new events and wakes the followers of their sessions. Each follower
 * reads from its own position, so nothing is buffered for slow ones.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type CurrentUser, type Forbidden, SessionEvent } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { othersTurn, ownTurn } from "./inTurns.ts"
import { Sessions } from "./Sessions.ts"
import { isoOf } from "./timestamp.ts"
import { WriteSignal } from "./WriteSignal.ts"

/** A follower of a session. */
export interface Follower {
  /** The number of the event after which it continues. */
  readonly position: number
  /** Finishes when there may be new events for it. */
  readonly news: Effect.Effect<void>
  /** Its next events, some at a time. Fails if the session is not the user's any more. */
  readonly take: Effect.Effect<ReadonlyArray<SessionEvent>, Forbidden | SqlError, CurrentUser>
}

export class SessionEvents extends Context.Tag("conversation-files/SessionEvents")<
  SessionEvents,
  {
    /** Follows a session after an event, or from now on, until the scope closes. */
    readonly follow: (
      sessionId: string,
      after: number | undefined
    ) => Effect.Effect<Follower, Forbidden | SqlError, CurrentUser | Scope.Scope>
  }
>() {
  static readonly layer: Layer.Layer<SessionEvents, never, AuditTrail | Sessions | SqlClient.SqlClient | WriteSignal> =
    Layer.scoped(
      SessionEvents,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { audited } = yield* AuditTrail
        const { mayUse } = yield* Sessions
        const ownWrite = yield* Effect.flatMap(WriteSignal, ({ listen }) => listen)
        const isFollowed = yield* Effect.makeLatch()
        const followers = new Map<string, Set<Effect.Latch>>()

        const lastEvent = Effect.map(
          sql<{ readonly last: number | null }>`SELECT max(event_id) AS last FROM audit_log`,
          ([row]) => row?.last ?? 0
        )

        const wake = (latches: Iterable<Effect.Latch>) =>
          Effect.forEach(latches, (latch) => latch.open, { discard: true })

        /** Wakes the followers of sessions with events after the last one seen. If there was none, wakes all. */
        const look = (seen: number | undefined): Effect.Effect<number, SqlError> =>
          Effect.gen(function* () {
            if (seen === undefined) {
              const last = yield* lastEvent
              for (const latches of followers.values()) yield* wake(latches)
              return last
            }
            const rows = yield* sql<{ readonly event_id: number; readonly session_id: string | null }>`
              SELECT event_id, session_id FROM audit_log WHERE event_id > ${seen} ORDER BY event_id LIMIT ${atOnce}`
            for (const sessionId of new Set(rows.map(({ session_id }) => session_id))) {
              yield* wake(followers.get(sessionId ?? "") ?? [])
            }
            const last = rows.at(-1)?.event_id ?? seen
            return rows.length < atOnce ? last : yield* Effect.zipRight(othersTurn, look(last))
          })

        yield* Effect.iterate(undefined as number | undefined, {
          while: () => true,
          body: (seen) =>
            Effect.gen(function* () {
              if (followers.size === 0) {
                yield* isFollowed.close
                // Somebody may begin to follow in between; they open the latch afterwards.
                if (followers.size === 0) yield* isFollowed.await
                return undefined
              }
              const last = yield* Effect.catchAll(look(seen), ({ message }) =>
                Effect.as(Effect.logWarning(`Cannot look for events: ${message}`), seen)
              )
              yield* Effect.raceFirst(ownWrite, Effect.sleep(interval))
              return last
            })
        }).pipe(Effect.forkScoped)

        const register = (sessionId: string, latch: Effect.Latch) =>
          Effect.acquireRelease(
            Effect.suspend(() => {
              const latches = followers.get(sessionId) ?? new Set()
              followers.set(sessionId, latches.add(latch))
              return isFollowed.open
            }),
            () =>
              Effect.sync(() => {
                const latches = followers.get(sessionId)
                latches?.delete(latch)
                if (latches?.size === 0) followers.delete(sessionId)
              })
          )

        return {
          follow: (sessionId, after) =>
            Effect.gen(function* () {
              yield* audited("watch", { sessionId })(mayUse(sessionId))
              const news = yield* Effect.makeLatch(true)
              yield* register(sessionId, news)
              const last = yield* lastEvent
              // A number that does not exist yet comes from another database.
              let position = Math.min(after ?? last, last)
              const events = Effect.suspend(
                () =>
                  sql<EventRow>`SELECT event_id, happened_at, actor, action, session_id, file_id, filename FROM audit_log
                    WHERE session_id = ${sessionId} AND event_id > ${position} AND outcome = 'done'
                      AND action NOT IN ('view', 'download')
                    ORDER BY event_id LIMIT ${atOnce}`
              )
              const follower: Follower = {
                position,
                news: news.await,
                take: Effect.gen(function* () {
                  // Many may follow what one write has changed.
                  yield* ownTurn
                  yield* news.close
                  const rows = yield* events
                  // Checked after the read: what another user does in the session once it is theirs must not be sent.
                  yield* audited("watch", { sessionId })(mayUse(sessionId))
                  const last = rows.at(-1)
                  if (last === undefined) return []
                  position = last.event_id
                  if (rows.length === atOnce) yield* news.open
                  return rows.map(eventOf)
                })
              }
              return follower
            })
        }
      })
    )
}

/** How many events are read at once. */
const atOnce = 200

/** How often the watcher looks for events of other processes. */
const interval = "500 millis"

interface EventRow {
  readonly event_id: number
  readonly happened_at: string
  readonly actor: string | null
  readonly action: string
  readonly session_id: string
  readonly file_id: string | null
  readonly filename: string | null
}

const eventOf = (row: EventRow): SessionEvent =>
  new SessionEvent({
    eventId: row.event_id,
    at: isoOf(row.happened_at),
    actor: row.actor,
    action: row.action,
    sessionId: row.session_id,
    fileId: row.file_id,
    name: row.filename
  })
