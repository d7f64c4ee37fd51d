/**
 * Finds files of one session by their names. Names are short and few, so all of them are read: an index would have to
 * follow each rename, and would find nothing more.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { dialect } from "../Dialect.ts"
import { inSlices } from "../inTurns.ts"
import { FoundName } from "./ContextModels.ts"
import { isNamed } from "./names.ts"
import { highlightsIn } from "./shown.ts"
import { termsOf } from "./words.ts"

/** Files that are looked through, newest first: it takes 20 ms, in slices. */
const mostLookedAt = 5000

interface NameRow {
  readonly file_id: string
  readonly original_filename: string
}

export const nameSearch = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const { byBytes } = yield* dialect

  /** The newest first. */
  const namesIn = (sessionId: string) =>
    sql<NameRow>`SELECT file_id, original_filename FROM conversation_files
      WHERE session_id = ${sessionId} AND is_deleted = 0 ORDER BY uploaded_at DESC NULLS LAST, file_id ${byBytes} DESC
      LIMIT ${mostLookedAt}`

  /** The files that a message with these terms names, the newest first. */
  const namedFiles = Effect.fnUntraced(function* (sessionId: string, terms: ReadonlyArray<string>, limit: number) {
    const wanted = new Set(terms)
    if (wanted.size === 0) return []
    const looked = yield* inSlices(yield* namesIn(sessionId), ({ file_id, original_filename }) =>
      isNamed(original_filename, wanted) ? [file_id] : []
    )
    return looked.flat().slice(0, limit)
  })

  /** The files whose names have most of these terms first, then the newest first. */
  const names = Effect.fnUntraced(function* (sessionId: string, terms: ReadonlyArray<string>, limit: number) {
    const wanted = new Set(terms)
    if (wanted.size === 0) return []
    const rows = yield* namesIn(sessionId)
    const counted = yield* inSlices(rows, (row) => ({
      row,
      count: new Set(termsOf(row.original_filename).filter((term) => wanted.has(term))).size
    }))
    return counted
      .filter(({ count }) => count > 0)
      .sort((one, other) => other.count - one.count)
      .slice(0, limit)
      .map(
        ({ row: { file_id, original_filename } }) =>
          new FoundName({
            fileId: file_id,
            name: original_filename,
            highlights: highlightsIn(original_filename, wanted)
          })
      )
  })

  return { namedFiles, names }
})
