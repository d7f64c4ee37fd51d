/** Who owns a session, and whether it is open. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentUser, Forbidden, SessionEnded, type SessionSummary } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { Database } from "./Database.ts"
import { DueTime } from "./DueTime.ts"
import { timestampNow } from "./FileRow.ts"
import { handOver } from "./Handover.ts"
import { type SessionRow, sessionColumns, summaryOf } from "./SessionRow.ts"
import { Settings } from "./Settings.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

type Write<E = never> = Effect.Effect<SessionSummary, Forbidden | SqlError | E, CurrentUser>

export class Sessions extends Context.Tag("conversation-files/Sessions")<
  Sessions,
  {
    /** Fails if the session belongs to another user. */
    readonly mayUse: (sessionId: string) => Effect.Effect<void, Forbidden | SqlError, CurrentUser>
    /** The same, and fails if it has ended. Returns whether it has an owner. */
    readonly mayAdd: (
      sessionId: string
    ) => Effect.Effect<{ readonly hasOwner: boolean }, Forbidden | SessionEnded | SqlError, CurrentUser>
    /** Makes the user the owner if there is none, within a transaction. */
    readonly claim: (sessionId: string) => Effect.Effect<void, SqlError, CurrentUser>
    readonly state: (sessionId: string) => Write
    /** Ends it. Its files are deleted after the time in the settings. A session without files loses its owner. */
    readonly end: (sessionId: string) => Write
    /** Undoes its end, for files that were not deleted yet. */
    readonly reopen: (sessionId: string) => Write
    /** Gives it to another user; for administrators. */
    readonly giveTo: (sessionId: string, owner: string) => Write
  }
