/**
 * Dates in headers (RFC 9110, 5.6.7). `Date.parse` takes `1` for a date, and reads one of the three formats in the time
 * zone of this machine.
 */
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const month = `(?<month>${months.join("|")})`
const time = "(?<hour>[01]\\d|2[0-3]):(?<minute>[0-5]\\d):(?<second>[0-5]\\d|60)"

const formats = [
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?<day>\\d\\d) ${month} (?<year>\\d{4}) ${time} GMT$`),
  new RegExp(`^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?<day>\\d\\d)-${month}-(?<year>\\d\\d) ${time} GMT$`),
  new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} (?<day>[ \\d]\\d) ${time} (?<year>\\d{4})$`)
]

/** Milliseconds since 1970, or NaN if it is no such date: then the header does not count. */
export const httpDate = (text: string): number => {
  const parts = formats.map((format) => format.exec(text)?.groups).find((groups) => groups !== undefined)
  if (parts === undefined) return Number.NaN
  const { day, hour, minute, month = "", second, year = "" } = parts
  const at = new Date(0)
  at.setUTCFullYear(year.length === 2 ? recent(Number(year)) : Number(year), months.indexOf(month), Number(day))
  // There is no such day.
  if (at.getUTCDate() !== Number(day)) return Number.NaN
  return at.setUTCHours(Number(hour), Number(minute), Number(second))
}

/** A year of two digits that would be more than 50 years ahead has passed. */
const recent = (year: number): number => {
  const now = new Date().getUTCFullYear()
  const inThisCentury = now - (now % 100) + year
  return inThisCentury > now + 50 ? inThisCentury - 100 : inThisCentury
}
