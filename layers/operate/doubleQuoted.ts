/** Strings in double quotes: this library's SQLite refuses them, others take them for strings where no column has the name. */
import { identifier, openingWords, tokensOf } from "../schema/SqlScript.ts"
import { brokenObjects } from "../sqlite/AppliedMigrations/CompiledSchema.ts"
import { complaintOf } from "../sqlite/AppliedMigrations/Complaint.ts"
import { answerOr, type Sqlite } from "../sqlite/Sqlite.ts"

/** SQLite asks whether the missing name was to be a string. */
export const stringIn = (detail: string): string | undefined =>
  /no such column: "([\s\S]*)" - should this be a string literal in single-quotes\?$/.exec(detail)?.[1]

/**
 * The statement with those strings in single quotes, and what they say. The same text stays as it is where it is the name
 * of a column: each place is tried with all others as they are known.
 */
export const withStrings = (sqlite: Sqlite, sql: string): { readonly sql: string; readonly strings: Set<string> } => {
  const tokens = [...tokensOf(sql)].map(({ text }) => text)
  const names = new Map<number, string>()
  const written = (except?: number) =>
    tokens
      .map((token, at) => {
        const name = at === except ? undefined : names.get(at)
        return name === undefined ? token : `'${name.replaceAll("'", "''")}'`
      })
      .join("")
  for (;;) {
    const name = missingIn(sqlite, written())
    const places = tokens.flatMap((token, at) => (name === undefined || token !== identifier(name) ? [] : [at]))
    if (name === undefined || places.every((at) => names.has(at))) break
    for (const at of places) names.set(at, name)
  }
  for (let before = -1; before !== names.size; ) {
    before = names.size
    const columns = [...names.keys()].filter((at) => missingIn(sqlite, written(at)) === undefined)
    if (columns.length < names.size) for (const at of columns) names.delete(at)
  }
  return { sql: written(), strings: new Set(names.values()) }
}

/** SQLite reads a view or a trigger when it is used, so it is made for a moment. */
const missingIn = (sqlite: Sqlite, sql: string): string | undefined => {
  if (!/^CREATE (?:TEMP |TEMPORARY )?(?:VIEW|TRIGGER)\b/.test(openingWords(sql, 3).join(" "))) {
    return stringIn(complaintOf(sqlite, sql) ?? "")
  }
  sqlite.all("SAVEPOINT looked")
  const [found] = answerOr(
    () => {
      sqlite.all(sql)
      return brokenObjects(sqlite).flatMap(({ detail }) => stringIn(detail) ?? [])
    },
    () => []
  )
  sqlite.all("ROLLBACK TO looked")
  sqlite.all("RELEASE looked")
  return found
}
