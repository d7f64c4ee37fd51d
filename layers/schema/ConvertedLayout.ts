/** Which files of another tool's directory are migrations, in which order they run, and what they are called here. */

/** What is in a directory, at any depth. */
export interface TreeEntry {
  /** Below the directory, with `/` between. */
  readonly path: string
  readonly isDirectory: boolean
}

/** A file that another tool runs. */
export interface ForeignFile {
  readonly path: string
  /** The number as the other tool has it; "" for a repeatable one. */
  readonly number: string
  /** Undefined for a repeatable one. */
  readonly version: string | undefined
  readonly name: string
}

/** A directory as another tool reads it. */
export interface ForeignLayout {
  /** For people: whose layout it is, as far as the names tell. */
  readonly layout: string
  /** In the order in which they run. */
  readonly found: ReadonlyArray<ForeignFile>
  /** Files that the other tool does not run to build a database, each with the reason. */
  readonly left: ReadonlyArray<LeftFile>
  /** Whether some of the numbers are new ones. */
  readonly isRenumbered: boolean
}

/** A file that is not taken over. */
export interface LeftFile {
  /** Below the directory, with `/` between. */
  readonly path: string
  /** Why not, for people. */
  readonly reason: string
}

/** Why a layout cannot be read. */
export interface Unclear {
  readonly reason: "NoMigrations" | "Programs" | "Unclear"
  readonly detail: string
}

/** What a path says by itself. */
interface Named {
  readonly path: string
  readonly form: Form
  readonly number: string
  readonly name: string
  readonly half: "up" | "down"
}

type Form = "numbered" | "folders" | "flyway" | "postgrator"

const layoutNames: Readonly<Record<Form, string>> = {
  numbered: "numbered files",
  folders: "a folder for each migration, as of Prisma, Drizzle or Diesel",
  flyway: "Flyway",
  postgrator: "Postgrator"
}

const isSql = /\.sql$/i
const undoing = /^(?:down|undo|rollback|revert)$/i
/** What archives, editors and merges leave. */
const isRemainder = /(?:^|\/)\._|(?:^|\/)\.#|\.sql(?:~|\.orig|\.bak|\.swp)$/i
/** Numbers, times such as `2024-01-31-120000` and `2024-01-31T1200`, and Diesel's with four digits more. */
const numberAtStart = /^(\d{4}-\d\d-\d\d(?:[-T_]?\d{4,9}(?:-\d{1,4})?Z?)?|\d+(?:\.\d+)*[a-z]{0,2})(?=[\s_.-]|$)/
/** The languages in which other tools have migrations that are not SQL. */
const program = /\.(?:go|[cm]?[jt]s|py|rb|php|java|kt|cs|exs?|clj|rs)$/i
const isProgramOfIts = (path: string): boolean =>
  program.test(path) &&
  !/_test\.\w+$|\.(?:test|spec)\.\w+$|\.d\.[cm]?ts$/i.test(path) &&
  /^(?:[^/]+\/)?(?:\d+[_.-]|[VR]\d*[\d._]*__)/.test(path)

/**
 * `journal` is the text of Drizzle's `meta/_journal.json`, where there is one: then it says what runs, and in which
 * order. `isByName` says whether the tool orders by whole names, not by numbers.
 */
export const layoutOf = (
  entries: ReadonlyArray<TreeEntry>,
  journal: string | undefined,
  isByName: boolean
): ForeignLayout | Unclear => {
  const visible = entries.filter(({ path }) => !/(?:^|\/)(?:\.|node_modules(?:\/|$))/.test(path))
  const files = visible
    .filter(({ isDirectory, path }) => !isDirectory && !isRemainder.test(path))
    .map(({ path }) => path)
  const programs = files.filter(isProgramOfIts)
  if (programs.length > 0) return { reason: "Programs", detail: shortened(programs) }
  const scripts = files.filter((path) => isSql.test(path))
  const empty = visible.find(
    ({ isDirectory, path }) =>
      isDirectory &&
      !path.includes("/") &&
      numberAtStart.test(path) &&
      !scripts.some((one) => one.startsWith(`${path}/`))
  )
  if (empty !== undefined) return { reason: "Unclear", detail: `the folder ${empty.path} has no SQL file` }
  const left: Array<LeftFile> = []
  if (journal !== undefined) return ofJournal(journal, scripts, left)

  const named: Array<Named> = []
  for (const path of scripts) {
    const found = namedOf(path, scripts)
    if (typeof found === "string") left.push({ path, reason: found })
    else if ("reason" in found) return found
    else named.push(found)
  }
  const forms = new Set(named.map(({ form }) => form))
  const [form] = forms
  if (form === undefined) return nothingIn(scripts)
  if (forms.size > 1) {
    const examples = [...forms].map((one) => named.find((file) => file.form === one)?.path ?? "")
    return {
      reason: "Unclear",
      detail: `${examples.join(" and ")} are named for different tools, and their order is not known`
    }
  }
  const lower = named.filter(({ half }) => half === "down")
  for (const { path } of lower) left.push({ path, reason: "it undoes a migration" })
  const repeatable = named.filter(({ half, number }) => half === "up" && number === "")
  const upper = named.filter(({ half, number }) => half === "up" && number !== "")
  const covered = form === "flyway" ? baselinesIn(upper, left) : upper
  const inOrder = covered.sort(isByName || form === "folders" ? byPath : byNumber)
  const isOfTwo = lower.length > 0 && form === "numbered"
  return numbered(
    isOfTwo ? "files that do and files that undo, as of golang-migrate or sqlx" : layoutNames[form],
    inOrder,
    repeatable.sort((one, other) => (one.name < other.name ? -1 : 1)),
    left
  )
}

