/** Times as SQLite's date functions read them, in UTC: `YYYY-MM-DD HH:MM:SS.SSS`. */

export const timestampOf = (millis: number): string => new Date(millis).toISOString().slice(0, 23).replace("T", " ")

/** ISO 8601; what CURRENT_TIMESTAMP wrote has no milliseconds. */
export const isoOf = (timestamp: string): string => {
  const [date = "", time = ""] = timestamp.split(" ")
  return `${date}T${time.includes(".") ? time : `${time}.000`}Z`
}
