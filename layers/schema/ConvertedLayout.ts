/** Which files of another tool's directory are migrations, in which order they run, and what they are called here. */

import { ofJournal } from "./DrizzleJournal.ts"
import { type ForeignLayout, type LeftFile, shortened, type TreeEntry, type Unclear } from "./ForeignLayout.ts"
import { type Form, isSql, type Named, namedOf, numberAt } from "./ForeignNames.ts"
import { byDieselVersion, byNumber, byPath, compareNumbers, numbered, unclearAmong } from "./ForeignNumbers.ts"

const layoutNames: Readonly<Record<Form, string>> = {
  numbered: "numbered files",
  folders: "a folder for each migration, as of Prisma, Drizzle or Diesel",
  flyway: "Flyway",
  postgrator: "Postgrator"
}

/** The languages in which other tools have migrations that are not SQL. */
const program = /\.(?:go|[cm]?[jt]s|py|rb|php|java|kt|cs|exs?|clj|rs)$/i

const isProgramOfIts = (path: string): boolean =>
  program.test(path) &&
  !/_test\.\w+$|\.(?:test|spec)\.\w+$|\.d\.[cm]?ts$/i.test(path) &&
  /^(?:[^/]+\/)?(?:\d+[_.-]|[VR][\d._]*__)/.test(path)

/**
 * `journal` is the text of Drizzle's `meta/_journal.json`, where there is one: then it says what runs, and in which
 * order. `isByName` says whether the tool orders by whole names, not by numbers.
 */
export const layoutOf = (
  entries: ReadonlyArray<TreeEntry>,
  journal: string | undefined,
  isByName: boolean
): ForeignLayout | Unclear => {
  const visible = entries.filter(({ path }) => !/(?:^|\/)(?:\.|node_modules\/)/.test(path))
  const files = visible.flatMap(({ isDirectory, path }) => (isDirectory ? [] : [path]))
  const programs = files.filter(isProgramOfIts)
  if (programs.length > 0) return { reason: "Programs", detail: shortened(programs) }
  const scripts = files.filter((path) => isSql.test(path))
  const empty = visible.find(
    ({ isDirectory, path }) =>
      isDirectory &&
      !path.includes("/") &&
      numberAt(path) !== undefined &&
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
  const examples = named.filter(({ form }, at) => named.findIndex((one) => one.form === form) === at)
  const [example, ...others] = examples
  if (example === undefined) return nothingIn(scripts)
  if (others.length > 0) {
    return {
      reason: "Unclear",
      detail: `${examples.map(({ path }) => path).join(" and ")} are named for different tools, and their order is not known`
    }
  }
  const { form } = example
  const lower = named.filter(({ half }) => half === "down")
  for (const { path } of lower) left.push({ path, reason: "it undoes a migration" })
  const repeatable = named.filter(({ number }) => number === "")
  const upper = named.filter(({ half, number }) => half === "up" && number !== "")
  const covered = baselinesIn(upper, left)
  const isDiesel = form === "folders" && covered.every(({ path }) => /\/up\.sql$/i.test(path))
  const inOrder = covered.sort(isDiesel ? byDieselVersion : isByName || form === "folders" ? byPath : byNumber)
  const unclear = isByName || form !== "numbered" ? undefined : unclearAmong(inOrder)
  if (unclear !== undefined) {
    const { one, other, shorter, title } = unclear
    const number = title.replace(/_.*/s, "")
    return {
      reason: "Unclear",
      detail: `tools that compare numbers and tools that compare names do not run ${one.path} and ${other.path} in the same order, unless ${shorter.path} has the number ${number}`
    }
  }
  const isOfTwo = lower.length > 0 && form === "numbered"
  return numbered(
    isOfTwo ? "files that do and files that undo, as of golang-migrate or sqlx" : layoutNames[form],
    inOrder,
    repeatable.sort((one, other) => (one.name < other.name ? -1 : 1)),
    left
  )
}

/** A baseline stands for the versions up to it, where they are gone. Where they are here, it is not needed. */
const baselinesIn = (upper: ReadonlyArray<Named>, left: Array<LeftFile>): Array<Named> => {
  const isBaseline = ({ number }: Named) => number.startsWith("B")
  const versions = upper.filter((one) => !isBaseline(one))
  const newest = upper
    .filter(isBaseline)
    .map((one) => ({ ...one, number: one.number.slice(1) }))
    .sort(byNumber)
    .at(-1)
  const isNeeded = newest !== undefined && !versions.some((one) => compareNumbers(one, newest) <= 0)
  const taken = isNeeded ? [newest, ...versions] : versions
  for (const { path } of upper) {
    if (!taken.some((one) => one.path === path)) {
      left.push({ path, reason: "a baseline, in the place of the versions that are here" })
    }
  }
  return taken
}

const nothingIn = (scripts: ReadonlyArray<string>): Unclear => {
  const flat = scripts.filter((path) => !path.includes("/"))
  // If none is flat.
  const folders = [...new Set(scripts.map((path) => path.replace(/\/[^/]*$/, "")))]
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
