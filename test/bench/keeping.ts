/** How the floors keep the files of a fleet open: the first that was opened is the first to be closed. */
import { join } from "node:path"
import type Sqlite from "better-sqlite3"
import { type Fleet, kept } from "./fleet.ts"

/** `opened` gives the connection and what it found; each must find what the first one did. */
export const keeping = (
  directory: string,
  opened: (file: string) => { readonly db: Sqlite.Database; readonly found: string }
): Fleet => {
  const open: Array<Sqlite.Database> = []
  let expected: string | undefined
  return {
    open: async (name) => {
      try {
        if (open.length >= kept) open.shift()?.close()
        const { db, found } = opened(join(directory, `${name}.db`))
        open.push(db)
        expected ??= found
        return found === expected ? undefined : "it is not like the first"
      } catch (thrown) {
        return String(thrown)
      }
    },
    close: async () => {
      for (const db of open) db.close()
    }
  }
}
