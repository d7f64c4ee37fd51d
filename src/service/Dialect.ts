/**
 * What the two engines say differently. A statement is written once, with these parts. Where no part will do, it is
 * written twice with `sql.onDialectOrElse`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Fragment } from "@effect/sql/Statement"
import * as Effect from "effect/Effect"

export interface Dialect {
  /**
   * The elements of a JSON array as the table `given`, with their `value` and, in their order, their `key`. `value->>'name'`
   * is a text on PostgreSQL: a number is `CAST(value->>'name' AS bigint)`.
   */
  readonly elements: (json: string) => Fragment
  /** The same for an array of texts. */
  readonly texts: (json: string) => Fragment
  /** A join whose order SQLite has to keep: its left side has few rows. PostgreSQL knows how many there are. */
  readonly join: Fragment
  /** The index that SQLite has to take. PostgreSQL knows better than a fixed choice. */
  readonly indexedBy: (name: string) => Fragment
}

export const dialect: Effect.Effect<Dialect, never, SqlClient.SqlClient> = Effect.map(
  SqlClient.SqlClient,
  (sql): Dialect =>
    sql.onDialectOrElse({
      pg: () => ({
        elements: (json: string) => sql`jsonb_array_elements(${json}::jsonb) WITH ORDINALITY AS given (value, key)`,
        texts: (json: string) => sql`jsonb_array_elements_text(${json}::jsonb) WITH ORDINALITY AS given (value, key)`,
        join: sql.literal("JOIN"),
        indexedBy: () => sql.literal("")
      }),
      orElse: () => ({
        elements: (json: string) => sql`json_each(${json}) AS given`,
        texts: (json: string) => sql`json_each(${json}) AS given`,
        join: sql.literal("CROSS JOIN"),
        indexedBy: (name: string) => sql.literal(`INDEXED BY ${name}`)
      })
    })
)