/** What a path is, why it is not a migration, or what cannot be understood. */
const namedOf = (path: string, scripts: ReadonlyArray<string>): Named | Unclear | string => {
  const [file = "", folder, ...above] = path.split("/").reverse()
  const [, kind = "", flyway = "", what = ""] = /^([VUBR])([\d._]*)__(.+)\.sql$/.exec(file) ?? []
  if (kind !== "") {
    if ((kind === "R") !== (flyway === "")) return { reason: "Unclear", detail: `${path} is not a name of Flyway's` }
    const number = kind === "B" ? `B${flyway}` : flyway
    return { path, form: "flyway", number, name: what, half: kind === "U" ? "down" : "up" }
  }
  if (folder === undefined) return ofFlatFile(path, scripts)
  if (above.length > 0) return "it is in a folder of a folder"
  if (/^(?:up|do)$/i.test(folder)) {
    const found = ofFlatFile(file, [])
    return typeof found === "string" ? found : { ...found, path }
  }
  if (undoing.test(folder)) return "it undoes a migration"
  const number = numberAtStart.exec(folder)?.[1]
  if (number === undefined) return `the folder ${folder} has no number`
  const siblings = scripts.filter((one) => one.startsWith(`${folder}/`) && one.split("/").length === 2)
  const isDown = /^(?:down|undo|rollback|revert)\.sql$/i.test(file)
  const running = siblings.filter((one) => !/\/(?:down|undo|rollback|revert)\.sql$/i.test(one))
  if (!isDown && (running.length > 1 || !/^(?:migration|up)\.sql$/i.test(file))) {
    return {
      reason: "Unclear",
      detail: `the folder ${folder} has ${running.length > 1 ? shortened(running) : file}, and a migration is one migration.sql or up.sql`
    }
  }
  return { path, form: "folders", number, name: afterNumber(folder, number), half: isDown ? "down" : "up" }
}

const ofFlatFile = (path: string, scripts: ReadonlyArray<string>): Named | string => {
  const stem = path.replace(isSql, "")
  const [, postgrator = "", action = "", rest = ""] = /^(\d+)\.(do|undo)(?:\.(.*))?$/i.exec(stem) ?? []
  if (postgrator !== "") {
    return { path, form: "postgrator", number: postgrator, name: rest, half: undoing.test(action) ? "down" : "up" }
  }
  const number = numberAtStart.exec(stem)?.[1]
  if (number === undefined) return "its name has no number, so it is not a migration to other tools either"
  const { base, half } = halfOf(stem, scripts)
  return { path, form: "numbered", number, name: afterNumber(base, number), half }
}

/** A word with a dot before it always counts; one with another sign only beside its counterpart. */
const halfOf = (
  stem: string,
  scripts: ReadonlyArray<string>
): { readonly base: string; readonly half: Named["half"] } => {
  const [, base = "", sign = "", word = ""] =
    /^(.*?)(?:\.tx)?([._-])(up|down|do|undo|rollback|revert)$/i.exec(stem) ?? []
  const counterparts = undoing.test(word) ? ["up", "do"] : ["down", "undo", "rollback", "revert"]
  const isPair = (other: string) =>
    scripts.some((one) => one.toLowerCase() === `${base}${sign}${other}.sql`.toLowerCase())
  if (base === "" || (sign !== "." && !counterparts.some(isPair))) return { base: stem, half: "up" }
  return { base, half: undoing.test(word) ? "down" : "up" }
}

const afterNumber = (stem: string, number: string): string => stem.slice(number.length).replace(/^[\s_.-]+/, "")

/** A baseline stands for the versions up to it, where they are gone. Where they are here, it is not needed. */
const baselinesIn = (upper: ReadonlyArray<Named>, left: Array<LeftFile>): Array<Named> => {
  const isBaseline = ({ number }: Named) => number.startsWith("B")
  const versions = upper.filter((one) => !isBaseline(one))
  const newest = upper
    .filter(isBaseline)
    .map((one) => ({ ...one, number: one.number.slice(1) }))
    .sort(byNumber)
    .at(-1)
  const isCovered = newest === undefined || versions.some((one) => compareNumbers(one, newest) <= 0)
  for (const { number, path } of upper) {
    if (number.startsWith("B") && (isCovered || path !== newest?.path)) {
      left.push({ path, reason: "a baseline, in the place of the versions that are here" })
    }
  }
  return isCovered || newest === undefined ? versions : [newest, ...versions]
}

