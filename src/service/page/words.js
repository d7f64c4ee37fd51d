/** Sizes, times and numbers in words. */
import { make } from "./dom.js"

/** The page is in English. Times follow the user's own kind of English. */
const usual = "en-GB"

/** A browser that was started in a POSIX locale may name it instead of a language tag: `en-US@posix`. */
const isTag = (/** @type {string} */ name) => {
  try {
    return Intl.getCanonicalLocales(name).length === 1
  } catch {
    return false
  }
}
const language = navigator.language.startsWith("en") && isTag(navigator.language) ? navigator.language : usual
const numbers = new Intl.NumberFormat(language)
const exactTime = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" })
const clockTime = new Intl.DateTimeFormat(language, { timeStyle: "medium" })
const distance = new Intl.RelativeTimeFormat(language, { numeric: "auto" })

/** @param {number} value */
export const number = (value) => numbers.format(value)

/**
 * `1 file`, `2,000 files`.
 * @param {number} count
 * @param {string} noun
 */
export const counted = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`

const units = ["KB", "MB", "GB", "TB", "PB"]

/**
 * `3 bytes`, `1.5 KB`, `50 MB`: of 1024 each, as systems show them.
 * @param {number} count
 */
export const bytes = (count) => {
  if (count < 1024) return counted(count, "byte")
  let value = count / 1024
  let unit = 0
  // 1023.9 KB would be rounded to 1024 KB.
  while (value >= 1023.5 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  return `${Number(value.toFixed(value < 10 ? 1 : 0))} ${units[unit]}`
}

/**
 * Makes the sizes in a sentence readable.
 * @param {string} sentence
 */
export const readable = (sentence) => sentence.replace(/\b(\d{4,}) bytes\b/g, (_, count) => bytes(Number(count)))

/** Characters of a name in a message, which covers a part of the page. */
const briefLength = 60

/**
 * A name in a message: of a long one the middle is left out.
 * @param {string} name
 */
export const brief = (name) => {
  const characters = [...name]
  return characters.length <= briefLength
    ? name
    : `${characters.slice(0, briefLength - 20).join("")}…${characters.slice(-19).join("")}`
}

/** Ends with a full stop. @param {string} text */
export const sentence = (text) => text.replace(/[^.!?]$/, "$&.")

/** @param {number} count */
export const millis = (count) =>
  count < 1000
    ? `${Number(count.toPrecision(3))} ms`
    : count < 60000
      ? `${Number((count / 1000).toFixed(1))} s`
      : `${(count / 60000).toFixed(1)} min`

/** @param {string | Date} date */
export const clock = (date) => clockTime.format(new Date(date))
/** @param {string | Date} date */
export const exact = (date) => exactTime.format(new Date(date))

/** From so many seconds on, use this unit: 30 days are not yet a month. */
/** @type {ReadonlyArray<readonly [from: number, unit: Intl.RelativeTimeFormatUnit, length: number]>} */
const spans = [
  [700 * 86_400, "year", 31_557_600],
  [60 * 86_400, "month", 2_629_800],
  [0.95 * 86_400, "day", 86_400],
  [0.95 * 3600, "hour", 3600]
]

/**
 * `just now`, `5 minutes ago`, `in 3 days`.
 * @param {string | Date} date
 */
export const relative = (date) => {
  const seconds = (new Date(date).getTime() - Date.now()) / 1000
  if (Number.isNaN(seconds)) return "at an unknown time"
  if (Math.abs(seconds) < 45) return "just now"
  const [, unit, length] = spans.find(([from]) => Math.abs(seconds) >= from) ?? [0, "minute", 60]
  return distance.format(Math.round(seconds / length) || Math.sign(seconds), unit)
}

/**
 * A relative time that is kept up to date, with the exact time as its title.
 * @param {string} date
 */
export const time = (date) => make("time", { dateTime: date, title: exactOrNothing(date) }, relative(date))

/** @param {string} date */
const exactOrNothing = (date) => (Number.isNaN(Date.parse(date)) ? date : exact(date))

setInterval(() => {
  for (const element of document.querySelectorAll("time")) {
    const text = relative(element.dateTime)
    if (element.textContent !== text) element.textContent = text
  }
}, 30_000)

/**
 * Parts of a line, with dots between them; missing parts are left out.
 * @param {ReadonlyArray<import("./dom.js").Child>} parts
 * @returns {Array<string | Node>}
 */
export const dotted = (parts) =>
  parts.filter((part) => part !== undefined).flatMap((part, index) => (index === 0 ? [part] : [" · ", part]))
