/** Times in the format of SQLite's date functions, in UTC: `YYYY-MM-DD HH:MM:SS.SSS`. */

/**
 * The years that have four digits: only their times compare as text, in SQLite too. The year 1 is the first that PostgreSQL
 * knows.
 */
export const bounds = {
  first: new Date("0001-01-01T00:00:00.000Z"),
  last: new Date("9999-12-31T23:59:59.999Z")
}

const written = /^([+-]\d{6}|\d{4})-(\d\d)-(\d\d)T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/

/**
 * Whether a text is one moment, as RFC 3339 writes it: with its zone, on a day that there is. JavaScript takes `1` for a
 * time too, and 30 February for one in March.
 */
export const isMoment = (text: string): boolean => {
  const [, year, month, day] = written.exec(text) ?? []
  if (Number.isNaN(Date.parse(text))) return false
  const date = new Date(`${year}-${month}-${day}T00:00:00Z`)
  return !Number.isNaN(date.getTime()) && date.getUTCDate() === Number(day)
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