/** What Drizzle runs: the entries of its journal, in their order. */
const ofJournal = (journal: string, scripts: ReadonlyArray<string>, left: Array<LeftFile>): ForeignLayout | Unclear => {
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
  const inOrder = tags.map((tag): Named => {
    const number = numberAtStart.exec(tag)?.[1] ?? ""
    return { path: `${tag}.sql`, form: "numbered", number, name: afterNumber(tag, number), half: "up" }
  })
  return inOrder.length === 0
    ? { reason: "NoMigrations", detail: "the journal of Drizzle is empty" }
    : numbered("Drizzle, with its journal", inOrder, [], left)
}

const tagsIn = (journal: string): ReadonlyArray<string> | undefined => {
  try {
    const read: unknown = JSON.parse(journal)
    const entries: unknown = typeof read === "object" && read !== null && "entries" in read ? read.entries : undefined
    if (!Array.isArray(entries)) return undefined
    const list: ReadonlyArray<unknown> = entries
    const tags = list.flatMap((entry) =>
      typeof entry === "object" && entry !== null && "tag" in entry && typeof entry.tag === "string" ? [entry.tag] : []
    )
    return tags.length === list.length ? tags : undefined
  } catch {
    return undefined
  }
}

const byPath = (one: Named, other: Named): number => (one.path < other.path ? -1 : 1)

/** By number, then by name. */
const byNumber = (one: Named, other: Named): number => {
  const compared = compareNumbers(one, other)
  return compared === 0 ? byPath(one, other) : compared
}

/** Part by part as numbers, then by the letters behind it. */
const compareNumbers = (one: Named, other: Named): number => {
  const [these, those] = [partsOf(one.number), partsOf(other.number)]
  for (let at = 0; at < Math.max(these.length, those.length); at += 1) {
    const [here, there] = [these[at] ?? 0n, those[at] ?? 0n]
    if (here !== there) return here < there ? -1 : 1
  }
  const [letter, otherLetter] = [lettersOf(one.number), lettersOf(other.number)]
  return letter === otherLetter ? 0 : letter < otherLetter ? -1 : 1
}

/** The parts of `1.2` and `1_2`; the digits of a time are one number. */
const partsOf = (number: string): ReadonlyArray<bigint> =>
  (number.includes("-") ? [number.replaceAll(/\D/g, "")] : number.split(/[._]/))
    .map((part) => part.replaceAll(/\D/g, ""))
    .map((part) => BigInt(part === "" ? 0 : part))

const lettersOf = (number: string): string => /[a-z]*$/.exec(number)?.[0] ?? ""

/** Keeps the numbers where this library reads them in the same order, and else counts. */
const numbered = (
  layout: string,
  inOrder: ReadonlyArray<Named>,
  repeatable: ReadonlyArray<Named>,
  left: ReadonlyArray<LeftFile>
): ForeignLayout => {
  const digits = inOrder.map(({ number }) => (/^\d+$|-/.test(number) ? number.replaceAll(/\D/g, "") : ""))
  // Diesel's times have four digits more than are compared exactly.
  const shorter = digits.map((number) => (number.length > 15 ? number.slice(0, 14) : number))
  const kept = [digits, shorter].find(isRising)
  const width = Math.max(3, String(inOrder.length).length)
  return {
    layout,
    found: [
      ...inOrder.map(({ name, number, path }, index) => ({
        path,
        number,
        version: kept?.[index] ?? String(index + 1).padStart(width, "0"),
        name: plainName(name)
      })),
      ...repeatable.map(({ name, path }) => ({ path, number: "", version: undefined, name: plainName(name) }))
    ],
    left: [...left].sort((one, other) => (one.path < other.path ? -1 : 1)),
    isRenumbered: kept !== digits
  }
}

const isRising = (numbers: ReadonlyArray<string>): boolean =>
  numbers.every(
    (number, index) =>
      number !== "" && number.length <= 15 && (index === 0 || Number(number) > Number(numbers[index - 1]))
  )

/** As a file's name can have it. */
const plainName = (name: string): string => {
  const plain = name.replaceAll(/[^\p{L}\p{M}\p{N}-]+/gu, "_").replaceAll(/^_+|_+$/g, "")
  let short = plain
  while (Buffer.byteLength(short) > 200) short = short.slice(0, -1)
  return short === "" ? "migration" : short
}

const nothingIn = (scripts: ReadonlyArray<string>): Unclear => {
  const folders = [...new Set(scripts.flatMap((path) => (path.includes("/") ? [path.replace(/\/[^/]*$/, "")] : [])))]
  const flat = scripts.filter((path) => !path.includes("/"))
  return {
    reason: "NoMigrations",
    detail:
      flat.length > 0
        ? `${shortened(flat)} ${flat.length === 1 ? "has" : "have"} no number, and the order is not known`
        : folders.length > 0
          ? `there are SQL files in ${shortened(folders)}`
          : "there is no SQL file"
  }
}

export const shortened = (all: ReadonlyArray<string>): string =>
  all.length > 5 ? `${all.slice(0, 5).join(", ")} and ${all.length - 5} more` : all.join(", ")
