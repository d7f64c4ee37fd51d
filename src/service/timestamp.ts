/** Times as SQLite's date functions read them, in UTC: `YYYY-MM-DD HH:MM:SS.SSS`. */

export const timestampOf = (millis: number): string => new Date(millis).toISOString().slice(0, 23).replace("T", " ")

/** What a column for times has: also seconds or milliseconds since 1970, which an earlier system may have written. */
export const isoOf = (timestamp: string | number): string => {
  if (typeof timestamp === "number") return isoOfMillis(timestamp < 1e11 ? timestamp * 1000 : timestamp, timestamp)
  const written = timestamp.replace(" ", "T")
  return isoOfMillis(Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(written) ? written : `${written}Z`), timestamp)
}

/** ISO 8601 with milliseconds; what is no time is given as it is. */
const isoOfMillis = (millis: number, given: string | number): string =>
  Number.isNaN(new Date(millis).getTime()) ? String(given) : new Date(millis).toISOString()
