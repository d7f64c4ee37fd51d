/** umzug with the resolver for raw SQL files and the storage in a table that its README shows. */
import { mkdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import Sqlite from "better-sqlite3"
import { Umzug } from "umzug"
import type { Start } from "../subject.ts"

export const start: Start = async (file, { sql }) => {
  mkdirSync(dirname(file), { recursive: true })
  const context = new Sqlite(file)
  context.pragma("journal_mode = WAL")
  context.pragma("foreign_keys = ON")
  context.exec("CREATE TABLE IF NOT EXISTS umzug_migrations (name TEXT PRIMARY KEY)")
  const umzug = new Umzug({
    migrations: {
      glob: join(sql, "*.sql"),
      resolve: ({ context, name, path = "" }) => ({ name, up: async () => context.exec(readFileSync(path, "utf8")) })
    },
    context,
    storage: {
      executed: async ({ context }) =>
        context.prepare<[], string>("SELECT name FROM umzug_migrations ORDER BY name").pluck().all(),
      logMigration: async ({ context, name }) => {
        context.prepare("INSERT INTO umzug_migrations VALUES (?)").run(name)
      },
      unlogMigration: async ({ context, name }) => {
        context.prepare("DELETE FROM umzug_migrations WHERE name = ?").run(name)
      }
    },
    logger: undefined
  })
  await umzug.up()
  return () => context.close()
}
