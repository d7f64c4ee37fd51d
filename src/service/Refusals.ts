/**
 * Counts refusals per caller, reason and minute. A request only counts in memory. The counts of a moment are written in
 * one transaction when the lock is free.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { CurrentUser, Refusal, RefusalPage } from "./Api.ts"
import { Database } from "./Database.ts"
import { dialect } from "./Dialect.ts"
import { DueTime } from "./DueTime.ts"
import { othersTurn } from "./inTurns.ts"
import { type RefusalCount, waitingCounts } from "./RefusalCounts.ts"
import { Settings } from "./Settings.ts"
import { isoOf, timestampOf } from "./timestamp.ts"

/** How many rows are kept, whatever their age. */
const mostRows = 100_000

/** How many are written or deleted in one transaction. */
const atOnce = 1000

/** Characters of a path that are kept. */
const longestPath = 200

const refusedRequests = Metric.counter("conversation_files_refusals", {
  description: "Requests that were refused",
  incremental: true
})

export class Refusals extends Context.Tag("conversation-files/Refusals")<
  Refusals,
  {
    /** Counts a refusal of the current request. Waits for nothing. */
    readonly count: (reason: string) => Effect.Effect<void>
    /** Counts refusals of strangers whose requests are already over. */
    readonly countStrangers: (
      refused: ReadonlyArray<{ readonly address: string; readonly path: string; readonly count: number }>
    ) => Effect.Effect<void>
    /** Latest first. */
    readonly list: (page: {
      readonly before?: number | undefined
      readonly limit: number
    }) => Effect.Effect<RefusalPage, SqlError>
    /** Deletes some that are old or too many. Returns whether there may be more. */
    readonly prune: Effect.Effect<boolean, SqlError>
  }
>() {
  /** Writes what still waits when the scope closes. */
  static readonly layer: Layer.Layer<Refusals, never, Database | DueTime | Settings | SqlClient.SqlClient> =
    Layer.scoped(
      Refusals,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { write } = yield* Database
        const { refusalRetention } = yield* Settings
        const { earliest } = yield* DueTime
        const { elements, timeIn } = yield* dialect
        const waiting = waitingCounts()
        let isBlocked = false
        const isWaiting = yield* Effect.makeLatch()

        const writeSome = Effect.suspend(() => {
          const counts = waiting.take(atOnce)
          if (counts.size === 0) return Effect.void
          return write(
            sql`INSERT INTO refusals (minute, actor, address, reason, path, count)
            SELECT ${timeIn("value->>'minute'")}, value->>'actor', value->>'address', value->>'reason', value->>'path',
              CAST(value->>'count' AS bigint)
            FROM ${elements(JSON.stringify([...counts.values()]))} WHERE true
            ON CONFLICT (minute, actor, address, reason)
            DO UPDATE SET count = refusals.count + excluded.count, path = excluded.path`
          ).pipe(
            Effect.onExit((exit) =>
              Effect.sync(() => {
                if (exit._tag === "Success") isBlocked = false
                else waiting.putBack(counts)
              })
            )
          )
        })

        const writeAll: Effect.Effect<void, SqlError> = Effect.flatMap(writeSome, () =>
          waiting.isEmpty() ? Effect.void : Effect.zipRight(othersTurn, writeAll)
        )

        yield* Effect.addFinalizer(() =>
          Effect.catchAll(writeAll, ({ message }) =>
            Effect.logError(`Could not write the counts of refusals: ${message}`)
          )
        )
        yield* isWaiting.await.pipe(
          Effect.zipRight(isWaiting.close),
          Effect.zipRight(writeAll),
          Effect.catchAll(({ message }) => {
            const isNews = !isBlocked
            isBlocked = true
            return Effect.zipRight(
              isNews
                ? Effect.logWarning(`Cannot write the counts of refusals now, trying again later: ${message}`)
                : Effect.void,
              isWaiting.open
            )
          }),
          // What comes meanwhile is one transaction.
          Effect.zipRight(Effect.sleep("1 second")),
          Effect.forever,
          Effect.forkScoped
        )

        const remember = (count: RefusalCount) => {
          waiting.add(count)
          return Effect.zipRight(
            isWaiting.open,
            Metric.incrementBy(Metric.tagged(refusedRequests, "reason", count.reason), count.count)
          )
        }

        return {
          count: Effect.fnUntraced(function* (reason) {
            const request = yield* Effect.serviceOption(HttpServerRequest.HttpServerRequest)
            const user = yield* Effect.serviceOption(CurrentUser)
            yield* remember({
              minute: minuteOf(yield* Clock.currentTimeMillis),
              actor: Option.match(user, { onNone: () => "", onSome: ({ name }) => name }),
              address: Option.getOrElse(
                Option.flatMap(request, ({ remoteAddress }) => remoteAddress),
                () => ""
              ),
              reason,
              path: Option.match(request, { onNone: () => "", onSome: ({ originalUrl }) => pathOf(originalUrl) }),
              count: 1
            })
          }),

          countStrangers: Effect.fnUntraced(function* (refused) {
            const minute = minuteOf(yield* Clock.currentTimeMillis)
            for (const { address, count, path } of refused) {
              yield* remember({ minute, actor: "", address, reason: "TooManyRequests", path: pathOf(path), count })
            }
          }),

          list: ({ before, limit }) =>
            Effect.map(
              sql<RefusalRow>`SELECT refusal_id, minute, actor, address, reason, path, count FROM refusals
              WHERE refusal_id < ${before ?? Number.MAX_SAFE_INTEGER} ORDER BY refusal_id DESC LIMIT ${limit + 1}`,
              (rows) => {
                const some = rows.slice(0, limit)
                return new RefusalPage({
                  refusals: some.map(refusalOf),
                  next: rows.length > limit ? (some.at(-1)?.refusal_id ?? null) : null
                })
              }
            ),

          prune: Effect.gen(function* () {
            const before = timestampOf((yield* earliest) - Duration.toMillis(refusalRetention))
            const old = yield* sql<{ readonly refusal_id: number }>`
            SELECT refusal_id FROM (SELECT refusal_id FROM refusals WHERE minute < ${before} LIMIT ${atOnce}) AS old
            UNION SELECT refusal_id FROM (SELECT refusal_id FROM refusals
              WHERE refusal_id <= (SELECT max(refusal_id) FROM refusals) - ${mostRows} LIMIT ${atOnce}) AS many`
            if (old.length === 0) return false
            yield* write(
              sql`DELETE FROM refusals WHERE ${sql.in(
                "refusal_id",
                old.map(({ refusal_id }) => refusal_id)
              )}`
            )
            return old.length >= atOnce
          })
        }
      })
    )
}

const minuteOf = (millis: number): string => `${timestampOf(millis).slice(0, 16)}:00`

const pathOf = (url: string): string => url.replace(/[?#].*$/s, "").slice(0, longestPath)

interface RefusalRow {
  readonly refusal_id: number
  readonly minute: string
  readonly actor: string
  readonly address: string
  readonly reason: string
  readonly path: string
  readonly count: number
}

const refusalOf = ({ actor, address, count, minute, path, reason, refusal_id }: RefusalRow): Refusal =>
  new Refusal({
    refusalId: refusal_id,
    minute: isoOf(minute),
    actor: actor === "" ? null : actor,
    address,
    reason,
    path,
    count
  })
