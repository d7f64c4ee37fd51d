/**
 * The floor that checks everything this library checks, in plain code. The remaining difference is the price of Effect,
 * of reasons and of a report. It throws if something is wrong, and says no more.
 */
import { hash } from "node:crypto"
import {
  accessSync,
  constants,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statfsSync,
  statSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import Sqlite from "better-sqlite3"
import type { Start } from "../subject.ts"

interface Recorded {
  readonly version: string
  readonly name: string
  readonly checksum: string
  readonly fingerprint: string | null
  readonly status: string
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what)
}

const migrationsIn = (directory: string) =>
  readdirSync(directory, { withFileTypes: true })
    .map((entry) => {
      const [, version = "", name = ""] = /^(\d+)_(.+)\.sql$/.exec(entry.name) ?? []
      must(entry.isFile() && version !== "", `${entry.name} is not a migration`)
      const sql = readFileSync(join(directory, entry.name), "utf8")
      return { version, name, sql, checksum: hash("sha256", sql.replace(/\r\n?/g, "\n").trimEnd()) }
    })
    .sort((one, other) => Number(one.version) - Number(other.version))

const placeOf = (file: string): string => {
  const directory = dirname(file)
  if (statSync(directory, { throwIfNoEntry: false }) === undefined)
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  must(lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true, "a link")
  const place = join(realpathSync.native(directory), basename(file))
  accessSync(directory, constants.R_OK | constants.W_OK)
  let point = ""
  let type = ""
  const mounts = readFileSync("/proc/self/mountinfo", "utf8")
  for (const [, at = "", what = ""] of mounts.matchAll(/^\S+ \S+ \S+ \S+ (\S+) .*? - (\S+)/gm)) {
    if (directory.startsWith(at) && at.length >= point.length) [point, type] = [at, what]
  }
  must(!/^(nfs4?|cifs|smb3)$/.test(type), "a filesystem of another machine")
  statfsSync(directory)
  for (const path of [place, `${place}-wal`, `${place}-shm`]) {
    const found = statSync(path, { throwIfNoEntry: false })
    if (found === undefined) continue
    must(found.isFile(), "no file")
    accessSync(path, constants.R_OK | constants.W_OK)
  }
  return place
}

const wanted = {
  journal_mode: "wal",
  synchronous: 1,
  foreign_keys: 1,
  trusted_schema: 0,
  cell_size_check: 1,
  journal_size_limit: 67_108_864,
  temp_store: 2,
  cache_size: -64_000
}

const settle = (db: Sqlite.Database): void => {
  for (const [pragma, value] of Object.entries(wanted)) {
    if (db.pragma(pragma, { simple: true }) !== value) db.pragma(`${pragma} = ${value}`)
  }
  for (const [pragma, value] of Object.entries(wanted)) {
    must(db.pragma(pragma, { simple: true }) === value, pragma)
  }
}

const fingerprintOf = (db: Sqlite.Database): string =>
  hash(
    "sha256",
    db
      .prepare<[], string>(
        "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND tbl_name <> 'schema_migrations' ORDER BY type, name"
      )
      .pluck()
      .all()
      .join("\0")
  )

export const start: Start = async (file, { sql }) => {
  const migrations = migrationsIn(sql)
  const db = new Sqlite(placeOf(file), { timeout: 0 })
  const history = () =>
    db
      .prepare<[], Recorded>("SELECT version, name, checksum, fingerprint, status FROM schema_migrations ORDER BY id")
      .all()
  const judged = (): number => {
    if (db.prepare("SELECT 1 FROM pragma_table_info('schema_migrations')").get() === undefined) return 0
    const recorded = history()
    for (const [at, row] of recorded.entries()) {
      const { checksum, name, version } = migrations[at] ?? { checksum: "", name: "", version: "" }
      must(
        row.status === "completed" && row.version === version && row.name === name && row.checksum === checksum,
        version
      )
    }
    must(recorded.length === 0 || recorded.at(-1)?.fingerprint === fingerprintOf(db), "the schema has drifted")
    must(db.pragma("user_version", { simple: true }) === recorded.length, "user_version")
    return recorded.length
  }
  must(db.prepare("SELECT sqlite_version() FROM pragma_schema_version").pluck().get() !== "3.51.2", "an unsafe SQLite")
  settle(db)
  const isBehind = db.transaction(() => judged() < migrations.length)()
  const upgrade = db.transaction(() => {
    db.exec(
      "CREATE TABLE IF NOT EXISTS schema_migrations (id INTEGER PRIMARY KEY, version TEXT, name TEXT, checksum TEXT, fingerprint TEXT, status TEXT, applied_at TEXT NOT NULL)"
    )
    const pending = migrations.slice(judged())
    for (const migration of pending) db.exec(migration.sql)
    must(db.pragma("foreign_key_check", { simple: true }) === undefined, "foreign keys are violated")
    const insert = db.prepare(
      "INSERT INTO schema_migrations VALUES (NULL, ?, ?, ?, NULL, 'completed', CURRENT_TIMESTAMP)"
    )
    for (const { checksum, name, version } of pending) insert.run(version, name, checksum)
    db.prepare("UPDATE schema_migrations SET fingerprint = ? WHERE id = (SELECT max(id) FROM schema_migrations)").run(
      fingerprintOf(db)
    )
    db.pragma(`user_version = ${migrations.length}`)
  })
  if (isBehind) {
    upgrade.immediate()
    must(judged() === migrations.length, "the history is not complete")
  }
  const bytes = db
    .prepare<[], number>("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
    .pluck()
    .get()
  if (isBehind || bytes === undefined || bytes <= 1024 * 1024) {
    must(db.pragma("quick_check", { simple: true }) === "ok", "damaged pages")
    must(db.pragma("foreign_key_check", { simple: true }) === undefined, "foreign keys are violated")
  }
  db.pragma("busy_timeout = 5000")
  settle(db)
  return () => db.close()
}
