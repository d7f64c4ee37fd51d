/** What happens to the files: crashes, copies, files that are replaced or locked. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { join } from "node:path"
import type Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import { edited, insertInto, madeByMigrations } from "./editSteps.ts"
import { nothing } from "./model.ts"
import { executed, type Image, within } from "./reference.ts"
import { fileOf, observe, type State } from "./State.ts"
import type { Step } from "./Step.ts"
import { backupsIn, byHand, fileIn, isLinked, moveToCopy, parts, pictureIn, pictureOf, seenIn } from "./world.ts"

/** Puts the files as they are at one moment of `use` in place of the database: what a kill there would leave. */
const leavingAsKilled = (state: State, use: (connection: Sqlite.Database, freeze: () => void) => void): void => {
  const file = fileOf(state)
  const frozen = join(state.world.folder, "frozen")
  rmSync(frozen, { recursive: true, force: true })
  mkdirSync(frozen)
  byHand(file, (connection) =>
    use(connection, () => {
      for (const part of parts) if (existsSync(file + part)) copyFileSync(file + part, fileIn(frozen) + part)
    })
  )
  for (const part of parts) {
    rmSync(file + part, { force: true })
    if (existsSync(fileIn(frozen) + part)) renameSync(fileIn(frozen) + part, file + part)
  }
}

export const crash = (state: State, { pick, rows }: Extract<Step, { _tag: "crash" }>): string => {
  if (state.kind !== "database" || state.held !== "no" || state.leftover.startsWith("hot")) return "skipped"
  const mode = statSync(fileOf(state)).mode
  const sql = insertInto(state.content.image, pick, rows)
  const { base, isWal } = state
  if (isWal && sql === undefined) return "skipped"
  try {
    leavingAsKilled(state, (connection, freeze) => {
      if (isWal) {
        connection.pragma("foreign_keys = 1")
        connection.exec(sql ?? "")
      } else {
        // More than the cache holds is written to the file before the commit that never comes.
        connection.pragma("cache_size = 1")
        connection.exec(`BEGIN; CREATE TABLE never (x);
WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 60) INSERT INTO never SELECT zeroblob(4000) FROM n`)
      }
      freeze()
      if (!isWal) connection.exec("ROLLBACK")
    })
  } catch (error) {
    observe(state)
    return `skipped: ${error instanceof Error ? error.message : ""}`
  }
  chmodSync(fileOf(state), mode)
  if (isWal && sql !== undefined) state.content = { ...state.content, image: executed(state.content.image, sql) }
  observe(state)
  state.base = base
  return state.leftover
}

/** A WAL next to a rollback journal: SQLite itself rolls back, and then reads the WAL. */
export const stray = (state: State, { isEmpty }: Extract<Step, { _tag: "stray" }>): string => {
  if (state.leftover !== "hot") return "skipped"
  const file = fileOf(state)
  if (isEmpty) writeFileSync(`${file}-wal`, "")
  else {
    const sql = insertInto(state.content.image, 0, 1)
    if (sql === undefined) return "skipped"
    const scratch = join(state.world.folder, "frozen")
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(scratch)
    for (const part of ["", "-journal"]) copyFileSync(file + part, fileIn(scratch) + part)
    byHand(fileIn(scratch), (connection) => {
      connection.pragma("journal_mode = wal")
      connection.exec(sql)
      copyFileSync(`${fileIn(scratch)}-wal`, `${file}-wal`)
    })
    const seen = seenIn(state.world, pictureOf)
    const after = { ...state.content, image: executed(state.content.image, sql) }
    if (seen === pictureIn(after)) state.content = after
  }
  observe(state)
  state.base = undefined
  return state.leftover
}

export const copy = (state: State, { keepTimes, whole }: Extract<Step, { _tag: "copy" }>): string => {
  if (state.held !== "no") return "skipped"
  // Without its journal, half a transaction is in the file.
  const takeAll = whole || state.leftover.startsWith("hot") || state.base === undefined
  moveToCopy(state.world, takeAll ? parts : [""], keepTimes)
  if (!takeAll && state.base !== undefined) state.content = state.base
  observe(state)
  return takeAll ? "with all that lies beside it" : "the file alone"
}

