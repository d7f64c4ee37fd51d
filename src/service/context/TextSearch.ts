/**
 * Finds passages of one session. SQLite's full-text search finds candidates; which of them are chosen is decided by
 * policies, on what is known of the session alone.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { inSlices, othersTurn } from "../inTurns.ts"
import { millisOf } from "../timestamp.ts"
import type { Candidate, Collection } from "./Candidate.ts"
import { inScope } from "./TextQueue.ts"
import type { TermCounts } from "./termCounts.ts"
import { countedTermsOf } from "./words.ts"

/** The rarest terms of a question that are looked for: the others would find nearly everything, slowly. */
const mostTerms = 32

/** Terms that are counted in one statement: each may be in all passages of the session. */
const atOnce = 16

interface PassageRow {
  readonly file_id: string
  readonly original_filename: string
  readonly uploaded_at: string | number | null
  readonly ordinal: number
  readonly passages: number
  readonly text: string
  readonly tokens: number
  readonly length: number
  /** Null in a passage of an earlier release. */
  readonly term_counts: TermCounts | null
  readonly line: number
  readonly end_line: number
  readonly page: number | null
}

/** What a session has, as far as a question is concerned. */
export interface Searched {
  readonly scope: number
  readonly collection: Collection
}

const candidateOf = (row: PassageRow): Candidate => ({
  ...(row.term_counts === null ? countedTermsOf(row.text) : { terms: row.term_counts, length: row.length }),
  fileId: row.file_id,
  filename: row.original_filename,
  ordinal: row.ordinal,
  passagesOfFile: row.passages,
  text: row.text,
  tokens: row.tokens,
  place: { line: row.line, endLine: row.end_line, page: row.page },
  uploadedAt: row.uploaded_at === null ? 0 : millisOf(row.uploaded_at) || 0
})

export const textSearch = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const columns = sql.literal(`cf.file_id, cf.original_filename, cf.uploaded_at, p.ordinal, t.passages, p.text,
    p.tokens, p.terms AS length, p.term_counts, p.line, p.end_line, p.page`)

  /** What the session has of some terms; undefined if it has no passages. */
  const searched = Effect.fnUntraced(function* (sessionId: string, terms: ReadonlyArray<string>) {
    const [session] = yield* sql<{ readonly scope: number; readonly passages: number; readonly terms: number }>`
      SELECT scope, passages, terms FROM text_scopes WHERE session_id = ${sessionId}`
    if (session === undefined) return undefined
    const asked = [...new Set(terms)]
    const counts: Array<{ readonly count: number }> = []
    for (let from = 0; from < asked.length; from += atOnce) {
      if (from > 0) yield* othersTurn
      const some = inScope(session.scope, asked.slice(from, from + atOnce))
      counts.push(
        ...(yield* sql<{ readonly count: number }>`
          SELECT (SELECT count(*) FROM passage_terms WHERE passage_terms MATCH '"' || value || '"') AS count
          FROM json_each(${JSON.stringify(some)})`)
      )
    }
    const result: Searched = {
      scope: session.scope,
      collection: {
        passages: session.passages,
        terms: session.terms,
        passagesWith: new Map(asked.map((term, at) => [term, counts[at]?.count ?? 0]))
      }
    }
    return result
  })

  /**
   * Passages with a term of the question, the best first by SQLite's own ranking. A term that most passages have says
   * nothing, so it is looked for only if there is no other.
   */
  const matching = Effect.fnUntraced(function* ({ collection, scope }: Searched, limit: number) {
    const known = [...collection.passagesWith].filter(([, count]) => count > 0)
    const telling = known.filter(([, count]) => count * 2 <= collection.passages)
    const wanted = (telling.length > 0 ? telling : known)
      .sort(([, one], [, other]) => one - other)
      .slice(0, mostTerms)
      .map(([term]) => term)
    if (wanted.length === 0) return []
    const query = inScope(scope, wanted)
      .map((term) => `"${term}"`)
      .join(" OR ")
    return yield* read(sql<PassageRow>`
      SELECT ${columns} FROM (
        SELECT rowid AS id, rank AS place FROM passage_terms WHERE passage_terms MATCH ${query} ORDER BY rank LIMIT ${limit}
      ) found
      CROSS JOIN passages p ON p.passage_id = found.id
      JOIN file_texts t ON t.file_id = p.file_id
      JOIN conversation_files cf ON cf.file_id = p.file_id`)
  })

  /** The first passages of a file. */
  const ofFile = (fileId: string, limit: number) =>
    read(sql<PassageRow>`SELECT ${columns} FROM passages p
      JOIN file_texts t ON t.file_id = p.file_id
      JOIN conversation_files cf ON cf.file_id = p.file_id
      WHERE p.file_id = ${fileId} ORDER BY p.ordinal LIMIT ${limit}`)

  const read = (rows: Effect.Effect<ReadonlyArray<PassageRow>, SqlError>) =>
    Effect.flatMap(rows, (found) => inSlices(found, candidateOf))

  /** The files of a session, newest first. */
  const newestFiles = (sessionId: string, limit: number) =>
    Effect.map(
      sql<{ readonly file_id: string }>`SELECT file_id FROM conversation_files
        WHERE session_id = ${sessionId} AND is_deleted = 0 ORDER BY uploaded_at DESC, file_id DESC LIMIT ${limit}`,
      (rows) => rows.map(({ file_id }) => file_id)
    )

  /** How many files of a session have a text that is not extracted yet, as far as that is counted. */
  const waitingFiles = (sessionId: string) =>
    Effect.map(
      sql<{ readonly count: number }>`SELECT count(*) AS count FROM (
        SELECT 1 FROM conversation_files cf JOIN file_texts t ON t.file_id = cf.file_id
        WHERE cf.session_id = ${sessionId} AND cf.is_deleted = 0 AND t.state IN ('queued', 'running') LIMIT 1000)`,
      ([row]) => row?.count ?? 0
    )

  return { matching, newestFiles, ofFile, searched, waitingFiles }
})
