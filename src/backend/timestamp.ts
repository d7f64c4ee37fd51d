/** Times as SQLite's date functions read them, in UTC: `YYYY-MM-DD HH:MM:SS.SSS`. */

export const timestampOf = (millis: number): string => new Date(millis).toISOString().slice(0, 23).replace("T", " ")

/** ISO 8601 with milliseconds, also of what other systems write; what is no time is given as it is. */
export const isoOf = (timestamp: string): string => {
  const written = timestamp.replace(" ", "T")
  const millis = Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(written) ? written : `${written}Z`)
  return Number.isNaN(millis) ? timestamp : new Date(millis).toISOString()
}
