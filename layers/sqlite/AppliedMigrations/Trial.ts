/**
 * Tries pending migrations on the schema alone, before the write lock is taken and before anything is copied. So a
 * broken release that restarts again and again is refused in milliseconds, and blocks nobody.
 *
 * A database in memory gets the live schema, and no rows. Statements that define something run there; statements that
 * change rows are only compiled. SQLite compiles by the schema alone: what it refuses to compile there, it refuses in
 * the file too. Everything else is in doubt, and the real run decides.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { openingWords, type Statement } from "../../schema/SqlScript.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import type { DatabaseConfig } from "../DatabaseConfig.ts"
import { atEdge, atOnce, verdictOf } from "../edge.ts"
import type { IntegrityError } from "../IntegrityError.ts"
import { integer, openSqlite, type Row, type Sqlite, type SqliteFailure, text } from "../Sqlite.ts"
import { brokenObjects, cureOfBroken, describeBroken } from "./CompiledSchema.ts"
import { cureOf } from "./Cures.ts"
import type { Seen } from "./DatabaseLook.ts"
import { foreignKeyWatch } from "./ForeignKeyWatch.ts"
import { prepareHistory } from "./HistoryRecords.ts"
import { readHistory } from "./MigrationHistory.ts"
import { dropTemporary, type Script, savepointAround } from "./MigrationRun.ts"
import { dropRepeated, makeRepeatables } from "./Repeatables.ts"
import { objectsOf, schemaStatement } from "./SchemaFingerprint.ts"
import { madeBy, proveSchema } from "./SchemaProof.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"
import { isRebuild, mayLeaveTemporary, maySetPragmas, runOf } from "./UpgradeRuns.ts"

/** Ends the trial: from here on only the real run can tell. */
class Doubt extends Data.TaggedError("Doubt")<{ readonly why: string }> {}

/**
 * Fails as the real run would, unless an earlier migration fails there because of its rows. `live`: the connection that
 * read `seen`.
 */
export const tryPending = (
  config: DatabaseConfig["Type"],
  live: Sqlite,
  seen: Seen,
  attempt: Attempt
): Effect.Effect<void, UpgradeError | IntegrityError> =>
  Effect.scoped(
    Effect.gen(function* () {
      yield* proveSchema(seen.verdict, seen.objects, madeBy(seen.verdict.applied, attempt.progress))
      attempt.doing("trying the pending migrations on the schema")
      const trial = yield* inDoubt(openSqlite({ filename: ":memory:" }))
      yield* inDoubt(trial.run(`PRAGMA trusted_schema = ${config.pragmas.trustedSchema ? 1 : 0}`))
      yield* makeSameSchema(live, trial, seen)
      const { repeatables } = seen.verdict
      const ofOthers = yield* tryOut(() => dropRepeated(trial, repeatables, seen.objects))
      const finish = Effect.fnUntraced(function* (titles: string) {
        if (repeatables.isDue) {
          yield* verdictOf(
            makeRepeatables(trial, repeatables, ofOthers, (failure, refuse) =>
              judge(failure)._tag === "Refused" ? refuse() : doubtOf(failure)
            )
          )
        }
        const broken = yield* atEdge(() => brokenObjects(trial), doubtOf)
        const isSure = broken.every(({ detail }) => isOfSchema(detail))
        if (!isSure) return yield* new Doubt({ why: broken.map(describeBroken).join("; ") })
        if (broken.length === 0) return
        const migration = [titles, ...repeatables.due.map(titleOf)].filter((title) => title !== "").join(", ")
        return yield* upgradeError("SchemaBroken", {
          migration,
          detail: broken.map(describeBroken).join("; "),
          cure: cureOfBroken(broken)
        })
      })
      let pending = seen.verdict.pending
      if (pending.length === 0 && repeatables.isDue) yield* finish("")
      while (pending.length > 0) {
        const isOff = isRebuild(pending[0])
        const objects = objectsOf(yield* inDoubt(trial.run(schemaStatement)))
        const scripts = runOf(pending, objects, isOff)
        pending = pending.slice(scripts.length)
        const titles = scripts.map(({ migration }) => titleOf(migration)).join(", ")
        yield* inDoubt(trial.run(`PRAGMA foreign_keys = ${isOff ? 0 : 1}`))
        yield* inDoubt(trial.run("BEGIN"))
        const foreignKeys = foreignKeyWatch(trial, objects)
        for (const [index, script] of scripts.entries()) {
          yield* tryScript(trial, script, config, attempt)
          yield* Effect.catchIf(
            atOnce(() => foreignKeys.check(script, index === scripts.length - 1)),
            isNoMismatch,
            doubtOf
          )
        }
        if (pending.length === 0) yield* finish(titles)
        yield* inDoubt(trial.run("COMMIT"))
      }
    })
  ).pipe(
    Effect.catchTag("Doubt", ({ why }) => Effect.logDebug(`The trial of the pending migrations ended early: ${why}`))
  )

