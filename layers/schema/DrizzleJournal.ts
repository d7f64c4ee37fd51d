/** What Drizzle's journal says runs, and in which order. */
import { type ForeignLayout, type LeftFile, shortened, type Unclear } from "./ForeignLayout.ts"
import { afterNumber, isSql, numberAt } from "./ForeignNames.ts"
import { numbered } from "./ForeignNumbers.ts"

/** What Drizzle runs: the entries of its journal, in their order. */
export const ofJournal = (
  journal: string,
  scripts: ReadonlyArray<string>,
  left: Array<LeftFile>
): ForeignLayout | Unclear => {
  const tags = tagsIn(journal)
  if (tags === undefined) return { reason: "Unclear", detail: "meta/_journal.json is not a journal of Drizzle's" }
  const missing = tags.filter((tag) => !scripts.includes(`${tag}.sql`))
  if (missing.length > 0) {
    return {
      reason: "Unclear",
      detail: `the journal of Drizzle names ${shortened(missing.map((tag) => `${tag}.sql`))}, and ${missing.length === 1 ? "it is" : "they are"} not here`
    }
  }
  for (const path of scripts) {
    if (!tags.includes(path.replace(isSql, "")))
      left.push({ path, reason: "it is not in Drizzle's journal, so Drizzle does not run it" })
  }
  const inOrder = tags.map((tag) => {
    const { number = "", written = "" } = numberAt(tag) ?? {}
    return { path: `${tag}.sql`, number, name: afterNumber(tag, written) }
  })
  return inOrder.length === 0
    ? { reason: "NoMigrations", detail: "the journal of Drizzle is empty" }
    : numbered("Drizzle, with its journal", inOrder, [], left)
}

const tagsIn = (journal: string): ReadonlyArray<string> | undefined => {
  const read = parsed(journal)
  const entries = has(read, "entries") ? read.entries : undefined
  if (!Array.isArray(entries)) return undefined
  const list: ReadonlyArray<unknown> = entries
  const tags = list.flatMap((entry) => (has(entry, "tag") && typeof entry.tag === "string" ? [entry.tag] : []))
  return tags.length === list.length ? tags : undefined
}

/** Undefined for what is not JSON. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const has = <Key extends string>(value: unknown, key: Key): value is Readonly<Record<Key, unknown>> =>
  typeof value === "object" && value !== null && key in value
