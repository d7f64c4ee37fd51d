/**
 * The one place that checks pages: in this process if that is short enough for a health check to wait, else in a child
 * process, so that timers, signals and deadlines go on.
 */
import * as Effect from "effect/Effect"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import type { Attempt } from "../start/Attempt.ts"
import { type Broken, brokenObjects, describeBroken } from "./AppliedMigrations/CompiledSchema.ts"
import { withoutOwnExtension } from "./AppliedMigrations/ExtensionsInUse.ts"
import { atEdge, atOnce, outcomeOf } from "./edge.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { cureOfMissing } from "./MissingExtension.ts"
import { ConnectionSetUp } from "./OnOpen.ts"
import { answerBeside, type Moved } from "./PageCheck/SqliteBeside.ts"
import { integer, openSqlite, type Row, type Sqlite, type SqliteFailure, text } from "./Sqlite.ts"

/** `quick` does not look at indexes (https://sqlite.org/pragma.html#pragma_quick_check). */
export type Depth = "quick" | "full"

/** Up to this many bytes a check blocks the event loop for about a tenth of a second at most. */
const shortLook: Record<Depth, number> = { quick: 32 * 1024 * 1024, full: 4 * 1024 * 1024 }

/** An open database, its file or `:memory:`, and its bytes. */
interface Looked {
  readonly file: string
  readonly sqlite: Sqlite
  readonly bytes: number
  /** Whether it was proven just now that views and triggers compile. */
  readonly isCompiled?: boolean | undefined
}

/**
 * Checks views and triggers, then pages, then foreign keys, which no page check covers. Reads the whole file: at once
 * where that is short.
 */
export const checkPages = (looked: Looked, depth: Depth, progress: Attempt["progress"]) =>
  atOnce(function* () {
    const ask = asking(looked, depth, progress)
    if (looked.isCompiled !== true) yield* checkObjects(looked.sqlite)
    yield* checkStructure(ask, depth)
    yield* checkForeignKeys(ask)
  })

/** Proves that each view and trigger compiles. */
export const checkObjects = (sqlite: Sqlite) =>
  outcomeOf(() => judgeObjects(brokenObjects(sqlite)), IntegrityError.unreadable)

/** Proves that no row refers to a missing one. */
export const checkForeignKeys = (ask: Ask) =>
  atOnce(function* () {
    const violations = yield* ask("foreign_key_check", `${foreignKeyViolations} LIMIT 100`)
    if (violations.length > 0) {
      return yield* IntegrityError.found("ForeignKeyViolations", violations.map(describeViolation))
    }
  })

const judgeObjects = (broken: ReadonlyArray<Broken>): IntegrityError | undefined =>
  broken.length === 0 ? undefined : IntegrityError.found("SchemaBroken", broken.map(describeBroken))

/**
 * Checks the copy: do not upgrade a damaged database or rely on a damaged backup. On a connection that is opened for
 * reading, SQLite leaves the CHECKs out (`sqlite3AddCheckConstraint` in build.c). So the copy is opened for writing, and
 * `query_only` prevents writes. A copy in WAL mode is opened for reading, because a writer that closes puts the WAL into
 * the copy. If an object of others has a CHECK with a function that `onOpen` does not give, SQLite checks nothing. Then
 * the copy is checked without CHECKs.
 */
export const checkCopy = (copy: string, progress: Attempt["progress"] = () => Effect.void) => {
  const look = (sqlite: Sqlite) =>
    Effect.flatMap(bytesOf(sqlite), (bytes) =>
      checkStructure(asking({ file: copy, sqlite, bytes }, "quick", progress), "quick")
    )
  return Effect.flatMap(openCopy(copy, true), (reader) =>
    Effect.flatMap(
      atEdge(() => journalModeOf(reader), IntegrityError.unreadable),
      (mode) =>
        mode === "wal"
          ? look(reader)
          : openCopy(copy, false).pipe(
              Effect.tap((sqlite) => atEdge(() => sqlite.all("PRAGMA query_only = 1"), IntegrityError.unreadable)),
              Effect.flatMap(look),
              Effect.catchIf(isOfMissing, () => look(reader))
            )
    )
  ).pipe(Effect.scoped)
}

const openCopy = (copy: string, readonly: boolean) =>
  Effect.mapError(openSqlite({ filename: copy, readonly }), IntegrityError.unreadable)