export const replace = (state: State, { by, pick }: Extract<Step, { _tag: "replace" }>): string => {
  if (state.held !== "no") return "skipped"
  const file = fileOf(state)
  const names = backupsIn(state.world.home)
  const name = names[pick % Math.max(1, names.length)]
  if (by === "a backup" && name === undefined) return "skipped"
  // A link that leads nowhere is refused.
  if (by === "nothing" && isLinked(state.world)) return "skipped"
  for (const part of parts) rmSync(file + part, { force: true })
  state.content = nothing
  state.kind = "database"
  if (by === "junk") writeFileSync(file, "no database. ".repeat(200))
  if (by === "one byte") writeFileSync(file, "x")
  if (by === "junk" || by === "one byte") state.kind = "junk"
  if (by === "empty") writeFileSync(file, "")
  if (by === "nothing") state.kind = "absent"
  if (by === "another database") {
    const sql = `CREATE TABLE other (x); INSERT INTO other VALUES (${pick})`
    byHand(file, (connection) => connection.exec(sql))
    state.content = { ...nothing, image: executed(undefined, sql) }
  }
  if (by === "a backup" && name !== undefined) {
    copyFileSync(join(state.world.home, name), file)
    state.content = state.backups.get(name) ?? nothing
  }
  state.base = state.content
  observe(state)
  return "done"
}

export const orphan = (state: State, { pick }: Extract<Step, { _tag: "orphan" }>): string => {
  const children = within(state.content.image, (connection) =>
    madeByMigrations(state.content.image).filter((name) =>
      connection.prepare("SELECT 1 FROM pragma_foreign_key_list(?)").get(name)
    )
  )
  const table = children[pick % Math.max(1, children.length)]
  if (table === undefined) return "skipped"
  const sql = `INSERT INTO ${table} (body, parent) VALUES ('orphan', 9999)`
  const done = (image: Image) =>
    within(image, (connection) => {
      connection.pragma("foreign_keys = 0")
      connection.exec(sql)
      return connection.serialize()
    })
  return edited(state, sql, (content) => ({ ...content, image: done(content.image) }), "foreign_keys = 0")
}

export const hold = Effect.fnUntraced(function* (state: State, { how }: Extract<Step, { _tag: "hold" }>) {
  if (state.kind !== "database" || !state.isWal || state.leftover !== "none" || state.held !== "no") return "skipped"
  const answer = yield* state.neighbour.hold(
    fileOf(state),
    how === "idle" ? "SELECT count(*) FROM sqlite_schema" : "BEGIN IMMEDIATE; SELECT count(*) FROM sqlite_schema"
  )
  if (answer !== "done") return `skipped: ${answer}`
  state.held = how
  state.base = undefined
  observe(state)
  return "done"
})

export const releaseFile = Effect.fnUntraced(function* (state: State) {
  if (state.held === "no") return "skipped"
  yield* state.neighbour.release
  state.held = "no"
  observe(state)
  return "done"
})

export const journal = (state: State, { mode }: Extract<Step, { _tag: "journal" }>): string => {
  if (state.kind !== "database") return "skipped"
  try {
    const now = byHand(fileOf(state), (connection) => connection.pragma(`journal_mode = ${mode}`, { simple: true }))
    return String(now)
  } catch {
    return "skipped"
  } finally {
    observe(state)
  }
}

export const times = (state: State, { pick, seconds }: Extract<Step, { _tag: "times" }>): string => {
  const files = [...backupsIn(state.world.home), "app.db"].filter((name) => existsSync(join(state.world.home, name)))
  const name = files[pick % Math.max(1, files.length)]
  if (name === undefined) return "skipped"
  utimesSync(join(state.world.home, name), seconds, seconds)
  return name
}
