/**
 * The floor: the same work by hand with `better-sqlite3`, without any checks. It reads the directory of migrations,
 * creates the folder, opens the file, sets pragmas, applies what is pending in one immediate transaction with a history
 * row for each, and reads the history back.
 */
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import Sqlite from "better-sqlite3"
import type { Start } from "../subject.ts"

export const open: (file: string, migrations: string) => Sqlite.Database = (file, migrations) => {
  const scripts = readdirSync(migrations)
    .sort()
    .map((name) => ({ name, sql: readFileSync(join(migrations, name), "utf8") }))
  mkdirSync(dirname(file), { recursive: true })
  const db = new Sqlite(file, { timeout: 30_000 })
  db.pragma("journal_mode = WAL")
  db.pragma("synchronous = NORMAL")
  db.pragma("foreign_keys = ON")
  const upgrade = db.transaction(() => {
    db.exec("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY, applied_at TEXT NOT NULL)")
    const applied = new Set(db.prepare("SELECT name FROM schema_migrations").pluck().all())
    const insert = db.prepare("INSERT INTO schema_migrations VALUES (?, CURRENT_TIMESTAMP)")
    for (const { name, sql } of scripts) {
      if (applied.has(name)) continue
      db.exec(sql)
      insert.run(name)
    }
  })
  upgrade.immediate()
  const recorded = db.prepare("SELECT name FROM schema_migrations ORDER BY name").all()
  if (recorded.length !== scripts.length) throw new Error(`${recorded.length} of ${scripts.length} are recorded`)
  return db
}

export const start: Start = async (file, { sql }) => {
  const db = open(file, sql)
  return () => db.close()
}
