/**
 * What the two engines say differently. A statement is written once, with these parts. Where no part will do, it is
 * written twice with `sql.onDialectOrElse`.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { Fragment } from "@effect/sql/Statement"
import * as Effect from "effect/Effect"
import { millisOf, timestampOf } from "./timestamp.ts"

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
  /** A text of such an array, such as `value->>'at'`, as the value of a column of times. */
  readonly timeIn: (text: string) => Fragment
  /** The same for a column of JSON. */
  readonly jsonIn: (text: string) => Fragment
  /** The index that SQLite has to take. PostgreSQL knows better than a fixed choice. */
  readonly indexedBy: (name: string) => Fragment
  /** LIKE for which the case of a to z does not count, and that of no other letter. */
  readonly like: Fragment
  /**
   * Behind a text that orders rows or is compared with where a page ended: in the order of its bytes, as SQLite has it.
   * PostgreSQL would follow the collation of its database, which each installation chooses.
   */
  readonly byBytes: Fragment
  /** What orders the rows of a table, here by an alias: SQLite's rowid, or the primary key, which has this name. */
  readonly key: (alias: string, primaryKey: string) => Fragment
  /** Before every such key. */
  readonly firstKey: number | string
  /** Before every time. */
  readonly firstTime: string
  /** A time that a client gave back: it may be any text. On PostgreSQL one that is no time is before all others. */
  readonly timeOf: (given: string | number) => string | number
}

export const dialect: Effect.Effect<Dialect, never, SqlClient.SqlClient> = Effect.map(
  SqlClient.SqlClient,
  (sql): Dialect =>
    sql.onDialectOrElse({
      pg: () => ({
        elements: (json: string) =>
          sql`jsonb_array_elements(${storable(json)}::jsonb) WITH ORDINALITY AS given (value, key)`,
        texts: (json: string) =>
          sql`jsonb_array_elements_text(${storable(json)}::jsonb) WITH ORDINALITY AS given (value, key)`,
        join: sql.literal("JOIN"),
        timeIn: (text: string) => sql.literal(`CAST(${text} AS timestamptz)`),
        jsonIn: (text: string) => sql.literal(`CAST(${text} AS jsonb)`),
        indexedBy: () => sql.literal(""),
        // The collation decides for which letters case counts.
        like: sql.literal('COLLATE "C" ILIKE'),
        byBytes: sql.literal('COLLATE "C"'),
        key: (alias: string, primaryKey: string) => sql.literal(`${alias}.${primaryKey}`),
        firstKey: "",
        firstTime: "-infinity",
        timeOf: (given: string | number) => {
          const millis = millisOf(given)
          return Number.isNaN(millis) ? "-infinity" : timestampOf(millis)
        }
      }),
      orElse: () => ({
        elements: (json: string) => sql`json_each(${json}) AS given`,
        texts: (json: string) => sql`json_each(${json}) AS given`,
        join: sql.literal("CROSS JOIN"),
        timeIn: (text: string) => sql.literal(text),
        jsonIn: (text: string) => sql.literal(text),
        indexedBy: (name: string) => sql.literal(`INDEXED BY ${name}`),
        like: sql.literal("LIKE"),
        byBytes: sql.literal(""),
        key: (alias: string) => sql.literal(`${alias}.rowid`),
        firstKey: 0,
        firstTime: "",
        timeOf: (given: string | number) => given
      })
    })
)

/**
 * JSON that PostgreSQL takes: without the character 0 and halves of surrogate pairs, which `JSON.stringify` escapes. A
 * text of PostgreSQL has neither (https://www.postgresql.org/docs/current/datatype-json.html).
 */
const storable = (json: string): string =>
  json.replace(/\\(?:u(0000|d[89a-f][0-9a-f]{2})|.)/g, (escape, unknown?: string) =>
    unknown === undefined ? escape : "\\ufffd"
  )