>() {
  static readonly layer: Layer.Layer<
    Sessions,
    never,
    AuditTrail | Database | DueTime | Settings | SqlClient.SqlClient
  > = Layer.effect(
    Sessions,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const audit = yield* AuditTrail
      const { sessionRetention } = yield* Settings
      const { latest } = yield* DueTime
      const handOverPlanned = yield* handOver

      /**
       * A session that is used but has no owner comes from a program without owners: it belongs to the administrators.
       */
      const mayUse = Effect.fnUntraced(function* (sessionId: string) {
        const user = yield* CurrentUser
        if (user.isAdministrator) return
        // One statement, because it sees one moment. Between two, another process may take the session for this same
        // user.
        const [session] = yield* sql<Use>`
          SELECT (SELECT owner FROM session_owners WHERE session_id = ${sessionId}) AS owner,
            EXISTS (SELECT 1 FROM conversation_files WHERE session_id = ${sessionId}) AS is_used`
        if (!isUsersOrFree(session, user.name)) return yield* notYours(sessionId)
      })

      const mayAdd = Effect.fnUntraced(function* (sessionId: string) {
        const user = yield* CurrentUser
        const [session] = yield* sql<AddedTo>`
          SELECT (SELECT owner FROM session_owners WHERE session_id = ${sessionId}) AS owner,
            EXISTS (SELECT 1 FROM conversation_files WHERE session_id = ${sessionId}) AS is_used,
            (SELECT ended_at FROM ended_sessions WHERE session_id = ${sessionId}) AS ended_at`
        if (!user.isAdministrator && !isUsersOrFree(session, user.name)) return yield* notYours(sessionId)
        if (session !== undefined && session.ended_at !== null) {
          return yield* new SessionEnded({
            endedAt: isoOf(session.ended_at),
            message: `The session ${sessionId} has ended. Reopen it first.`
          })
        }
        return { hasOwner: session !== undefined && session.owner !== null }
      })

      const claim = Effect.fnUntraced(function* (sessionId: string) {
        const { isAdministrator, name } = yield* CurrentUser
        const at = yield* timestampNow
        // Nobody else may write to a session that has files but no owner.
        if (isAdministrator) yield* handOverPlanned(sessionId, null, name)
        yield* sql`INSERT INTO session_owners (session_id, owner, claimed_at) VALUES (${sessionId}, ${name}, ${at})
          ON CONFLICT (session_id) DO NOTHING`
      })

      const summary = (sessionId: string) =>
        Effect.map(
          sql<SessionRow>`SELECT ${sql.literal(sessionColumns)} FROM (SELECT 1) AS one
              LEFT JOIN session_summaries ss ON ss.session_id = ${sessionId}
              LEFT JOIN ended_sessions es ON es.session_id = ${sessionId}`,
          ([row]) => summaryOf(sessionId, row)
        )

      const endSession = Effect.fnUntraced(function* (sessionId: string) {
        const { name } = yield* CurrentUser
        const now = yield* Clock.currentTimeMillis
        const isUsed = yield* sql`SELECT 1 FROM conversation_files WHERE session_id = ${sessionId} LIMIT 1`
        if (isUsed.length === 0) {
          yield* sql`DELETE FROM session_owners WHERE session_id = ${sessionId}`
          yield* sql`DELETE FROM ended_sessions WHERE session_id = ${sessionId}`
        } else {
          yield* sql`INSERT INTO ended_sessions ${sql.insert({
            session_id: sessionId,
            ended_at: timestampOf(now),
            ended_by: name,
            expires_at: timestampOf((yield* latest) + Duration.toMillis(sessionRetention))
          })} ON CONFLICT (session_id) DO NOTHING`
        }
        yield* audit.done("end", { sessionId })
      })

      const give = Effect.fnUntraced(function* (sessionId: string, to: string) {
        const at = yield* timestampNow
        const [session] = yield* sql<Pick<Use, "owner">>`
          SELECT owner FROM session_owners WHERE session_id = ${sessionId}`
        yield* handOverPlanned(sessionId, session?.owner ?? null, to)
        yield* sql`INSERT INTO session_owners (session_id, owner, claimed_at) VALUES (${sessionId}, ${to}, ${at})
          ON CONFLICT (session_id) DO UPDATE SET owner = excluded.owner, claimed_at = excluded.claimed_at`
        yield* audit.done("give", { sessionId }, { to })
      })

      /** Changes a session of somebody who may use it, and returns its new state. */
      const changeSession = <E>(sessionId: string, change: Effect.Effect<void, E, CurrentUser>) =>
        write(mayUse(sessionId).pipe(Effect.zipRight(change), Effect.zipRight(summary(sessionId))))

      return {
        mayUse,
        mayAdd,
        claim,
        state: (sessionId) =>
          mayUse(sessionId).pipe(audit.audited("view", { sessionId }), Effect.zipRight(summary(sessionId))),
        end: (sessionId) => changeSession(sessionId, endSession(sessionId)).pipe(audit.audited("end", { sessionId })),
        reopen: (sessionId) =>
          changeSession(
            sessionId,
            Effect.zipRight(
              sql`DELETE FROM ended_sessions WHERE session_id = ${sessionId}`,
              audit.done("reopen", { sessionId })
            )
          ).pipe(audit.audited("reopen", { sessionId })),
        giveTo: (sessionId, owner) =>
          CurrentUser.pipe(
            Effect.filterOrFail(
              ({ isAdministrator }) => isAdministrator,
              () => new Forbidden({ message: "Only an administrator may give a session to another user." })
            ),
            Effect.zipRight(changeSession(sessionId, give(sessionId, owner))),
            audit.audited("give", { sessionId })
          )
      }
    })
  )
}

interface Use {
  readonly owner: string | null
  readonly is_used: 0 | 1
}

interface AddedTo extends Use {
  readonly ended_at: string | null
}

const isUsersOrFree = (session: Use | undefined, user: string): boolean =>
  session?.owner === user || (session?.owner === null && session.is_used === 0)

const notYours = (sessionId: string) => new Forbidden({ message: `The session ${sessionId} is not yours.` })
