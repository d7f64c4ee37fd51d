/** Which passages have a term, and how often, on PostgreSQL. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import { type Count, countsOf, type Passages, passagesOf, type TermIndex } from "../context/TermIndex.ts"
import type { Dialect } from "../Dialect.ts"

/** Arrays of terms, as often as they are there, with a GIN index: a passage has some 200. */
export const postgresTermIndex = (sql: SqlClient.SqlClient, { elements, texts }: Dialect): TermIndex => ({
  add: (fileId, passages) => sql`INSERT INTO passage_terms (passage_id, terms)
    SELECT p.passage_id, string_to_array(value->>'terms', ' ') FROM ${elements(passages)}
    JOIN passages p ON p.file_id = ${fileId} AND p.ordinal = CAST(value->>'ordinal' AS bigint)`,

  // GIN keeps what is new in a list of its own, and the server empties it.
  merge: undefined,

  views: Effect.void,

  counts: (terms) =>
    Effect.map(
      sql<Count>`
        SELECT (SELECT count(*) FROM passage_terms WHERE terms @> ARRAY[value]) AS count
        FROM ${texts(JSON.stringify(terms))} ORDER BY key`,
      countsOf
    ),

  passagesWith: (terms) =>
    Effect.map(
      sql<Passages>`
        SELECT coalesce((SELECT json_agg(passage_id ORDER BY passage_id) FROM passage_terms
          CROSS JOIN unnest(array_positions(terms, value)) WHERE terms @> ARRAY[value])::text, '[]') AS ids
        FROM ${texts(JSON.stringify(terms))} ORDER BY key`,
      passagesOf
    ),

  lengths: (passages) =>
    Effect.map(
      sql<{ readonly length: number | null }>`
        SELECT (SELECT terms FROM passages WHERE passage_id = CAST(value AS bigint)) AS length
        FROM ${texts(JSON.stringify(passages))} ORDER BY key`,
      (rows) => rows.map(({ length }) => length)
    )
})
