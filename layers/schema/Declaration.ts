/** What a migration says of itself, in comments at the head of its file: `-- database-ready: name = value`. */
import { identifier, tokensOf } from "./SqlScript.ts"

/** What a migration says of itself at its head, in lines such as `-- database-ready: deletes = owners`. */
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
  /**
   * `ignored`: the file has settings that are lost in a migration, and that is known. They are skipped. For files that
   * earlier releases applied; a new file does without such settings. Default `refused`.
   */
  readonly settings: "refused" | "ignored"
  /**
   * `none`, on PostgreSQL alone: its one statement runs in no transaction, such as CREATE INDEX CONCURRENTLY. Without it all
   * that is pending is one transaction.
   */
  readonly transaction?: "none" | undefined
}

export const plain: Declaration = { foreignKeys: "on", deletes: [], compatibleFrom: undefined, settings: "refused" }

export const isPlain = (declared: Declaration): boolean => declarationText(declared) === ""

const mark = "database-ready:"

/**
 * What a script declares, or a sentence that says what is wrong. A misspelt declaration is an error, not an ordinary
 * comment.
 */
export const declarationOf = (script: string, id: number): Declaration | string => {
  // Nearly every migration has none: skip cutting it into tokens.
  if (!mayDeclare.test(script)) return plain
  let declared = plain
  for (const { isAtHead, text } of declaringCommentsOf(script)) {
    const found = wellFormed.exec(text)
    if (found === null) {
      // The patterns for look-alikes take long to compile.
      const misspelt = mayDeclare.test(text) ? text.split("\n").find(resemblesOne) : undefined
      if (misspelt === undefined && !beginsWithMark.test(text)) continue
      return `\`${(misspelt ?? text).trim()}\` is not of the form \`-- ${mark} name = value\``
    }
    const line = text.trim()
    if (!isAtHead) return `\`${line}\` must stand before the first statement`
    const [, name = "", value = ""] = found
    const read = readers[name]
    if (read === undefined) return `\`${line}\`: the names are ${declarationNames().join(", ")}`
    const next = read(value, id)
    if (typeof next === "string") return `\`${line}\`: ${next}`
    declared = { ...declared, ...next }
  }
  return declared
}

const wellFormed = /^--\s*database-ready:\s*(\w+)\s*=\s*(.+?)\s*$/

interface Comment {
  readonly text: string
  /** Only comments come before it. */
  readonly isAtHead: boolean
}

export function* commentsOf(script: string): Generator<Comment> {
  let isAtHead = true
  for (const { kind, text } of tokensOf(script)) {
    if (kind === "comment") yield { text, isAtHead }
    else if (kind !== "space") isAtHead = false
  }
}

/** Those above the first statement, where nothing below them may declare: cutting a script into tokens takes long. */
const declaringCommentsOf = (script: string): Iterable<Comment> => {
  const line = /[ \t\r\f\uFEFF]*(--[^\n]*)?\n/y
  const comments: Array<Comment> = []
  let end = 0
  for (let found = line.exec(script); found !== null; found = line.exec(script)) {
    end = line.lastIndex
    if (found[1] !== undefined) comments.push({ text: found[1], isAtHead: true })
  }
  // With the end of the line before it: a look-alike may begin there.
  return mayDeclare.test(script.slice(Math.max(0, end - 1))) ? commentsOf(script) : comments
}

/**
 * The texts, with `\n` as line end, that a script may have been before declarations were added. For each set of
 * declarations: without them, without the empty lines around them, without the comment lines above them; and once
 * without anything before the first statement. Empty if nothing is declared.
 */
export const withoutDeclarations = (script: string): ReadonlyArray<string> => {
  const lines = script.split("\n")
  const declaring = lines.flatMap((line, index) => (/^\s*--\s*database-ready:/.test(line) ? [index] : []))
  // Try each set. Of more than four declarations try only all at once and each alone.
  const sets =
    declaring.length <= 4
      ? subsetsOf(declaring).filter((set) => set.length > 0)
      : [declaring, ...declaring.map((index) => [index])]
  const former = sets.flatMap((set) =>
    [none, emptyLine, commentLine].flatMap((above) =>
      [none, emptyLine].map((below) => {
        const gone = new Set(set)
        for (const index of set) {
          spread(lines, gone, index, -1, above)
          spread(lines, gone, index, 1, below)
        }
        return lines.filter((_, index) => !gone.has(index)).join("\n")
      })
    )
  )
  return declaring.length === 0 ? [] : [...former, withoutHead(script)]
}

const none = /(?!)/
const emptyLine = /^\s*$/
const commentLine = /^\s*(?:--.*)?$/

