/**
 * Limits what may be stored: by one user in all their sessions, and by all users together. Deleted files count until
 * they are gone for good. Each file counts with all its bytes, even if its content is stored once for several. What one
 * user may store must not depend on what others delete.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { CurrentUser, QuotaExceeded } from "./Api.ts"
import { Settings } from "./Settings.ts"

export interface Amount {
  readonly files: number
  readonly bytes: number
}

/** What is added to a session. A negative amount is always allowed. */
export interface Growth extends Amount {
  /** The session that the file is moved out of, if it was already stored. */
  readonly movedFrom?: string | undefined
}

/** The most bytes that a new file may have, and the refusal of a longer one. */
export interface Room {
  readonly bytes: number
  readonly refusal: QuotaExceeded
}

export class Quota extends Context.Tag("conversation-files/Quota")<
  Quota,
  {
    /**
     * Fails if a session would hold more than its owner may, or all together more than all may. A session without an
     * owner counts as the user's. Before a body is read this is only a look; within `write` nobody comes in between.
     */
    readonly mayGrow: (sessionId: string, growth: Growth) => Effect.Effect<void, QuotaExceeded | SqlError, CurrentUser>
    /** How long a file may be that is added to a session now, or replaces so many bytes; undefined is any length. */
    readonly room: (sessionId: string, replaced?: number) => Effect.Effect<Room | undefined, SqlError, CurrentUser>
    /** What the user has, and may have; null is unlimited. */
    readonly own: Effect.Effect<
      { readonly usage: Amount; readonly quota: { readonly files: number | null; readonly bytes: number | null } },
      SqlError,
      CurrentUser
    >
  }
>() {
  static readonly layer: Layer.Layer<Quota, never, Settings | SqlClient.SqlClient> = Layer.effect(
    Quota,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const settings = yield* Settings
      const limits = {
        user: { files: settings.userQuotaFiles, bytes: settings.userQuotaBytes },
        total: { files: settings.totalQuotaFiles, bytes: settings.totalQuotaBytes }
      }
      const isLimited = (quota: "user" | "total") =>
        Option.isSome(limits[quota].files) || Option.isSome(limits[quota].bytes)

      const ownerOf = (sessionId: string) =>
        Effect.map(
          sql<{ readonly owner: string }>`SELECT owner FROM session_owners WHERE session_id = ${sessionId}`,
          ([row]) => row?.owner
        )

      const usageOf = (owner: string) =>
        Effect.map(
          sql<Amount>`SELECT files + deleted_files AS files, bytes + deleted_bytes AS bytes
            FROM owner_usage WHERE owner = ${owner}`,
          ([row]): Amount => row ?? nothing
        )

      const usageOfAll = Effect.map(
        sql<Amount>`SELECT files + deleted_files AS files, bytes + deleted_bytes AS bytes FROM storage_summary`,
        ([row]): Amount => row ?? nothing
      )

      /** How much each quota leaves, for the quotas that are set. */
      const left = Effect.fnUntraced(function* (sessionId: string, movedFrom?: string) {
        const rooms: Array<Left> = []
        const add = (whose: Left["whose"], used: Amount) => {
          const quota = whose === "all" ? "total" : "user"
          for (const unit of ["files", "bytes"] as const) {
            if (Option.isSome(limits[quota][unit])) {
              const limit = limits[quota][unit].value
              rooms.push({ whose, unit, limit, left: limit - used[unit] })
            }
          }
        }
        if (isLimited("user")) {
          const { name } = yield* CurrentUser
          const owner = (yield* ownerOf(sessionId)) ?? name
          const isOwners = movedFrom !== undefined && (yield* ownerOf(movedFrom)) === owner
          if (!isOwners) add(owner === name ? "own" : "owner", yield* usageOf(owner))
        }
        if (isLimited("total") && movedFrom === undefined) add("all", yield* usageOfAll)
        return rooms
      })

      return {
        mayGrow: Effect.fnUntraced(function* (sessionId, growth) {
          for (const room of yield* left(sessionId, growth.movedFrom)) {
            if (growth[room.unit] > 0 && growth[room.unit] > room.left) return yield* refusalOf(room)
          }
        }),
        room: (sessionId, replaced = 0) =>
          Effect.map(left(sessionId), (rooms) => {
            const [least] = rooms.filter(({ unit }) => unit === "bytes").sort((one, other) => one.left - other.left)
            return least === undefined
              ? undefined
              : { bytes: Math.max(0, least.left) + replaced, refusal: refusalOf(least) }
          }),
        own: Effect.gen(function* () {
          const { name } = yield* CurrentUser
          return {
            usage: yield* usageOf(name),
            quota: {
              files: Option.getOrNull(limits.user.files),
              bytes: Option.getOrNull(limits.user.bytes)
            }
          }
        })
      }
    })
  )
}

/** A file as it arrives. It ends with the refusal if there is no room left for it. */
export const within = <E>(
  room: Room | undefined,
  content: Stream.Stream<Uint8Array, E>
): Stream.Stream<Uint8Array, E | QuotaExceeded> =>
  room === undefined
    ? content
    : Stream.suspend(() => {
        let seen = 0
        return Stream.tap(content, ({ length }) => {
          seen += length
          return seen > room.bytes ? room.refusal : Effect.void
        })
      })

const nothing: Amount = { files: 0, bytes: 0 }

interface Left {
  /** The user's who asks, that of another user who owns the session, or that of all. */
  readonly whose: "own" | "owner" | "all"
  readonly unit: "files" | "bytes"
  readonly limit: number
  readonly left: number
}

const whoMay = { own: "You", owner: "The owner of the session", all: "All users together" }

const refusalOf = ({ limit, unit, whose }: Left): QuotaExceeded =>
  new QuotaExceeded({
    quota: whose === "all" ? "total" : "user",
    unit,
    limit,
    message: `${whoMay[whose]} may store ${limit} ${limit === 1 ? unit.slice(0, -1) : unit} at most. Delete files for good to make room: a deleted file counts until it is gone.`
  })
