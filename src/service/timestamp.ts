/** Times in the format of SQLite's date functions, in UTC: `YYYY-MM-DD HH:MM:SS.SSS`. */

export const timestampOf = (millis: number): string => new Date(millis).toISOString().slice(0, 23).replace("T", " ")

/** The value of a time column. An earlier system may have written seconds or milliseconds since 1970. */
export const isoOf = (timestamp: string | number): string => {
  if (typeof timestamp === "number") return isoOfMillis(timestamp < 1e11 ? timestamp * 1000 : timestamp, timestamp)
  const written = timestamp.replace(" ", "T")
  return isoOfMillis(Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(written) ? written : `${written}Z`), timestamp)
}

/** ISO 8601 with milliseconds; an invalid time stays as it is. */
const isoOfMillis = (millis: number, given: string | number): string =>
  Number.isNaN(new Date(millis).getTime()) ? String(given) : new Date(millis).toISOString()