const doubtOf = (failure: { readonly message: string }) => new Doubt({ why: failure.message })
const inDoubt = Effect.mapError(doubtOf)
const tryOut = <A>(question: () => A) => atEdge(question, doubtOf)

const isNoMismatch = ({ reason }: UpgradeError): boolean => reason !== "ForeignKeyMismatch"

/** SQLite's own tables (statistics, counters) may exist only because of rows. */
const isOfSchema = (detail: string): boolean => !/sqlite_/i.test(detail)

const allObjects = `SELECT type, name, tbl_name, ifnull(sql, '') AS sql,
  name LIKE 'sqlite\\_%' ESCAPE '\\' AS is_own,
  name IN (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow') AS is_shadow
FROM sqlite_schema
ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid`

/** Makes the live schema, including the history table. If it is not the same, object by object, there is no trial. */
const makeSameSchema = Effect.fnUntraced(function* (live: Sqlite, trial: Sqlite, seen: Seen) {
  const objects = yield* inDoubt(live.run(allObjects))
  const [now] = yield* inDoubt(live.run("PRAGMA data_version"))
  if (integer(now, "data_version") !== seen.dataVersion) return yield* new Doubt({ why: "somebody has written" })
  for (const object of objects) {
    if (integer(object, "is_own") === 1) {
      yield* inDoubt(makeOwn(trial, text(object, "name")))
    } else if (integer(object, "is_shadow") === 0) {
      yield* inDoubt(trial.run(text(object, "sql")))
    }
  }
  // This build of SQLite may keep more statistics tables than the one that made the file's.
  const wanted = new Set(objects.map((object) => text(object, "name")))
  for (const object of yield* inDoubt(trial.run(allObjects))) {
    const name = text(object, "name")
    if (name.startsWith("sqlite_stat") && !wanted.has(name)) yield* inDoubt(trial.run(`DROP TABLE ${name}`))
  }
  const made = yield* inDoubt(trial.run(allObjects))
  if (pictureOf(made) !== pictureOf(objects)) return yield* new Doubt({ why: "its schema cannot be made again" })
  yield* inDoubt(
    atEdge(() => {
      const history = readHistory(trial)
      return history instanceof Error ? history : prepareHistory(trial, history)
    }, doubtOf)
  )
})

/** Objects that SQLite makes for itself, and keeps when their reason is gone. */
const makeOwn = (trial: Sqlite, name: string): Effect.Effect<unknown, SqliteFailure> => {
  if (name.startsWith("sqlite_stat")) return trial.run("ANALYZE")
  return name === "sqlite_sequence"
    ? Effect.zipRight(
        trial.run("CREATE TABLE IF NOT EXISTS database_ready_trial (id INTEGER PRIMARY KEY AUTOINCREMENT)"),
        trial.run("DROP TABLE database_ready_trial")
      )
    : Effect.void
}

