/** Knex's `migrate.latest`. */
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import knex from "knex"
import type { Start } from "../subject.ts"

export const start: Start = async (filename, { knex: directory }) => {
  mkdirSync(dirname(filename), { recursive: true })
  const db = knex({
    client: "better-sqlite3",
    connection: { filename },
    useNullAsDefault: true,
    pool: {
      afterCreate: (
        connection: { pragma: (pragma: string) => void },
        done: (error: null, connection: unknown) => void
      ) => {
        connection.pragma("journal_mode = WAL")
        connection.pragma("foreign_keys = ON")
        done(null, connection)
      }
    },
    migrations: { directory, loadExtensions: [".cjs"] }
  })
  await db.migrate.latest()
  return () => db.destroy()
}
