/**
 * Reads every content that a row refers to, slowly and in the order of their names, and proves it by its SHA-256: a disk
 * can damage bytes without an error. The position is kept in `files/proof`, so a restart continues there.
 */
import { createHash } from "node:crypto"
import { readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { onDisk, orUndefined } from "./ContentError.ts"
import { ContentFaults } from "./ContentFaults.ts"
import { ContentStore, type OpenContent } from "./ContentStore.ts"
import { atOnce } from "./exactly.ts"
import { Settings } from "./Settings.ts"
import { give } from "./StoreOwner.ts"

/** Bytes that are read with one call. */
const chunk = 256 * 1024

/** After each read, so that many small contents are read slowly too. */
const shortestPause = Duration.millis(10)

/** From the beginning of a round to that of the next, at least: a small store would be read all the time. */
const betweenRounds = Duration.days(1)

/** How often the position is written. */
const betweenMarks = Duration.minutes(1)

/** What was reached: when the round began (milliseconds), and the last content that was proven. */
interface Position {
  readonly begun: number
  readonly after: string
}

/** Proves contents until the scope closes. Does nothing if the rate in the settings is 0. */
export const contentProof: Layer.Layer<never, never, ContentFaults | ContentStore | Settings | SqlClient.SqlClient> =
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { directory, open, owner } = yield* ContentStore
      const { found, unsafeDisproven } = yield* ContentFaults
      const { proofRate } = yield* Settings
      const mark = join(directory, "proof")

      const pauseAfter = (bytes: number) =>
        Effect.sleep(Duration.max(shortestPause, Duration.seconds(bytes / proofRate)))

      /** In hexadecimal; undefined if it could not be read to its end. */
      const digestOf = Effect.fnUntraced(function* ({ file, size }: OpenContent) {
        const hash = createHash("sha256")
        for (let at = 0; at < size; at += chunk) {
          const bytes = yield* atOnce(Number(file.fd), at, Math.min(chunk, size - at))
          if (bytes === undefined) return undefined
          hash.update(bytes)
          yield* pauseAfter(bytes.length)
        }
        return hash.digest("hex")
      })

      const isRight = (sha256: string, content: OpenContent) =>
        Effect.map(digestOf(content), (digest) => digest === undefined || digest === sha256)

      const isDamaged = (sha256: string) =>
        Effect.logError(
          `A content is damaged: its bytes are not those that were stored. Upload the same file again: ${sha256}`
        )

      /** Undefined if it cannot be opened, which is logged. The sweep reports what is missing or not ours. */
      const openOrSay = (sha256: string) =>
        Effect.catchAll(open(sha256), ({ message, reason }) => {
          if (reason === "Missing" || reason === "Foreign") return Effect.succeed(undefined)
          const say =
            reason === "Damaged"
              ? Effect.zipRight(found(sha256, "damaged"), isDamaged(sha256))
              : Effect.logWarning(`Cannot prove a content: ${message}`)
          return Effect.as(say, undefined)
        })

      /** Reads a content a second time before it reports it as damaged. */
      const prove = (sha256: string) =>
        Effect.gen(function* () {
          const content = yield* openOrSay(sha256)
          if (content === undefined) return yield* pauseAfter(0)
          if ((yield* isRight(sha256, content)) || (yield* isRight(sha256, content))) return
          if (!content.unsafeIsThere()) return
          unsafeDisproven(sha256, content.identity)
          yield* isDamaged(sha256)
        }).pipe(Effect.scoped)

      const nextAfter = (after: string) =>
        Effect.map(
          sql<{ readonly file_hash: string }>`SELECT file_hash FROM conversation_files
            WHERE file_hash > ${after} ORDER BY file_hash LIMIT 1`,
          ([row]) => row?.file_hash
        )

      const keep = ({ after, begun }: Position) =>
        // A service that stops waits for this write, so nothing is written after it has stopped.
        Effect.uninterruptible(
          onDisk(mark, async () => {
            // Removed first: it may belong to another user of the group, and only that user may change its mode.
            await rm(mark, { force: true })
            await writeFile(mark, `${begun} ${after}\n`, { mode: 0o600 })
            await give(mark, "file", owner)
          })
        )

      /** From the beginning if it cannot be read. */
      const kept = Effect.gen(function* () {
        const now = yield* Clock.currentTimeMillis
        const text = (yield* orUndefined(onDisk(mark, () => readFile(mark, "utf8")))) ?? ""
        const [, begun, after] = /^(\d{1,15}) ([0-9a-f]{64})\n$/.exec(text) ?? []
        const position: Position =
          begun === undefined || after === undefined ? { begun: now, after: "" } : { begun: Number(begun), after }
        return position
      })

      /** To the end, from a position on. */
      const round = Effect.fnUntraced(function* ({ after: from, begun }: Position) {
        let after = from
        let marked = yield* Clock.currentTimeMillis
        for (;;) {
          const next = yield* nextAfter(after)
          if (next === undefined) return
          yield* prove(next)
          after = next
          const now = yield* Clock.currentTimeMillis
          if (now - marked < Duration.toMillis(betweenMarks)) continue
          marked = now
          yield* keep({ begun, after })
        }
      })

      const rounds = Effect.gen(function* () {
        let position = yield* kept
        for (;;) {
          yield* round(position)
          const last = "f".repeat(64)
          yield* keep({ begun: position.begun, after: last })
          const now = yield* Clock.currentTimeMillis
          yield* Effect.sleep(Duration.millis(Math.max(0, position.begun + Duration.toMillis(betweenRounds) - now)))
          position = { begun: yield* Clock.currentTimeMillis, after: "" }
        }
      })

      if (proofRate === 0) return
      yield* rounds.pipe(
        Effect.tapError(({ message }) => Effect.logWarning(`Cannot prove the contents: ${message}`)),
        Effect.retry(Schedule.spaced("1 minute")),
        Effect.forkScoped
      )
    })
  )
