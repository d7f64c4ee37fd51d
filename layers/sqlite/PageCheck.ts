/**
 * The one place that looks at pages: in this process where that takes no longer than a health check can
 * wait, else in one of its own, so that timers, signals and deadlines go on.
 */
import * as Effect from "effect/Effect"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import type { Attempt } from "../start/Attempt.ts"
import { brokenObjects, describeBroken } from "./AppliedMigrations/CompiledSchema.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { answerBeside, type Moved } from "./PageCheck/SqliteBeside.ts"
import { integer, openSqlite, type Row, type Sqlite, type SqliteFailure, text } from "./Sqlite.ts"

/** `quick` does not look at indexes (https://sqlite.org/pragma.html#pragma_quick_check). */
type Depth = "quick" | "full"

/** Bytes up to which a look holds the event loop for about a tenth of a second at the most. */
const shortLook: Record<Depth, number> = { quick: 32 * 1024 * 1024, full: 4 * 1024 * 1024 }

/** An open database, its file or `:memory:`, and its bytes. */
interface Looked {
  readonly file: string
  readonly sqlite: Sqlite
  readonly bytes: number
}

/** Views and triggers, then pages, then foreign keys, at which no page check looks. Reads the whole file. */
export const checkPages = Effect.fnUntraced(function* (looked: Looked, depth: Depth, progress: Attempt["progress"]) {
  const ask = asking(looked, depth, progress)
  const broken = yield* Effect.mapError(brokenObjects(looked.sqlite), IntegrityError.unreadable)
  if (broken.length > 0) return yield* IntegrityError.found("SchemaBroken", broken.map(describeBroken))
  yield* checkStructure(ask, depth)
  const violations = yield* ask("foreign_key_check", `${foreignKeyViolations} LIMIT 100`)
  if (violations.length > 0) {
    return yield* IntegrityError.found("ForeignKeyViolations", violations.map(describeViolation))
  }
})

/** A damaged copy is no backup, and a damaged database no ground for an upgrade. */
export const checkCopy = (copy: string, progress: Attempt["progress"] = () => Effect.void) =>
  Effect.mapError(openSqlite({ filename: copy, readonly: true }), IntegrityError.unreadable).pipe(
    Effect.flatMap((sqlite) =>
      Effect.flatMap(bytesOf(sqlite), (bytes) =>
        checkStructure(asking({ file: copy, sqlite, bytes }, "quick", progress), "quick")
      )
    ),
    Effect.scoped
  )

/** One row per violation. */
export const foreignKeyViolations = `SELECT "table", rowid, parent FROM pragma_foreign_key_check`

export const describeViolation = (row: Row): string =>
  `row ${text(row, "rowid") || "?"} of ${text(row, "table")} refers to a missing row of ${text(row, "parent")}`

/** Bytes of the database, those in its WAL included. */
export const bytesOf = (sqlite: Sqlite): Effect.Effect<number, IntegrityError> =>
  sqlite.run("SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size").pipe(
    Effect.map(([size]) => integer(size, "bytes")),
    Effect.mapError(IntegrityError.unreadable)
  )

type Ask = (pragma: string, sql: string) => Effect.Effect<ReadonlyArray<Row>, IntegrityError>

const checkStructure = Effect.fnUntraced(function* (ask: Ask, depth: Depth) {
  const pragma = depth === "quick" ? "quick_check" : "integrity_check"
  const lines = (yield* ask(pragma, `PRAGMA ${pragma}(100)`)).map((row) => text(row, pragma))
  if (lines.length !== 1 || lines[0] !== "ok") return yield* IntegrityError.found("DamagedPages", lines)
})

const asking = ({ bytes, file, sqlite }: Looked, depth: Depth, progress: Attempt["progress"]): Ask => {
  const isShort = file === ":memory:" || bytes <= shortLook[depth]
  let isRead = false
  return (pragma, sql) =>
    Effect.suspend(() => {
      const here = sqlite.run(sql)
      if (isShort) return Effect.mapError(here, IntegrityError.unreadable)
      const doing = `running ${pragma}`
      const tell = ({ course, read }: Moved) => {
        if (course._tag === "Reading") {
          return progress(`reading the file before ${pragma}`, course.done, course.total)
        }
        return read === undefined ? Effect.void : progress(doing, read / (passes[pragma] ?? 1), bytes)
      }
      // What was read once is in memory for the next question.
      const beside = Effect.scoped(answerBeside({ file, sql, ahead: !isRead }, tell))
      isRead = true
      return Effect.mapError(Effect.catchIf(beside, isLasting, instead(here)), IntegrityError.unreadable)
    })
}

/**
 * How often a check reads the file, about: the tables once by their pages and once by their rows; `integrity_check` looks
 * each entry of an index up as well.
 */
const passes: Partial<Record<string, number>> = { quick_check: 2, integrity_check: 5 }

/** What SQLite answers is an answer, and what passes is waited for. */
const isLasting = (failure: SqliteFailure | SystemFailure): failure is SystemFailure =>
  failure._tag === "SystemFailure" && !failure.retryable

const instead =
  <A, E>(here: Effect.Effect<A, E>) =>
  ({ code, detail }: SystemFailure): Effect.Effect<A, E> =>
    Effect.zipRight(Effect.logWarning(`The page check blocks the event loop (${code}: ${detail})`), here)
