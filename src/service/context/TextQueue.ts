/**
 * The files whose text waits to be extracted, as rows of the database. The process that extracts one holds a claim on it
 * for a while. Everything is written under that claim, so a file is never extracted twice at once, and a process that was
 * killed or lost its claim leaves nothing behind.
 */
import { randomUUID } from "node:crypto"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Database } from "../Database.ts"
import { dialect } from "../Dialect.ts"
import { othersTurn } from "../inTurns.ts"
import { timestampOf } from "../timestamp.ts"
import type { IndexedPassage, Unreadable } from "./Extracted.ts"
import { kindOf } from "./kinds.ts"
import { termIndex } from "./TermIndex.ts"

/** A file, and the right to extract its text. */
export interface Claimed {
  readonly claim: string
  readonly file_id: string
  readonly session_id: string
  readonly original_filename: string
  readonly mime_type: string | null
  readonly file_hash: string
  readonly file_size: number
  readonly attempts: number
  /** 1 if an earlier extraction has left passages. */
  readonly has_passages: number
}

/** The file was changed, moved or deleted, or another process has the claim. Nothing is to be done about it. */
export class ClaimLost extends Data.TaggedError("ClaimLost") {}

/**
 * How long a claim holds if nothing prolongs it. Every write under it does, and so does its process while it works on the
 * file. So another process can take the file of a killed one after this time.
 */
export const claimTime = Duration.seconds(15)

/** A file that was begun so often and never finished ends the service, or is read while it is killed again and again. */
export const mostAttempts = 3

/** Files that are queued again or have no text, or passages that are removed, in one transaction. */
const atOnce = 100

type Waiting = Pick<Claimed, "file_id" | "mime_type" | "original_filename" | "has_passages">

/** What an earlier release has found in it is removed under a claim, a part at a time. */
const isWithoutText = ({ has_passages, mime_type, original_filename }: Waiting): boolean =>
  has_passages === 0 && kindOf(mime_type, original_filename) === undefined

export type End =
  | { readonly state: "done"; readonly isTruncated: boolean }
  | { readonly state: "unsupported" }
  | { readonly state: "failed"; readonly reason: Unreadable }

