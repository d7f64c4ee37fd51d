/**
 * The floor of a fleet with all that this library proves of each file, in plain code: no Effect, no reasons, no report.
 * What is the same for all files is looked at once.
 */
import { hash } from "node:crypto"
import { accessSync, closeSync, constants, lstatSync, openSync, readdirSync, statfsSync, statSync } from "node:fs"
import Sqlite from "better-sqlite3"
import type { Look, OpenFleet } from "../fleet.ts"
import { keeping } from "../keeping.ts"

interface Recorded {
  readonly version: string
  readonly checksum: string
  readonly fingerprint: string | null
  readonly status: string
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

const wanted = {
  journal_mode: "wal",
  synchronous: 1,
  foreign_keys: 1,
  trusted_schema: 0,
  cell_size_check: 1,
  journal_size_limit: 67_108_864,
  temp_store: 2,
  cache_size: -64_000,
  mmap_size: 0
}

const settle = (db: Sqlite.Database): void => {
  for (const [pragma, value] of Object.entries(wanted)) {
    if (db.pragma(pragma, { simple: true }) !== value) db.pragma(`${pragma} = ${value}`)
  }
}

const readBack = (db: Sqlite.Database): void => {
  for (const [pragma, value] of Object.entries(wanted)) must(db.pragma(pragma, { simple: true }) === value, pragma)
}

/** Without the one of the listing itself. */
const descriptors = () => {
  const found = new Set(readdirSync("/proc/self/fd"))
  const next = openSync("/dev/null", "r")
  closeSync(next)
  found.delete(String(next))
  return found
}

const identityOf = (path: string): string | undefined => {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? undefined : `${found.dev}:${found.ino}`
}

const lookAtFiles = (file: string): void => {
  must(lstatSync(file).isFile(), "no file")
  for (const suffix of ["", "-wal", "-shm", "-journal"]) {
    const found = statSync(`${file}${suffix}`, { throwIfNoEntry: false })
    if (found === undefined) continue
    must(found.isFile(), "no file")
    accessSync(`${file}${suffix}`, constants.R_OK | constants.W_OK)
  }
}

const opened = (file: string, asked: Look): { readonly db: Sqlite.Database; readonly found: string } => {
  lookAtFiles(file)
  const before = descriptors()
  const identity = identityOf(file)
  const db = new Sqlite(file, { fileMustExist: true, timeout: 0 })
  try {
    must(
      db.prepare("SELECT sqlite_version() FROM pragma_schema_version").pluck().get() !== "3.51.2",
      "an unsafe SQLite"
    )
    const recent = () => [...descriptors()].filter((number) => !before.has(number))
    const isOpen = (path: string) =>
      recent().some((number) => identityOf(`/proc/self/fd/${number}`) === identityOf(path))
    must(identityOf(file) === identity && isOpen(file), "another file")
    settle(db)
    readBack(db)
    db.exec("BEGIN")
    const history = db
      .prepare<[], Recorded>(
        "SELECT version, checksum, schema_fingerprint AS fingerprint, status FROM schema_migrations ORDER BY migration_id"
      )
      .all()
    const schema = db
      .prepare(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name <> 'schema_migrations' ORDER BY type, name"
      )
      .raw()
      .all()
    const version = db.pragma("user_version", { simple: true })
    db.exec("COMMIT")
    must(history.every(({ status }) => status === "completed") && version === history.length, "the history")
    const found = hash("sha256", JSON.stringify([history, schema]))
    if (asked === "pages") {
      must(db.pragma("quick_check", { simple: true }) === "ok", "damaged pages")
      must(db.pragma("foreign_key_check", { simple: true }) === undefined, "foreign keys are violated")
    }
    db.pragma("busy_timeout = 5000")
    readBack(db)
    must(identityOf(file) === identity && isOpen(`${file}-wal`), "another file")
    return { db, found }
  } catch (thrown) {
    db.close()
    throw thrown
  }
}

export const openFleet: OpenFleet = async (directory, _, asked) => {
  must(statSync(directory).isDirectory() && statfsSync(directory).bavail > 0, "no directory")
  return keeping(directory, (file) => opened(file, asked))
}
