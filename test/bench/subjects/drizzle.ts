/** Drizzle, with the folder that `drizzle-kit generate` writes. */
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import Sqlite from "better-sqlite3"
import { drizzle } from "drizzle-orm/better-sqlite3"
import { migrate } from "drizzle-orm/better-sqlite3/migrator"
import type { Start } from "../subject.ts"

export const start: Start = async (file, { drizzle: migrationsFolder }) => {
  mkdirSync(dirname(file), { recursive: true })
  const client = new Sqlite(file)
  client.pragma("journal_mode = WAL")
  client.pragma("foreign_keys = ON")
  migrate(drizzle({ client }), { migrationsFolder })
  return () => client.close()
}
