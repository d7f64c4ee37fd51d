/** What a migration says of itself, in comments at the head of its file: `-- database-ready: name = value`. */
import * as Either from "effect/Either"
import { commentsOf } from "./SqlScript.ts"

/** What sets a migration apart from one that only adds. */
export interface Declaration {
  /**
   * `off` for the rebuild of a table that others refer to: dropping the old one would otherwise delete the
   * rows that refer to it (https://sqlite.org/lang_altertable.html#otheralter). Default `on`.
   */
  readonly foreignKeys: "on" | "off"
  /** Tables that may have fewer rows afterwards, or be gone. A migration that deletes other rows is rolled back. */
  readonly deletes: ReadonlyArray<string>
  /** The oldest version whose programs may still run on the result; undefined: only those that know this migration. */
  readonly compatibleFrom: number | undefined
}

export const plain: Declaration = { foreignKeys: "on", deletes: [], compatibleFrom: undefined }

const mark = "database-ready:"

/** Reads the declarations of a script. Left is what is wrong with one: a misspelt one must not be a comment like any other. */
export const declarationOf = (script: string, id: number): Either.Either<Declaration, string> => {
  // Nearly every migration has none, and need not be cut into tokens here.
  if (!script.includes(mark)) return Either.right(plain)
  let declared = plain
  for (const { isAtHead, text } of commentsOf(script)) {
    if (!text.includes(mark)) continue
    const [, name = "", value = ""] = /^--\s*database-ready:\s*(\w+)\s*=\s*(.+?)\s*$/.exec(text) ?? []
    const line = text.trim()
    if (name === "") return Either.left(`\`${line}\` is not of the form \`-- ${mark} name = value\``)
    if (!isAtHead) return Either.left(`\`${line}\` has to stand before the first statement`)
    const read = readers[name]
    if (read === undefined) return Either.left(`\`${line}\`: there are ${Object.keys(readers).join(", ")}`)
    const next = read(value, id)
    if (typeof next === "string") return Either.left(`\`${line}\`: ${next}`)
    declared = { ...declared, ...next }
  }
  return Either.right(declared)
}

/** One per name: what the value declares, or what is wrong with it. */
const readers: Partial<Record<string, (value: string, id: number) => Partial<Declaration> | string>> = {
  foreign_keys: (value) => (value === "off" ? { foreignKeys: "off" } : "the only value is off"),
  deletes: (value) => {
    const tables = value.split(",").map((table) => table.trim().replace(/^["`[](.*)["`\]]$/, "$1"))
    return tables.includes("") ? "the value is a list of tables, with commas between" : { deletes: tables }
  },
  compatible_from: (value, id) =>
    /^\d+$/.test(value) && Number(value) <= id
      ? { compatibleFrom: Number(value) }
      : `the value is the number of a migration, ${id} at most`
}
