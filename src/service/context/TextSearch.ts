/**
 * Finds passages of one session. The full-text index tells which have a term; BM25 makes those that have most to say
 * candidates. Which of them are chosen is decided by policies. All of it on what is known of the session alone.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { dialect } from "../Dialect.ts"
import { inSlices, othersTurnIfDue, runInSlices } from "../inTurns.ts"
import { millisOf } from "../timestamp.ts"
import { chooseBest, gather } from "./bestPassages.ts"
import { weightOf } from "./bm25.ts"
import type { Candidate, Collection } from "./Candidate.ts"
import type { Shown } from "./shown.ts"
import { inParts, inStatements } from "./statements.ts"
import { termIndex } from "./TermIndex.ts"
import { inScope } from "./TextQueue.ts"
import type { TermCounts } from "./termCounts.ts"
import { countedTermsOf } from "./words.ts"

/** The rarest terms of a question that are looked for: the others would find nearly everything, slowly. */
const mostTerms = 32

/** Terms that are counted in one statement: each may be in all passages of the session. */
const atOnce = 4

/** Files that wait which are looked up one by one. */
const few = 100

interface Count {
  readonly count: number
}

interface PassageRow {
  readonly passage_id: number
  readonly file_id: string
  readonly original_filename: string
  readonly uploaded_at: string | number | null
  readonly ordinal: number
  readonly passages: number
  readonly tokens: number
  readonly bytes: number
  readonly length: number
  readonly term_counts: TermCounts | null
  /** Only in a passage of an earlier release, which has counted nothing. */
  readonly text: string | null
  readonly line: number
  readonly end_line: number
  readonly page: number | null
}

type TextRow = Pick<PassageRow, "passage_id" | "file_id" | "ordinal" | "tokens" | "bytes"> & { readonly text: string }

const isText = (row: TextRow, { bytes, fileId, ordinal, tokens }: Candidate): boolean =>
  row.file_id === fileId && row.ordinal === ordinal && row.tokens === tokens && row.bytes === bytes

/** What a session has, as far as a question is concerned. */
export interface Searched {
  readonly sessionId: string
  readonly scope: number
  readonly collection: Collection
}

const candidateOf = (row: PassageRow): Candidate => {
  const terms = row.term_counts ?? countedTermsOf(row.text ?? "").terms
  return {
    passageId: row.passage_id,
    fileId: row.file_id,
    filename: row.original_filename,
    ordinal: row.ordinal,
    passagesOfFile: row.passages,
    terms,
    length: row.length,
    tokens: row.tokens,
    bytes: row.bytes,
    place: { line: row.line, endLine: row.end_line, page: row.page },
    uploadedAt: row.uploaded_at === null ? 0 : millisOf(row.uploaded_at) || 0
  }
}

