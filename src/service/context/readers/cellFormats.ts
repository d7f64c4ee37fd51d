/** How the number of a cell is shown: a date is stored as a number of days, and only its format tells (ECMA-376, 18.8.30). */
import { Parser } from "htmlparser2"
import { localName } from "./packages.ts"

export interface CellFormats {
  /** A number as people see it, in a cell with this style. Dates are shown as ISO 8601 writes them. */
  readonly shown: (value: string, style: string | undefined) => string
}

type Format = "date" | "dateAndTime" | "time" | "number"

/** Formats of dates that each program knows by their numbers. */
const known = (id: number): Format => {
  if ((id >= 14 && id <= 17) || (id >= 27 && id <= 31) || id === 36 || (id >= 50 && id <= 58)) return "date"
  if (id === 22) return "dateAndTime"
  return id >= 18 && id <= 21 ? "time" : "number"
}

/** Of a format such as `dd/mm/yyyy hh:mm`. Quoted text and what is in brackets is no part of a date. */
const formatOf = (code: string): Format => {
  const letters = code.replace(/"[^"]*"|\[[^\]]*\]|[\\_*]./g, "").split(";")[0] ?? ""
  const hasTime = /[hs]/i.test(letters)
  if (/[yd]/i.test(letters)) return hasTime ? "dateAndTime" : "date"
  // `[h]:mm` is a duration.
  if (hasTime) return code.includes("[h") ? "number" : "time"
  return /m/i.test(letters) && !/[0#]/.test(letters) ? "date" : "number"
}

export const cellFormatsIn = (styles: string, workbook: string): CellFormats => {
  const codes = new Map<number, string>()
  const ofStyles: Array<number> = []
  let isCells = false
  const parser = new Parser(
    {
      onopentag: (name, { formatCode, numFmtId }) => {
        const local = localName(name)
        if (local === "cellXfs") isCells = true
        if (local === "numFmt") codes.set(Number(numFmtId), formatCode ?? "")
        if (local === "xf" && isCells) ofStyles.push(Number(numFmtId ?? 0))
      },
      onclosetag: (name) => {
        if (localName(name) === "cellXfs") isCells = false
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(styles)
  const firstDay = /\sdate1904\s*=\s*["'](?:1|true)["']/.test(workbook) ? daysUntil1904 : 0
  const formats = ofStyles.map((id) => {
    const code = codes.get(id)
    return code === undefined ? known(id) : formatOf(code)
  })
  return {
    shown: (value, style) => shownAs(formats[Number(style ?? 0)] ?? "number", value, firstDay)
  }
}

const daysUntil1904 = 1462
/** The last day of the year 9999. */
const lastDay = 2_958_465
const millisOfDay = 24 * 60 * 60 * 1000
/** Day 60 is the 29th of February 1900, which never was. */
const noDay = 60

const shownAs = (format: Format, value: string, firstDay: number): string => {
  const number = Number(value)
  const days = number + firstDay
  if (Number.isNaN(number) || value.trim() === "") return value
  if (format === "number" || days < 0 || days > lastDay) return shortened(value)
  const sinceMonths = Date.UTC(1899, 11, days < noDay ? 31 : 30)
  // To the second: a time is stored as a fraction, and is not exact.
  const time = new Date(sinceMonths + Math.round((days * millisOfDay) / 1000) * 1000).toISOString()
  const [day = "", hours = ""] = time.split("T")
  if (format === "time") return hours.slice(0, 8)
  return format === "date" ? day : `${day} ${hours.slice(0, 8)}`
}

/** Programs show 15 digits at most: 0.30000000000000004 is 0.3. */
const shortened = (value: string): string => (value.length > 15 ? String(Number(Number(value).toPrecision(15))) : value)