const spread = (lines: ReadonlyArray<string>, gone: Set<number>, from: number, step: 1 | -1, kind: RegExp): void => {
  // Beyond the first and the last line is a statement.
  for (let at = from + step; kind.test(lines[at] ?? "x"); at += step) gone.add(at)
}

const subsetsOf = ([first, ...rest]: ReadonlyArray<number>): ReadonlyArray<ReadonlyArray<number>> =>
  first === undefined ? [[]] : subsetsOf(rest).flatMap((set) => [set, [first, ...set]])

const withoutHead = (script: string): string => {
  for (const { isAtHead, text } of commentsOf(script)) {
    if (!isAtHead) break
    script = script.slice(script.indexOf(text) + text.length)
  }
  return script.trimStart()
}

/** How a text of declarations says it. */
export const withoutTransaction = "transaction = none"

/** As the history keeps it, to compare declarations apart from the text. */
export const declarationText = ({ compatibleFrom, deletes, foreignKeys, settings, transaction }: Declaration): string =>
  [
    ...(foreignKeys === "off" ? ["foreign_keys = off"] : []),
    ...(deletes.length > 0 ? [`deletes = ${deletes.map(identifier).join(", ")}`] : []),
    ...(compatibleFrom === undefined ? [] : [`compatible_from = ${compatibleFrom}`]),
    ...(settings === "ignored" ? ["settings = ignored"] : []),
    ...(transaction === "none" ? [withoutTransaction] : [])
  ].join("; ")

/** Only at the beginning: prose may mention the mark. */
const beginsWithMark = /^(?:--|\/\*)[-*\s]*database-ready\s*:/i

/**
 * Whether a comment line is `name = value` after something close to the mark: no colon, capitals, another hyphen, a
 * letter missing. It would silently declare nothing. The name must resemble a known one too, because ordinary comments
 * also mention databases.
 */
const resemblesOne = (line: string): boolean => {
  if (/^[^\p{L}]*database-ready\s*=/iu.test(line)) return true
  const [, begin = "", name = ""] =
    /^[^\p{L}]*(\p{L}[\p{L}_.-]*|\p{L}+ \p{L}+(?=\s*:))[\s:;,]+([^\s=:;,][^\s=]*)\s*=/u.exec(line) ?? []
  return (
    isWithin(2, begin.toLowerCase().replace(/[^\p{L}]/gu, ""), "databaseready") &&
    declarationNames().some((known) => isWithin(2, name.toLowerCase(), known))
  )
}

/** Whether the two differ by at most this many letters: missing, added or replaced. */
const isWithin = (errors: number, one: string, other: string): boolean => {
  if (one === other) return true
  if (errors === 0) return false
  let same = 0
  while (one[same] === other[same]) same += 1
  const [here, there] = [one.slice(same), other.slice(same)]
  return (
    isWithin(errors - 1, here.slice(1), there) ||
    isWithin(errors - 1, here, there.slice(1)) ||
    isWithin(errors - 1, here.slice(1), there.slice(1))
  )
}

/**
 * A fast filter that finds everything that the two above find, and little else. With at most two errors, one of the
 * mark's three parts is intact.
 */
const mayDeclare = /database-ready\s*:|(?:--|\*|\n)[^\n=]{0,24}(?:data|base|ready)[^\n=]{0,60}=/i

/** The names that can be declared. */
export const declarationNames = (): ReadonlyArray<string> => Object.keys(readers)

/** For each name: what a value declares, or what is wrong with it. */
const readers: Partial<Record<string, (value: string, id: number) => Partial<Declaration> | string>> = {
  foreign_keys: (value) => (value === "off" ? { foreignKeys: "off" } : "the only value is off"),
  deletes: (value) => {
    const tables: Array<string> = []
    const next = /\s*(?:"((?:[^"]|"")+)"|`([^`]+)`|\[([^\]]+)\]|(?:main\.)?([^\s,"`[\]]+))\s*(?:,|$)/iy
    while (next.lastIndex < value.length || value.endsWith(",")) {
      const rest = value.slice(next.lastIndex)
      const [, ...names] = next.exec(value) ?? []
      const name = names.find((name) => name !== undefined)
      if (name === undefined) {
        return /\S\s+\S/.test(rest)
          ? `${rest.trim()}: a name with blanks needs quotes, and names need commas between them`
          : "the value is a list of tables, with commas between"
      }
      tables.push(name.replaceAll('""', '"'))
    }
    return { deletes: tables }
  },
  compatible_from: (value, id) =>
    /^\d+$/.test(value) && Number(value) <= id
      ? { compatibleFrom: Number(value) }
      : `the value is the number of a migration, ${id} at most`,
  settings: (value) => (value === "ignored" ? { settings: "ignored" } : "the only value is ignored"),
  transaction: (value) => (value === "none" ? { transaction: "none" } : "the only value is none")
}