const pictureOf = (objects: ReadonlyArray<Row>): string =>
  objects
    .map((object) => [text(object, "type"), text(object, "name"), text(object, "tbl_name"), text(object, "sql")])
    .map((parts) => parts.join("\0"))
    .sort()
    .join("\0\0")

const tryScript = Effect.fnUntraced(function* (
  trial: Sqlite,
  script: Script,
  config: DatabaseConfig["Type"],
  { breathe }: Attempt
) {
  const { migration, statements } = script
  if (migration.body._tag === "Effect") return yield* new Doubt({ why: `${titleOf(migration)} is an Effect` })
  const savepoint = savepointAround(trial, statements)
  yield* tryOut(savepoint.open)
  for (const statement of statements) {
    yield* Effect.catchTag(tryStatement(trial, statement), "Refused", ({ failure }) =>
      upgradeError("StatementFailed", {
        migration: titleOf(migration),
        statement,
        failure,
        cure: cureOf(trial, statement.text, failure)
      })
    )
    yield* breathe()
  }
  yield* tryOut(savepoint.close)
  if (mayLeaveTemporary(script)) yield* tryOut(() => dropTemporary(trial))
  if (maySetPragmas(script)) {
    for (const setting of ["legacy_alter_table = 0", `trusted_schema = ${config.pragmas.trustedSchema ? 1 : 0}`]) {
      yield* inDoubt(trial.run(`PRAGMA ${setting}`))
    }
  }
})

/** SQLite refuses the statement, whatever the rows. */
class Refused extends Data.TaggedError("Refused")<{ readonly failure: SqliteFailure }> {}

const judge = (failure: SqliteFailure): Refused | Doubt =>
  failure.code === "SQLITE_ERROR" && isOfSchema(failure.detail) ? new Refused({ failure }) : doubtOf(failure)

const tryStatement = (trial: Sqlite, { text: sql }: Statement): Effect.Effect<unknown, Refused | Doubt> => {
  const [first = "", second = "", third = ""] = openingWords(sql, 3)
  const compile = atEdge(() => trial.compile(sql), judge)
  switch (first) {
    case "SELECT":
    case "VALUES":
    case "WITH":
    case "INSERT":
    case "REPLACE":
    case "UPDATE":
    case "DELETE":
    case "REINDEX":
      return compile
    case "CREATE":
      if (second === "VIRTUAL") {
        return Effect.zipRight(
          compile,
          Effect.mapError(trial.run(sql), (failure) => judgeModule(sql, failure))
        )
      }
      if ((second === "TABLE" || third === "TABLE") && /\bas\b/i.test(sql)) {
        // Rows from nothing depend on no schema, and may take long.
        return /\brecursive\b|generate_series/i.test(sql)
          ? new Doubt({ why: "a table is made of rows" })
          : Effect.zipRight(compile, inDoubt(trial.run(sql)))
      }
      return Effect.mapError(trial.run(sql), judge)
    case "ALTER":
    case "DROP":
      return Effect.mapError(trial.run(sql), judge)
    case "PRAGMA":
      return /writable_schema|schema_version/i.test(sql)
        ? new Doubt({ why: "the schema is written by hand" })
        : inDoubt(trial.run(sql))
    case "SAVEPOINT":
    case "RELEASE":
    case "ROLLBACK":
      return Effect.mapError(trial.run(sql), judge)
    case "ANALYZE":
      return inDoubt(trial.run(sql))
    case "EXPLAIN":
      return Effect.void
    default:
      // No SQL statement begins with this word: compiling gives SQLite's error.
      return compile
  }
}

/** A module that is not SQLite's own may depend on more than the schema. */
const judgeModule = (sql: string, failure: SqliteFailure): Refused | Doubt =>
  /^no such module/.test(failure.detail) || /\busing\s+(?:fts[345]|rtree(?:_i32)?|geopoly)\b/i.test(sql)
    ? judge(failure)
    : doubtOf(failure)