const journalModeOf = ({ all }: Sqlite): string => text(all("PRAGMA journal_mode")[0], "journal_mode")

const isOfMissing = ({ findings }: IntegrityError): boolean =>
  findings.some((finding) => cureOfMissing(finding) !== undefined)

/** The same for a copy that is kept or put back, and what its schema needs of a connection: no start has checked that. */
export const proveCopy = (copy: string, progress?: Attempt["progress"]) =>
  Effect.zipRight(
    checkCopy(copy, progress),
    Effect.scoped(
      Effect.flatMap(openCopy(copy, true), (sqlite) =>
        outcomeOf(() => IntegrityError.lacking(withoutOwnExtension(sqlite)), IntegrityError.unreadable)
      )
    )
  )

/** One row per violation. */
export const foreignKeyViolations = `SELECT "table", rowid, parent FROM pragma_foreign_key_check`

export const describeViolation = (row: Row): string =>
  `row ${text(row, "rowid") || "?"} of ${text(row, "table")} refers to a missing row of ${text(row, "parent")}`

/** Bytes of the database, including its WAL. Throws `SqliteFailure`. */
export const sizeOf = ({ all }: Sqlite): number => {
  const [size] = all("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size")
  return integer(size, "bytes")
}

/** The same as an Effect. */
export const bytesOf = (sqlite: Sqlite): Effect.Effect<number, IntegrityError> =>
  atEdge(() => sizeOf(sqlite), IntegrityError.unreadable)

type Ask = (pragma: string, sql: string) => Effect.Effect<ReadonlyArray<Row>, IntegrityError>

/** Proves that the pages are sound, as deep as is asked for. */
export const checkStructure = (ask: Ask, depth: Depth) =>
  atOnce(function* () {
    const pragma = depth === "quick" ? "quick_check" : "integrity_check"
    const lines = (yield* ask(pragma, `PRAGMA ${pragma}(100)`)).map((row) => text(row, pragma))
    if (lines.length !== 1 || lines[0] !== "ok") return yield* IntegrityError.found("DamagedPages", lines)
  })

/** How a check asks SQLite: here where that is short, else beside this process. */
export const asking = ({ bytes, file, sqlite }: Looked, depth: Depth, progress: Attempt["progress"]): Ask => {
  const isShort = file === ":memory:" || bytes <= shortLook[depth]
  let isRead = false
  if (isShort) return (_, sql) => outcomeOf(() => sqlite.all(sql), IntegrityError.unreadable)
  return (pragma, sql) =>
    Effect.flatMap(ConnectionSetUp, ({ kind }) => {
      const here = sqlite.run(sql)
      // Another process does not have the functions of this one.
      if (kind === "function") return Effect.mapError(instead(here)(noModule), IntegrityError.unreadable)
      const doing = `running ${pragma}`
      const tell = ({ course, read }: Moved) => {
        if (course._tag === "Reading") {
          return progress(`reading the file before ${pragma}`, course.done, course.total)
        }
        return read === undefined ? Effect.void : progress(doing, read / (passes[pragma] ?? 1), bytes)
      }
      // After the first read the file is in memory for the next check.
      const seesChecks = !sqlite.database.readonly
      const beside = Effect.scoped(answerBeside({ file, sql, ahead: !isRead, seesChecks }, tell))
      isRead = true
      return Effect.mapError(Effect.catchIf(beside, isLasting, instead(here)), IntegrityError.unreadable)
    })
}

/**
 * About how often a check reads the file: tables once by pages and once by rows; `integrity_check` also looks up each
 * index entry.
 */
const passes: Partial<Record<string, number>> = { quick_check: 2, integrity_check: 5 }

/** Neither SQLite's answer nor an error that passes by itself: then the check runs in this process instead. */
const isLasting = (failure: SqliteFailure | SystemFailure): failure is SystemFailure =>
  failure._tag === "SystemFailure" && !failure.retryable

const noModule = { code: "ENOTSUP", detail: "`onOpen` is a function, and no module that another process can load" }

const instead =
  <A, E>(here: Effect.Effect<A, E>) =>
  ({ code, detail }: Pick<SystemFailure, "code" | "detail">): Effect.Effect<A, E> =>
    Effect.zipRight(Effect.logWarning(`The page check blocks the event loop (${code}: ${detail})`), here)
