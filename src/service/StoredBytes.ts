/** How many bytes the contents of a user's files take on the disk: equal contents of theirs count once. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { dialect } from "./Dialect.ts"
import { filePages } from "./FilePages.ts"
import { othersTurn } from "./inTurns.ts"

/** How many rows one statement reads, so that others get their turn in between. */
const atOnce = 1000

interface Content {
  readonly file_hash: string
  readonly file_size: number
}

/**
 * A user with few files has one statement. Otherwise the files are read in steps, and remembered meanwhile: so only one
 * such count is under way.
 */
export const storedBytes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { hasFew } = yield* filePages
  const { join, texts } = yield* dialect
  const alone = yield* Effect.makeSemaphore(1)

  const inOneStatement = (owner: string) =>
    Effect.map(
      sql<{ readonly bytes: number }>`SELECT coalesce(sum(file_size), 0) AS bytes FROM (
          SELECT DISTINCT cf.file_hash, cf.file_size FROM session_summaries ss
          ${join} conversation_files cf ON cf.session_id = ss.session_id WHERE ss.owner = ${owner}
        ) AS stored`,
      ([row]) => row?.bytes ?? 0
    )

  /** Some sessions of an owner, with how many files each has. */
  const sessionsBehind = (owner: string, after: number) =>
    sql<{ readonly id: number; readonly session_id: string; readonly files: number }>`
      SELECT so.rowid AS id, so.session_id, ss.files + ss.deleted_files AS files FROM session_owners so
      CROSS JOIN session_summaries ss ON ss.session_id = so.session_id
      WHERE so.owner = ${owner} AND so.rowid > ${after} ORDER BY so.rowid LIMIT ${atOnce}`

  /** The contents of sessions that have no more files together than one statement reads. */
  const ofSmall = (sessions: ReadonlyArray<string>) =>
    sql<Content>`SELECT cf.file_hash, cf.file_size FROM ${texts(JSON.stringify(sessions))}
      ${join} conversation_files cf ON cf.session_id = given.value`

  const ofLarge = Effect.fnUntraced(function* (sessionId: string, add: (contents: ReadonlyArray<Content>) => void) {
    for (const isDeleted of [null, 0, 1]) {
      let after = 0
      for (;;) {
        yield* othersTurn
        const rows = yield* sql<Content & { readonly id: number }>`
          SELECT cf.rowid AS id, cf.file_hash, cf.file_size FROM conversation_files cf
          WHERE cf.session_id = ${sessionId} AND cf.is_deleted IS ${isDeleted} AND cf.rowid > ${after}
          ORDER BY cf.rowid LIMIT ${atOnce}`
        add(rows)
        const last = rows.at(-1)
        if (last === undefined || rows.length < atOnce) break
        after = last.id
      }
    }
  })

  const inSteps = Effect.fnUntraced(function* (owner: string) {
    const seen = new Set<string>()
    let bytes = 0
    const add = (contents: ReadonlyArray<Content>) => {
      for (const { file_hash, file_size } of contents) {
        const content = `${file_hash} ${file_size}`
        if (seen.has(content)) continue
        seen.add(content)
        bytes += file_size
      }
    }
    let after = 0
    for (;;) {
      yield* othersTurn
      const sessions = yield* sessionsBehind(owner, after)
      let small: Array<string> = []
      let files = 0
      for (const session of sessions) {
        if (session.files > atOnce) {
          yield* ofLarge(session.session_id, add)
          continue
        }
        if (files + session.files > atOnce) {
          add(yield* ofSmall(small))
          yield* othersTurn
          small = []
          files = 0
        }
        small.push(session.session_id)
        files += session.files
      }
      add(yield* ofSmall(small))
      const last = sessions.at(-1)
      if (last === undefined || sessions.length < atOnce) return bytes
      after = last.id
    }
  })

  // A server does not keep requests of others waiting meanwhile.
  const ofMany = sql.onDialectOrElse({ pg: () => inOneStatement, orElse: () => inSteps })

  return (owner: string): Effect.Effect<number, SqlError> =>
    Effect.flatMap(hasFew(owner), (isFew) => (isFew ? inOneStatement(owner) : alone.withPermits(1)(ofMany(owner))))
})
