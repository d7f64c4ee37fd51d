/** Kysely's `Migrator` with its `FileMigrationProvider`. */
import { mkdirSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import Sqlite from "better-sqlite3"
import { FileMigrationProvider, Kysely, Migrator, SqliteDialect } from "kysely"
import type { Start } from "../subject.ts"

export const start: Start = async (file, { kysely: migrationFolder }) => {
  mkdirSync(path.dirname(file), { recursive: true })
  const database = new Sqlite(file)
  database.pragma("journal_mode = WAL")
  database.pragma("foreign_keys = ON")
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) })
  const migrator = new Migrator({ db, provider: new FileMigrationProvider({ fs, path, migrationFolder }) })
  const { error } = await migrator.migrateToLatest()
  if (error !== undefined) throw error
  return () => db.destroy()
}
