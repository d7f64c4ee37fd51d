/**
 * What people did to a database apart from its migrations: repairs and restores. A text in a row of the history, the
 * newest at that time, and no row of its own: earlier releases of this library would take such a row for a migration
 * that they lack. They do not read this column.
 */
import * as Predicate from "effect/Predicate"

/** What somebody did to the history of a database, or to the whole of it. */
export interface HistoryEvent {
  /** `unknown` for a text that this library did not write. */
  readonly what: "repair" | "restore" | "unknown"
  /** When, ISO 8601, UTC. */
  readonly at: string
  /** The user of the operating system. */
  readonly by: string
  /** The name of the machine. */
  readonly host: string
  /** Name and version of the program, as in its settings. */
  readonly program: string
  /** Of a repair: its case and its versions. Of a restore: absolute path of the copy. */
  readonly detail: string
  /** Why, in the words of who did it, or "". */
  readonly reason: string
  /** Of a repair: the rows as they were before, as JSON. Else "". */
  readonly before: string
}

/** One text with all of them. `kept`: what is there already. */
export const withEvents = (kept: string | undefined, events: ReadonlyArray<HistoryEvent>): string =>
  joinEvents([...(kept === undefined ? [] : [kept]), JSON.stringify(events)])

/** The texts of several rows as one. What this library did not write stays, as it is. */
export const joinEvents = (texts: ReadonlyArray<string>): string =>
  JSON.stringify(texts.flatMap((text) => listIn(text) ?? [text]))

/** The events of some rows, in the order of time. */
export const eventsIn = (texts: ReadonlyArray<string | undefined>): ReadonlyArray<HistoryEvent> => {
  const kept = texts.filter(Predicate.isString)
  if (kept.length === 0) return []
  return kept
    .flatMap((text) => listIn(text)?.map(eventIn) ?? [unknown(text)])
    .sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0))
}

const listIn = (kept: string): ReadonlyArray<unknown> | undefined => {
  try {
    const list: unknown = JSON.parse(kept)
    return Array.isArray(list) ? list : undefined
  } catch {
    return undefined
  }
}

const eventIn = (value: unknown): HistoryEvent => {
  const what = textIn(value, "what")
  if (what !== "repair" && what !== "restore") return unknown(JSON.stringify(value))
  return {
    what,
    at: textIn(value, "at"),
    by: textIn(value, "by"),
    host: textIn(value, "host"),
    program: textIn(value, "program"),
    detail: textIn(value, "detail"),
    reason: textIn(value, "reason"),
    before: textIn(value, "before")
  }
}

const unknown = (detail: string): HistoryEvent => ({
  what: "unknown",
  at: "",
  by: "",
  host: "",
  program: "",
  detail,
  reason: "",
  before: ""
})

const textIn = (value: unknown, name: string): string =>
  Predicate.hasProperty(value, name) && Predicate.isString(value[name]) ? value[name] : ""

/** An event in one line. */
export const describeEvent = ({ at, by, detail, host, reason, what }: HistoryEvent): string => {
  const why = reason === "" ? "" : `: ${reason}`
  if (what === "unknown") return `unknown: ${detail}`
  const said = what === "repair" ? `repaired with ${detail}` : `restored from ${detail}`
  return `${said} on ${at.slice(0, 19)}Z by ${by} at ${host}${why}`
}
