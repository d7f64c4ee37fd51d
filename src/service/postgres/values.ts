/**
 * How values of PostgreSQL are read, so that a row of either engine is the same: a flag is 0 or 1, a time is text in the
 * format of SQLite's date functions, JSON is text.
 */
import pg from "pg"

/** The object ids of built-in types, which no release changes (`pg_type.dat`). */
const parsers: Readonly<Record<number, (text: string) => unknown>> = {
  // bool
  16: (text) => (text === "t" ? 1 : 0),
  // int8
  20: Number,
  // timestamptz, in a session whose zone is UTC: `2026-11-28 15:37:29.12+00`
  1184: (text) => {
    const [, seconds, fraction = ""] = /^([\d-]+ [\d:]+)(?:\.(\d+))?\+00$/.exec(text) ?? []
    return seconds === undefined ? text : `${seconds}.${fraction.padEnd(3, "0")}`
  },
  // numeric: sums of int8
  1700: Number,
  // jsonb, as JSON.stringify writes it
  3802: (text) => JSON.stringify(JSON.parse(text))
}

export const types: pg.CustomTypesConfig = {
  getTypeParser: (type: number, format?: "text" | "binary") =>
    format === "binary" ? pg.types.getTypeParser(type, format) : (parsers[type] ?? pg.types.getTypeParser(type, "text"))
}
