/** Which tables and columns a script renames or drops. */
import { foldName, openingParts, openingWords } from "../../schema/SqlScript.ts"
import type { Script } from "./MigrationRun.ts"

/** All names of a table, one after the other. */
export type Follow = (name: string) => ReadonlyArray<string>

const isDrop = ({ text }: Script["statements"][number]): boolean => openingWords(text, 1)[0] === "DROP"

/** `DROP TABLE [IF EXISTS] [schema .] name` */
export const tablesDroppedBy = (statements: Script["statements"]): ReadonlySet<string> =>
  new Set(
    statements.filter(isDrop).flatMap(({ text }) => {
      const parts = openingParts(text, 7)
      return parts[1]?.keyword === "TABLE" ? [foldName(parts.at(-1)?.name ?? "")] : []
    })
  )

/** The name in `ALTER TABLE [schema .] name RENAME`, and what follows. */
const renamingIn = (statement: string) => {
  if (!/^alter/i.test(statement)) return undefined
  const parts = openingParts(statement, 10)
  const at = parts[3]?.keyword === "." ? 4 : 2
  const [table, rename, ...rest] = parts.slice(at)
  return parts[0]?.keyword === "ALTER" && rename?.keyword === "RENAME" && table !== undefined
    ? { table: foldName(table.name), rest }
    : undefined
}

/** Every name that a table has while a script runs. */
export const followRenames =
  (statements: Script["statements"]): Follow =>
  (name) => {
    const names = [name]
    for (const { text } of statements) {
      const { rest: [to, next] = [], table } = renamingIn(text) ?? {}
      if (table === names.at(-1) && to?.keyword === "TO" && next !== undefined) names.push(foldName(next.name))
    }
    return names
  }

/** The name of a column after a script: follows `RENAME [COLUMN] a TO b`, also across renames of its table. */
export const columnNow = (statements: Script["statements"], from: string, column: string): string => {
  let [table, current] = [from, column]
  for (const { text } of statements) {
    const renaming = renamingIn(text)
    if (renaming?.table !== table) continue
    const [first, second, third, fourth] = renaming.rest
    if (first?.keyword === "TO" && second !== undefined) table = foldName(second.name)
    else {
      // A column may itself be named "column", without quotes.
      const hasWord = first?.keyword === "COLUMN" && third?.keyword === "TO"
      const [old, made] = hasWord ? [second, fourth] : [first, third]
      if (old !== undefined && made !== undefined && foldName(old.name) === foldName(current)) current = made.name
    }
  }
  return current
}