export const textSearch = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { byBytes, elements, firstTime, join, texts } = yield* dialect
  const index = yield* termIndex

  /** SQLite reads the array from its beginning, because that stands first. */
  const inGivenOrder = sql.onDialectOrElse({
    pg: () => sql.literal("ORDER BY given.key"),
    orElse: () => sql.literal("")
  })

  const columns = sql.literal(`p.passage_id, cf.file_id, cf.original_filename, cf.uploaded_at, p.ordinal, t.passages,
    p.tokens, octet_length(p.text) AS bytes, p.terms AS length, p.term_counts,
    CASE WHEN p.term_counts IS NULL THEN p.text END AS text, p.line, p.end_line, p.page`)

  /** What the session has of some terms; undefined if it has no passages. */
  const searched = Effect.fnUntraced(function* (sessionId: string, terms: ReadonlyArray<string>) {
    const [session] = yield* sql<{ readonly scope: number; readonly passages: number; readonly terms: number }>`
      SELECT scope, passages, terms FROM text_scopes WHERE session_id = ${sessionId}`
    if (session === undefined) return undefined
    yield* index.views
    const asked = [...new Set(terms)]
    const counts: Array<number> = []
    for (let from = 0; from < asked.length; from += atOnce) {
      counts.push(...(yield* index.counts(inScope(session.scope, asked.slice(from, from + atOnce)))))
      yield* othersTurnIfDue
    }
    const result: Searched = {
      sessionId,
      scope: session.scope,
      collection: {
        passages: session.passages,
        terms: session.terms,
        passagesWith: new Map(asked.map((term, at) => [term, counts[at] ?? 0]))
      }
    }
    return result
  })

  /** The terms of a question that are looked for, the rarest first. */
  const tellingTerms = ({ passages, passagesWith }: Collection) => {
    const known = [...passagesWith].filter(([, count]) => count > 0)
    const telling = known.filter(([, count]) => count * 2 <= passages)
    return (telling.length > 0 ? telling : known).sort(([, one], [, other]) => one - other).slice(0, mostTerms)
  }

  /**
   * The candidates: the best passages with a term of the question. A term that most passages have says nothing, so it is
   * looked for only if there is no other.
   */
  const matching = Effect.fnUntraced(function* ({ collection, scope, sessionId }: Searched, limit: number) {
    const lists: Array<{ readonly weight: number; readonly passages: ReadonlyArray<number> }> = []
    for (const terms of inParts(tellingTerms(collection))) {
      const found = yield* index.passagesWith(inScope(scope, terms))
      lists.push(...found.map((passages, at) => ({ weight: weightOf(terms[at] ?? "", collection), passages })))
      yield* othersTurnIfDue
    }
    const found = yield* runInSlices(gather(lists))
    const choice = chooseBest(found, collection.terms / Math.max(1, collection.passages), limit)
    let step = choice.next([])
    while (step.done !== true) {
      const lengths = yield* index.lengths(step.value)
      yield* othersTurnIfDue
      step = choice.next(lengths)
    }
    // Numbers of scopes and passages are given again. So what was found may be of another session by now.
    return yield* inStatements(step.value, (ids) =>
      read(sql<PassageRow>`SELECT ${columns} FROM ${elements(ids)}
      ${join} passages p ON p.passage_id = CAST(value AS bigint)
      JOIN file_texts t ON t.file_id = p.file_id
      JOIN conversation_files cf ON cf.file_id = p.file_id AND cf.session_id = ${sessionId} ${inGivenOrder}`)
    )
  })

  /** The first passages of a file. */
  const ofFile = (fileId: string, limit: number) =>
    read(sql<PassageRow>`SELECT ${columns} FROM passages p
      JOIN file_texts t ON t.file_id = p.file_id
      JOIN conversation_files cf ON cf.file_id = p.file_id
      WHERE p.file_id = ${fileId} ORDER BY p.ordinal LIMIT ${limit}`)

  /** The first passages of several files, until there are enough. */
  const ofFiles = Effect.fnUntraced(function* (fileIds: ReadonlyArray<string>, limit: number) {
    const all: Array<Candidate> = []
    for (const fileId of fileIds) {
      if (all.length >= limit) break
      all.push(...(yield* ofFile(fileId, limit - all.length)))
    }
    return all
  })

  const read = (rows: Effect.Effect<ReadonlyArray<PassageRow>, SqlError>) =>
    Effect.flatMap(rows, (found) => inSlices(found, candidateOf))

  /**
   * What was chosen, with its text. What was changed, moved or deleted meanwhile is left out; another passage may have
   * its id by now.
   */
  const withTexts = Effect.fnUntraced(function* <A extends { readonly candidate: Candidate }>(
    sessionId: string,
    chosen: ReadonlyArray<A>
  ) {
    const rows = yield* inStatements(
      chosen.map(({ candidate }) => candidate.passageId),
      (ids) => sql<TextRow>`SELECT p.passage_id, p.file_id, p.ordinal, p.tokens, octet_length(p.text) AS bytes, p.text
      FROM ${elements(ids)} ${join} passages p ON p.passage_id = CAST(value AS bigint)
      JOIN conversation_files cf ON cf.file_id = p.file_id AND cf.session_id = ${sessionId}`
    )
    const found = new Map(rows.map((row) => [row.passage_id, row]))
    return chosen.flatMap((one): ReadonlyArray<Shown<A>> => {
      const row = found.get(one.candidate.passageId)
      return row !== undefined && isText(row, one.candidate) ? [{ ...one, text: row.text }] : []
    })
  })

  /** The files of a session, newest first. */
  const newestFiles = (sessionId: string, limit: number) =>
    Effect.map(
      sql<{ readonly file_id: string }>`SELECT file_id FROM conversation_files
        WHERE session_id = ${sessionId} AND is_deleted = 0 ORDER BY uploaded_at DESC NULLS LAST, file_id ${byBytes} DESC LIMIT ${limit}`,
      (rows) => rows.map(({ file_id }) => file_id)
    )

  /**
   * How many files of a session have a text that is not extracted yet, as far as that is counted. Mostly few wait, of
   * whatever sessions.
   */
  const waitingFiles = Effect.fnUntraced(function* (sessionId: string) {
    const waiting = yield* sql<{ readonly file_id: string }>`SELECT file_id FROM file_texts WHERE state = 'queued'
      UNION ALL SELECT file_id FROM file_texts WHERE claimed_until > ${firstTime} LIMIT ${few + 1}`
    const ids = JSON.stringify(waiting.map(({ file_id }) => file_id))
    const [row] = yield* waiting.length <= few
      ? sql<Count>`SELECT count(*) AS count FROM ${texts(ids)} ${join} conversation_files cf ON cf.file_id = value
          WHERE cf.session_id = ${sessionId} AND cf.is_deleted = 0`
      : sql<Count>`SELECT count(*) AS count FROM (
          SELECT 1 FROM conversation_files cf JOIN file_texts t ON t.file_id = cf.file_id
          WHERE cf.session_id = ${sessionId} AND cf.is_deleted = 0 AND t.state IN ('queued', 'running')
          LIMIT 1000) AS waiting`
    return row?.count ?? 0
  })

  return { matching, newestFiles, ofFiles, searched, waitingFiles, withTexts }
})
