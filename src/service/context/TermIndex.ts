/**
 * SQLite's full-text index, as far as it is asked: which passages have a term, and how often. It ranks nothing. Its own
 * ranking reads the length of each passage that it finds, which takes most of its time, and counts what other sessions
 * have.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

export const termIndex = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  /**
   * Two views of the index (https://sqlite.org/fts5.html#the_fts5vocab_virtual_table_module). They belong to the
   * connection: in the schema they would be tables, whose rows a start or a copy would count.
   */
  const views = Effect.zipRight(
    sql`CREATE VIRTUAL TABLE IF NOT EXISTS temp.passages_by_term USING fts5vocab(main, passage_terms, row)`,
    sql`CREATE VIRTUAL TABLE IF NOT EXISTS temp.places_by_term USING fts5vocab(main, passage_terms, instance)`
  )

  /** In how many passages each of these terms is. */
  const counts = (terms: ReadonlyArray<string>) =>
    Effect.map(
      sql<{ readonly count: number | null }>`
        SELECT (SELECT doc FROM temp.passages_by_term WHERE term = value) AS count
        FROM json_each(${JSON.stringify(terms)}) ORDER BY key`,
      (rows) => rows.map(({ count }) => count ?? 0)
    )

  /** The ids of the passages that have each of these terms, in ascending order, each as often as it has the term. */
  const passagesWith = (terms: ReadonlyArray<string>) =>
    Effect.map(
      sql<{ readonly ids: string }>`
        SELECT (SELECT json_group_array(doc) FROM temp.places_by_term WHERE term = value) AS ids
        FROM json_each(${JSON.stringify(terms)}) ORDER BY key`,
      (rows) => rows.map(({ ids }): ReadonlyArray<number> => JSON.parse(ids))
    )

  return { counts, passagesWith, views }
})
