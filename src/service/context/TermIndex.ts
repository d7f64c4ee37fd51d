/**
 * The full-text index, as far as it is asked: which passages have a term, and how often. It ranks nothing. SQLite's own
 * ranking reads the length of each passage that it finds, which takes most of its time, and counts what other sessions
 * have.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import { dialect } from "../Dialect.ts"
import { postgresTermIndex } from "../postgres/termIndex.ts"

export interface TermIndex {
  /** Adds the terms of passages of a file. They are JSON, with `ordinal` and `terms`, and are in `passages` already. */
  readonly add: (fileId: string, passages: string) => Effect.Effect<unknown, SqlError>
  /**
   * Puts a little of the index in order, in a few milliseconds. Whether more is to be done. Run it after each `add`;
   * undefined where the engine does it by itself.
   */
  readonly merge: Effect.Effect<boolean, SqlError> | undefined
  /** Run this before the others. */
  readonly views: Effect.Effect<unknown, SqlError>
  /** In how many passages each of these terms is. */
  readonly counts: (terms: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<number>, SqlError>
  /** The ids of the passages that have each of these terms, in ascending order, each as often as it has the term. */
  readonly passagesWith: (terms: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<ReadonlyArray<number>>, SqlError>
  /** How many terms each of these passages has; null for one that is not there. */
  readonly lengths: (passages: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<number | null>, SqlError>
}

export type Count = { readonly count: number | null }
export type Passages = { readonly ids: string }

/** Pages of the index that are merged in one step: it takes three milliseconds. */
const pagesAtOnce = 16

/** A table of SQLite's FTS5. */
const onSqlite = (sql: SqlClient.SqlClient): TermIndex => ({
  // FTS5 would merge what was added by itself, hundreds of pages within the commit of one in six files. That takes 30 ms,
  // in which nothing else is answered (https://sqlite.org/fts5.html#the_automerge_configuration_option). The table
  // remembers that it is not to.
  add: (fileId, passages) =>
    Effect.zipRight(
      sql`INSERT INTO passage_terms (passage_terms, rank) SELECT 'automerge', 0
        WHERE NOT EXISTS (SELECT 1 FROM passage_terms_config WHERE k = 'automerge' AND v = 0)`,
      // In this order: the other way round the JSON is read again for each passage of the file, 1 s for the last of 2,000.
      sql`INSERT INTO passage_terms (rowid, terms)
        SELECT p.passage_id, value->>'terms' FROM json_each(${passages})
        CROSS JOIN passages p ON p.file_id = ${fileId} AND p.ordinal = value->>'ordinal'`
    ),

  /** A step that finds nothing to merge changes one row at most (https://sqlite.org/fts5.html#the_merge_command). */
  merge: Effect.gen(function* () {
    const changes = Effect.map(sql<Count>`SELECT total_changes() AS count`, ([row]) => row?.count ?? 0)
    const before = yield* changes
    yield* sql`INSERT INTO passage_terms (passage_terms, rank) VALUES ('merge', ${sql.literal(`${pagesAtOnce}`)})`
    return (yield* changes) - before > 1
  }),

  /**
   * Two views of the index (https://sqlite.org/fts5.html#the_fts5vocab_virtual_table_module). They belong to the
   * connection: in the schema they would be tables, whose rows a start or a copy would count.
   */
  views: Effect.zipRight(
    sql`CREATE VIRTUAL TABLE IF NOT EXISTS temp.passages_by_term USING fts5vocab(main, passage_terms, row)`,
    sql`CREATE VIRTUAL TABLE IF NOT EXISTS temp.places_by_term USING fts5vocab(main, passage_terms, instance)`
  ),

  counts: (terms) =>
    Effect.map(
      sql<Count>`
        SELECT (SELECT doc FROM temp.passages_by_term WHERE term = value) AS count
        FROM json_each(${JSON.stringify(terms)}) ORDER BY key`,
      countsOf
    ),

  passagesWith: (terms) =>
    Effect.map(
      sql<Passages>`
        SELECT (SELECT json_group_array(doc) FROM temp.places_by_term WHERE term = value) AS ids
        FROM json_each(${JSON.stringify(terms)}) ORDER BY key`,
      passagesOf
    ),

  /**
   * The index has counted them for itself (https://sqlite.org/fts5.html#fts5_data_structures). To read them from the
   * rows of the passages takes four times as long, because these have the texts too.
   */
  lengths: (passages) =>
    Effect.map(
      sql<{ readonly lengths: string }>`
        SELECT json_group_array((SELECT hex(sz) FROM passage_terms_docsize d WHERE d.id = value) ORDER BY key) AS lengths
        FROM json_each(${JSON.stringify(passages)})`,
      ([row]) => lengthsIn(JSON.parse(row?.lengths ?? "[]"))
    )
})

const lengthsIn = (sizes: ReadonlyArray<string | null>) => sizes.map((size) => (size === null ? null : integerOf(size)))

/** SQLite's variable-length integer: seven bits of each byte, the highest first. A passage has far less than 2^31 terms. */
const integerOf = (hex: string): number => {
  let value = 0
  for (let at = 0; at < hex.length; at += 2) value = value * 128 + (Number.parseInt(hex.slice(at, at + 2), 16) & 0x7f)
  return value
}

export const countsOf = (rows: ReadonlyArray<Count>): ReadonlyArray<number> => rows.map(({ count }) => count ?? 0)

export const passagesOf = (rows: ReadonlyArray<Passages>): ReadonlyArray<ReadonlyArray<number>> =>
  rows.map(({ ids }) => JSON.parse(ids))

export const termIndex: Effect.Effect<TermIndex, never, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const parts = yield* dialect
  return sql.onDialectOrElse({ pg: () => postgresTermIndex(sql, parts), orElse: () => onSqlite(sql) })
})
