/** What SQLite says when it compiles a statement, which runs nothing. */
import { identifier, openingWords } from "../../schema/SqlScript.ts"
import { answerOr, type Sqlite, text } from "../Sqlite.ts"

type Event = "INSERT" | "UPDATE" | "DELETE"

/**
 * SQLite's complaint about a statement; undefined if it compiles. Only SQLITE_ERROR and its extended codes are
 * complaints; other codes are failures.
 */
export const complaintOf = (sqlite: Sqlite, statement: string): string | undefined =>
  answerOr(
    () => {
      sqlite.compile(statement)
      return undefined
    },
    (failure) => {
      if (failure.code.startsWith("SQLITE_ERROR")) return failure.detail
      throw failure
    }
  )

export const statementOn = (sqlite: Sqlite, name: string, event: Event): string => {
  const table = `main.${identifier(name)}`
  if (event === "DELETE") return `DELETE FROM ${table}`
  if (event === "INSERT") return `INSERT INTO ${table} DEFAULT VALUES`
  // Generated columns cannot be set.
  const rows = sqlite.all("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", [name])
  const columns = rows.map((row) => identifier(text(row, "name")))
  return `UPDATE ${table} SET ${columns.map((column) => `${column} = ${column}`).join(", ")}`
}

const events: ReadonlyArray<Event> = ["INSERT", "UPDATE", "DELETE"]

/** Nearly every trigger: without quotes and comments before its event. */
const plainTrigger =
  /^CREATE\s+TRIGGER\s+(?!IF\b)\w+\s+(?:BEFORE\s+|AFTER\s+|INSTEAD\s+OF\s+)?(INSERT|UPDATE|DELETE)\b/i

/** `CREATE TRIGGER name [BEFORE | AFTER | INSTEAD OF] event`, with or without TEMP, IF NOT EXISTS and a schema's name. */
export const eventOf = (sql: string): Event | undefined => {
  const [, plain] = plainTrigger.exec(sql) ?? []
  if (plain !== undefined) return events.find((event) => event === plain.toUpperCase())
  const words = openingWords(sql, 16)
  const name = words.indexOf("TRIGGER") + (words[words.indexOf("TRIGGER") + 1] === "IF" ? 4 : 1)
  const at = words[name + 1] === "." ? name + 3 : name + 1
  return words.slice(at).find((word) => word === "INSERT" || word === "UPDATE" || word === "DELETE")
}
