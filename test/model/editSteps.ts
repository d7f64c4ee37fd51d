/** What somebody writes into the database by SQL: rows, the history, the schema. */
import { isOfMigrations } from "./files.ts"
import type { Content, HistoryRow } from "./model.ts"
import { executed, type Image, tablesIn } from "./reference.ts"
import { fileOf, observe, type State } from "./State.ts"
import type { Step } from "./Step.ts"
import { byHand } from "./world.ts"

/** SQL by hand; if SQLite refuses it, nothing has happened. */
export const edited = (
  state: State,
  sql: string,
  change: (content: Content) => Content,
  pragmas = "foreign_keys = 1"
): string => {
  if (state.kind !== "database") return "skipped"
  try {
    byHand(fileOf(state), (connection) => {
      connection.pragma(pragmas)
      connection.exec(`BEGIN IMMEDIATE; ${sql}; COMMIT`)
    })
  } catch (error) {
    observe(state)
    return `skipped: ${error instanceof Error ? error.message : ""}`
  }
  state.content = change(state.content)
  if (state.held !== "no") state.base = undefined
  observe(state)
  return "done"
}

export const madeByMigrations = (image: Image): ReadonlyArray<string> => tablesIn(image).filter(isOfMigrations)

export const insertInto = (image: Image, pick: number, rows: number): string | undefined => {
  const tables = madeByMigrations(image)
  const table = tables[pick % Math.max(1, tables.length)]
  return table === undefined
    ? undefined
    : `INSERT INTO ${table} (body) VALUES ${Array.from({ length: rows }, (_, index) => `('by hand ${index}')`).join(", ")}`
}

export const write = (state: State, { pick, rows }: Extract<Step, { _tag: "write" }>): string => {
  const sql = insertInto(state.content.image, pick, rows)
  if (sql === undefined) return "skipped"
  return edited(state, sql, (content) => ({ ...content, image: executed(content.image, sql) }))
}

export const header = (state: State, { pragma, value }: Extract<Step, { _tag: "header" }>): string =>
  edited(state, `PRAGMA ${pragma} = ${value}`, (content) =>
    pragma === "user_version" ? { ...content, userVersion: value } : { ...content, applicationId: value }
  )

export const history = (state: State, { edit, pick }: Extract<Step, { _tag: "history" }>): string => {
  const rows = state.content.history?.toSorted((one, other) => Number(one.version) - Number(other.version)) ?? []
  const row =
    { "forget newest": rows.at(-1), "forget oldest": rows[0] }[String(edit)] ?? rows[pick % Math.max(1, rows.length)]
  if (row === undefined) return "skipped"
  const changed = (sql: string, change: (rows: ReadonlyArray<HistoryRow>) => ReadonlyArray<HistoryRow>) =>
    edited(state, sql, (content) => ({ ...content, history: change(content.history ?? []) }))
  const replaced = (set: string, by: Partial<HistoryRow>) =>
    changed(`UPDATE schema_migrations SET ${set} WHERE version = '${row.version}'`, (all) =>
      all.map((one) => (one.version === row.version ? { ...one, ...by } : one))
    )
  const inserted = (version: string) =>
    changed(
      `INSERT INTO schema_migrations (version, description, status, name, checksum, compatible_from) SELECT '${version}', description, status, name, checksum, compatible_from FROM schema_migrations WHERE version = '${row.version}'`,
      (all) => [...all, { ...row, version }]
    )
  switch (edit) {
    case "forget newest":
    case "forget oldest":
      return changed(`DELETE FROM schema_migrations WHERE version = '${row.version}'`, (all) =>
        all.filter(({ version }) => version !== row.version)
      )
    case "status":
      return replaced("status = 'failed'", { status: "failed" })
    case "checksum":
      return replaced("checksum = 'another'", { text: undefined })
    case "name":
      return replaced("name = 'another'", { name: "another" })
    case "newer":
      return inserted(`90${pick}`)
    case "twice":
      return inserted(`0${row.version}`)
  }
}

export const drift = (state: State, { what }: Extract<Step, { _tag: "drift" }>): string => {
  const [table] = madeByMigrations(state.content.image)
  if (what === "column") {
    if (table === undefined) return "skipped"
    const sql = `ALTER TABLE ${table} ADD COLUMN by_hand`
    return edited(state, sql, (content) => ({ ...content, image: executed(content.image, sql), isDrifted: true }))
  }
  const sql = `CREATE TABLE by_hand (x); INSERT INTO by_hand VALUES (1)`
  return edited(state, sql, (content) => ({ ...content, image: executed(content.image, sql) }))
}
