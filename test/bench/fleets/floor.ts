/**
 * The floor of a fleet: `better-sqlite3` by hand. It opens each file, sets the pragmas that this library sets, reads the
 * history and the schema in one transaction, and compares both with those of the first file. It looks at nothing else.
 */
import Sqlite from "better-sqlite3"
import type { Look, OpenFleet } from "../fleet.ts"
import { keeping } from "../keeping.ts"

const pragmas = [
  "journal_mode = wal",
  "synchronous = 1",
  "foreign_keys = 1",
  "trusted_schema = 0",
  "cell_size_check = 1",
  "journal_size_limit = 67108864",
  "temp_store = 2",
  "cache_size = -64000",
  "mmap_size = 0"
]

const look = (db: Sqlite.Database): string => {
  db.exec("BEGIN")
  const history = db
    .prepare("SELECT version, name, checksum, status FROM schema_migrations ORDER BY migration_id")
    .all()
  const schema = db.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").all()
  db.exec("COMMIT")
  return JSON.stringify([history, schema])
}

const checkPages = (db: Sqlite.Database): void => {
  if (db.pragma("quick_check", { simple: true }) !== "ok") throw new Error("damaged pages")
  if (db.pragma("foreign_key_check", { simple: true }) !== undefined) throw new Error("foreign keys are violated")
}

const opened = (file: string, asked: Look) => {
  const db = new Sqlite(file, { fileMustExist: true })
  try {
    for (const pragma of pragmas) db.pragma(pragma)
    const found = look(db)
    if (asked === "pages") checkPages(db)
    return { db, found }
  } catch (thrown) {
    db.close()
    throw thrown
  }
}

export const openFleet: OpenFleet = async (directory, _, asked) => keeping(directory, (file) => opened(file, asked))
