/** Reads another tool's directory of migrations. */

import { join } from "node:path"
import * as Either from "effect/Either"
import { files } from "../machine/files.ts"
import { layoutOf } from "../schema/ConvertedLayout.ts"
import type { TextChange } from "../schema/ConvertedText.ts"
import type { ForeignFile, LeftFile, TreeEntry } from "../schema/ForeignLayout.ts"
import { liquibaseLineIn } from "../schema/Halves.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { textAt } from "../start/MigrationTexts.ts"
import { errorOf } from "./Conversion.ts"
import type { ConvertError } from "./ConvertError.ts"

/** A migration with the text that it has in the source. */
export interface Original extends ForeignFile {
  readonly to: string
  readonly text: string
  /** What of the text was read in another way than it is written. */
  readonly read: ReadonlyArray<TextChange>
}

interface Source {
  readonly place: string
  readonly layout: string
  readonly isRenumbered: boolean
  readonly files: ReadonlyArray<Original>
  readonly left: ReadonlyArray<LeftFile>
}

/** For inside `inDirectory`. */
export const readSource = (
  directory: string,
  shown: string
): Either.Either<Either.Either<Source, ConvertError>, MigrationSourceError> => {
  const unclear = (reason: "NoMigrations" | "Programs" | "Unclear", detail: string) =>
    Either.right(Either.left(errorOf(reason, shown, { detail })))
  const entries = treeOf(directory, "", 0)
  if (entries.length > mostEntries) return unclear("Unclear", `it has more than ${mostEntries} files and folders`)
  const textOf = (path: string) => textAt(join(directory, path), path)
  const texts = new Map<string, string>()
  const isDbmate = entries.some(({ isDirectory, path }) => {
    if (isDirectory || !/^\d[^/]*\.sql$/i.test(path)) return false
    const read = textOf(path)
    return "text" in read && /^--\s*migrate:up\b/m.test(read.text)
  })
  const journal = entries.some(({ path }) => path === drizzleJournal)
    ? files.text(join(directory, drizzleJournal))
    : undefined
  const layout = layoutOf(entries, journal, isDbmate)
  if ("reason" in layout) return unclear(layout.reason, layout.detail)
  for (const { path } of layout.found) {
    const read = textOf(path)
    if ("error" in read) return Either.left(read.error)
    const liquibase = liquibaseLineIn(read.text)
    if (liquibase > 0) {
      return unclear(
        "Unclear",
        `line ${liquibase} of ${path} is a mark of Liquibase, whose changesets have conditions of their own`
      )
    }
    texts.set(path, read.text)
  }
  const taken = new Set<string>()
  const originals = layout.found.map((file) => {
    const to = nameOf(file, taken)
    taken.add(to)
    return { ...file, to, text: texts.get(file.path) ?? "", read: [] }
  })
  const { isRenumbered, layout: name, left } = layout
  return Either.right(
    Either.right({ place: files.realPath(directory), layout: name, isRenumbered, files: originals, left })
  )
}

const drizzleJournal = "meta/_journal.json"

/** A directory of migrations is not that large. The path may be one of a disk. */
const mostEntries = 20_000

const deepest = 4

const treeOf = (directory: string, below: string, depth: number): ReadonlyArray<TreeEntry> => {
  const found: Array<TreeEntry> = []
  for (const entry of files.entries(join(directory, below))) {
    if (entry.name.startsWith(".") || entry.name === "node_modules") continue
    const path = below === "" ? entry.name : `${below}/${entry.name}`
    // It may be a link. What is neither a file nor a directory is never read: a fifo would not end.
    const stats = entry.isSymbolicLink() ? files.stat(join(directory, path)) : entry
    const isDirectory = stats?.isDirectory() === true
    if (!isDirectory && stats?.isFile() !== true) continue
    found.push({ path, isDirectory })
    if (isDirectory && depth < deepest) found.push(...treeOf(directory, path, depth + 1))
    if (found.length > mostEntries) break
  }
  return found
}

/** Repeatable ones are known by name, so each needs one of its own. */
const nameOf = ({ name, version }: ForeignFile, taken: ReadonlySet<string>): string => {
  if (version !== undefined) return `${version}_${name}.sql`
  let to = `R__${name}.sql`
  for (let number = 2; taken.has(to); number += 1) to = `R__${name}_${number}.sql`
  return to
}
