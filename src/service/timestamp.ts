/** Times in the format of SQLite's date functions, in UTC: `YYYY-MM-DD HH:MM:SS.SSS`. */

/** The years that have four digits: only their times compare as text, in SQLite too. */
export const bounds = {
  first: new Date("0000-01-01T00:00:00.000Z"),
  last: new Date("9999-12-31T23:59:59.999Z")
}

/** A time beyond the bounds becomes the nearest one: a longer year has a sign in front, and would be before all others. */
export const timestampOf = (millis: number): string => {
  const within = Math.min(Math.max(millis, bounds.first.getTime()), bounds.last.getTime())
  return new Date(within).toISOString().slice(0, 23).replace("T", " ")
}

/**
 * Milliseconds since 1970, of the value of a time column. An earlier system may have written seconds or milliseconds.
 * NaN if it is not a time.
 */
export const millisOf = (timestamp: string | number): number => {
  if (typeof timestamp === "number") return timestamp < 1e11 ? timestamp * 1000 : timestamp
  const written = timestamp.replace(" ", "T")
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(written) ? written : `${written}Z`)
}

/** The value of a time column in ISO 8601, with milliseconds; an invalid time stays as it is. */
export const isoOf = (timestamp: string | number): string => {
  const time = new Date(millisOf(timestamp))
  return Number.isNaN(time.getTime()) ? String(timestamp) : time.toISOString()
}