export const textQueue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { write } = yield* Database
  const { elements, texts } = yield* dialect
  const index = yield* termIndex
  /** In this order files wait. */
  const order = sql.literal(sql.onDialectOrElse({ pg: () => "t.position", orElse: () => "t.rowid" }))
  const counts = sql.literal(
    sql.onDialectOrElse({ pg: () => "decode(value->>'counts', 'hex')", orElse: () => "unhex(value->>'counts')" })
  )

  const number = (name: string) => sql.literal(`CAST(value->>'${name}' AS bigint)`)

  /** The next file to be read, and those before it in the queue of which no text can be read. */
  const waiting = Effect.fnUntraced(function* (now: number) {
    const queued = yield* sql<Waiting>`SELECT t.file_id, cf.mime_type, cf.original_filename,
        EXISTS (SELECT 1 FROM passages p WHERE p.file_id = t.file_id) AS has_passages
      FROM file_texts t JOIN conversation_files cf ON cf.file_id = t.file_id
      WHERE t.state = 'queued' ORDER BY ${order} LIMIT ${atOnce}`
    const [abandoned] = yield* sql<{ readonly file_id: string }>`SELECT file_id FROM file_texts
      WHERE claimed_until <= ${timestampOf(now)} ORDER BY claimed_until LIMIT 1`
    const first = queued.findIndex((file) => !isWithoutText(file))
    return {
      textless: first < 0 ? queued : queued.slice(0, first),
      next: queued.length > 0 ? queued[first]?.file_id : abandoned?.file_id
    }
  })

  const isAnyWaiting = Effect.fnUntraced(function* (now: number) {
    const found = yield* sql`SELECT 1 FROM file_texts WHERE state = 'queued' UNION ALL
      SELECT 1 FROM file_texts WHERE claimed_until <= ${timestampOf(now)} LIMIT 1`
    return found.length > 0
  })

  const takeClaim = Effect.fnUntraced(function* (fileId: string, now: number) {
    const claim = randomUUID()
    const until = timestampOf(now + Duration.toMillis(claimTime))
    yield* sql`UPDATE file_texts SET state = 'running', reason = NULL, passages = 0, is_truncated = 0,
      attempts = attempts + 1, claim = ${claim}, claimed_until = ${until} WHERE file_id = ${fileId}`
    const [row] = yield* sql<Omit<Claimed, "claim">>`SELECT t.file_id, t.attempts, cf.session_id,
      cf.original_filename, cf.mime_type, cf.file_hash, cf.file_size,
      EXISTS (SELECT 1 FROM passages p WHERE p.file_id = t.file_id) AS has_passages
      FROM file_texts t JOIN conversation_files cf ON cf.file_id = t.file_id WHERE t.file_id = ${fileId}`
    return row === undefined ? undefined : { ...row, claim }
  })

  /**
   * The next file; undefined if none waits. Files of no kind that is read are settled on the way, many in one
   * transaction: each on its own would cost more writes than its upload did.
   */
  const claimNext: Effect.Effect<Claimed | undefined, SqlError> = Effect.gen(function* () {
    // A look needs no lock, and mostly nothing waits.
    while (yield* isAnyWaiting(yield* Clock.currentTimeMillis)) {
      const file = yield* write(
        Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const { next, textless } = yield* waiting(now)
          if (textless.length > 0) {
            const ids = JSON.stringify(textless.map(({ file_id }) => file_id))
            yield* sql`UPDATE file_texts SET state = 'unsupported', reason = NULL, passages = 0, is_truncated = 0
              WHERE file_id IN (SELECT value FROM ${texts(ids)})`
          }
          return next === undefined ? undefined : yield* takeClaim(next, now)
        })
      )
      if (file !== undefined) return file
      yield* othersTurn
    }
    return undefined
  })

  /** Fails unless the claim still holds, and prolongs it. */
  const requireClaim = Effect.fnUntraced(function* ({ claim, file_id }: Claimed, passages: number) {
    const until = timestampOf((yield* Clock.currentTimeMillis) + Duration.toMillis(claimTime))
    const held = yield* sql`UPDATE file_texts SET passages = passages + ${passages}, claimed_until = ${until}
      WHERE file_id = ${file_id} AND claim = ${claim} RETURNING file_id`
    if (held.length === 0) return yield* new ClaimLost()
  })

  /** If the database fails, the claim is not lost: the next attempt may succeed. */
  const prolong = (claimed: Claimed) =>
    write(requireClaim(claimed, 0)).pipe(
      Effect.catchTag("SqlError", ({ message }) => Effect.logDebug(`Cannot prolong a claim: ${message}`))
    )

  /** Runs an effect, and prolongs the claim meanwhile. If the claim is lost, it interrupts the effect and fails. */
  const whileClaimed = <A, E, R>(claimed: Claimed, work: Effect.Effect<A, E, R>) =>
    Effect.raceFirst(work, Effect.forever(Effect.delay(prolong(claimed), Duration.times(claimTime, 1 / 3))))

  const settle = (claimed: Claimed, end: End) =>
    sql`UPDATE file_texts SET state = ${end.state}, reason = ${end.state === "failed" ? end.reason : null},
      is_truncated = ${end.state === "done" && end.isTruncated ? 1 : 0}, claim = NULL, claimed_until = NULL
      WHERE file_id = ${claimed.file_id}`

  /** Removes what an earlier extraction has written, a part at a time. */
  const clear = (claimed: Claimed) =>
    Effect.repeat(
      write(
        Effect.zipRight(
          requireClaim(claimed, 0),
          sql`DELETE FROM passages WHERE passage_id IN (
            SELECT passage_id FROM passages WHERE file_id = ${claimed.file_id} LIMIT ${atOnce}) RETURNING passage_id`
        )
      ),
      { until: (removed) => removed.length < atOnce }
    )

  /** Adds the next passages of a file, from this number on. With the last ones it says how the extraction ended. */
  const add = (claimed: Claimed, from: number, passages: ReadonlyArray<IndexedPassage>, end?: End) =>
    write(
      Effect.gen(function* () {
        yield* requireClaim(claimed, passages.length)
        const terms = passages.reduce((sum, { count }) => sum + count, 0)
        const [row] = yield* sql<{ readonly scope: number }>`
          INSERT INTO text_scopes (session_id, passages, terms) VALUES (${claimed.session_id}, ${passages.length}, ${terms})
          ON CONFLICT (session_id) DO UPDATE SET
            passages = text_scopes.passages + excluded.passages, terms = text_scopes.terms + excluded.terms
          RETURNING scope`
        const scope = row?.scope ?? 0
        const rows = JSON.stringify(
          passages.map((passage, at) => ({
            ...passage,
            ordinal: from + at,
            terms: inScope(scope, passage.terms === "" ? [] : passage.terms.split(" ")).join(" ")
          }))
        )
        yield* sql`INSERT INTO passages (file_id, ordinal, scope, text, tokens, terms, term_counts, line, end_line,
            page)
          SELECT ${claimed.file_id}, ${number("ordinal")}, ${scope}, value->>'text', ${number("tokens")},
            ${number("count")}, ${counts}, ${number("line")}, ${number("endLine")}, ${number("page")}
          FROM ${elements(rows)} ORDER BY key`
        yield* index.add(claimed.file_id, rows)
        if (end !== undefined) yield* settle(claimed, end)
      })
    )

  /** Puts a little of the index in order. Whether more is to be done. */
  const merge = index.merge === undefined ? Effect.succeed(false) : write(index.merge)

  /** Says how it ended, and gives the claim back. Of a failure no passage is kept. */
  const finish = (claimed: Claimed, end: End) =>
    write(Effect.asVoid(Effect.zipRight(requireClaim(claimed, 0), settle(claimed, end))))

  /** Gives the claim back. Unless the file is at fault, it is as if the claim had never been taken. */
  const giveBack = ({ claim, file_id }: Claimed, isFileAtFault: boolean) =>
    write(sql`UPDATE file_texts SET state = 'queued', attempts = attempts - ${isFileAtFault ? 0 : 1}, claim = NULL,
      claimed_until = NULL WHERE file_id = ${file_id} AND claim = ${claim}`)

  /** Queues the next files after this row to be extracted again; returns the last of them, undefined if none is left. */
  const queueAgain = Effect.fnUntraced(function* (after: number) {
    const rows = yield* sql<{ readonly id: number }>`SELECT ${order} AS id FROM file_texts t
      WHERE ${order} > ${after} ORDER BY ${order} LIMIT ${atOnce}`
    const last = rows.at(-1)?.id
    if (last === undefined) return undefined
    yield* othersTurn
    yield* write(sql`UPDATE file_texts AS t SET state = 'queued', reason = NULL, attempts = 0, claim = NULL,
      claimed_until = NULL WHERE ${order} > ${after} AND ${order} <= ${last}`)
    return { last, count: rows.length }
  })

  return { add, claimNext, clear, finish, giveBack, merge, queueAgain, whileClaimed }
})

/** Terms as the index has them: they begin with the number of their session. */
export const inScope = (scope: number, terms: ReadonlyArray<string>): ReadonlyArray<string> =>
  terms.map((term) => `${scope}x${term}`)
