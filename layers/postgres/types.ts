/** How values of PostgreSQL become values of JavaScript. */
import pg from "pg"

/** The object ids of built-in types, which no release changes (`pg_type.dat`). */
const oid = { int8: 20, date: 1082, timestamp: 1114 } as const

/** `pg` gives text: `count(*)` would be one. A bigint where a number would not be exact. */
const integerOf = (text: string): number | bigint => {
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/** Neither has a zone: as a `Date` it would be another moment on another machine. */
const asText = (text: string): string => text

/** Only what `pg` reads in a way that loses something is read in another way here. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: (type: number, format?: "text" | "binary") => {
    if (format === "binary") return pg.types.getTypeParser(type, format)
    if (type === oid.int8) return integerOf
    return type === oid.date || type === oid.timestamp ? asText : pg.types.getTypeParser(type, "text")
  }
}
