/** Runs one migration in memory, statement by statement, and says what is dangerous in it. */
import * as Effect from "effect/Effect"
import { statementsIn } from "../schema/Checksum.ts"
import { type Found, lintCodes } from "../schema/LintCodes.ts"
import { lintFile } from "../schema/LintRules.ts"
import type { FileRun, Ran } from "../schema/LintRun.ts"
import { misplacedStatement } from "../schema/PragmaRules.ts"
import { misplacedInRepeatable } from "../schema/RepeatableRules.ts"
import type { Statement } from "../schema/SqlScript.ts"
import { obstacleIn } from "../schema/StatementRules.ts"
import { type Shape, shapeOf } from "../schema/StatementShape.ts"
import { brokenObjects } from "../sqlite/AppliedMigrations/CompiledSchema.ts"
import { dropTemporary, runMigration, scriptOf } from "../sqlite/AppliedMigrations/MigrationRun.ts"
import { type Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import { transactionsOn } from "../sqlite/Transactions.ts"
import { isRepeatable, type Migration } from "../start/MigrationSource.ts"
import { stringIn, withStrings } from "./doubleQuoted.ts"
import { addedColumn } from "./lintAddedColumn.ts"
import { blind, broken, doubleQuoted, failed, obstacle } from "./lintFailures.ts"
import { type Places, place } from "./lintReferences.ts"
import { schemaFacts } from "./schemaFacts.ts"

export const tryFacts = <A>(look: () => A): Effect.Effect<A, SqliteFailure> =>
  Effect.try({ try: look, catch: SqliteFailure.from })

/** `isWhole`: the migration ran to its end, so the next one can be looked at. */
interface Looked {
  readonly found: ReadonlyArray<Found>
  readonly isWhole: boolean
}

export const lintMigration = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  migration: Migration,
  file: number,
  places: Places
) {
  const { body, declared, id } = migration
  if (body._tag === "Effect") return yield* runEffect(sqlite, migration)
  const statements = statementsIn(body)
  const script = { id, text: body.text, declared, statements }
  const found: Array<Found> = []
  const misplaced = isRepeatable(migration) ? misplacedInRepeatable(statements) : undefined
  const first = obstacleIn(script) ?? misplaced
  if (first !== undefined && first.reason !== "NotAllowed") {
    const code = first.reason === "Incomplete" ? "incomplete" : "not-sql"
    found.push(obstacle(code, first.statement, first.detail, first.remedy))
    return { found, isWhole: statements.length === 0 }
  }
  const skipped = new Set<Statement>()
  for (const statement of statements) {
    const one = misplacedStatement(statement, script) ?? (misplaced?.statement === statement ? misplaced : undefined)
    if (one === undefined) continue
    skipped.add(statement)
    found.push(obstacle("not-allowed", statement, one.detail, one.remedy))
  }
  const facts = tryFacts(() => schemaFacts(sqlite.database))
  const known = new Set((yield* tryFacts(() => brokenObjects(sqlite))).map(({ object }) => object))
  const start = yield* facts
  const ran: Array<Ran> = []
  const { statements: toRun } = scriptOf(migration)
  for (const statement of toRun) {
    if (skipped.has(statement)) continue
    const shape = shapeOf(statement.text)
    const before = asksBefore(shape) ? yield* facts : undefined
    if (shape.kind === "addColumn")
      found.push(...(yield* addedColumn(shape, statement, yield* facts, declared.foreignKeys)))
    const failure = yield* runCorrected(sqlite, statement, found)
    if (failure !== undefined) {
      // What is known to fail with rows fails here because of the seeds.
      if (!found.some(({ code, line }) => line === statement.line && lintCodes[code] === "error")) {
        found.push(failed(sqlite, statement, failure))
      }
      return { found, isWhole: false }
    }
    place(places, shape, { file, line: statement.line })
    ran.push({ statement, shape, before })
  }
  yield* tryFacts(() => dropTemporary(sqlite))
  yield* sqlite.run("PRAGMA legacy_alter_table = 0")
  const switchesForeignKeys = [...skipped].some(({ text: sql }) => /^pragma\s+(?:\w+\.)?foreign_keys\b/i.test(sql))
  const run: FileRun = { ran, declared, switchesForeignKeys, start, end: yield* facts }
  found.push(...lintFile(run))
  for (const { detail, object } of yield* tryFacts(() => brokenObjects(sqlite))) {
    if (!known.has(object)) found.push(broken(run, object, detail))
  }
  return { found, isWhole: true }
})

const asksBefore = (shape: Shape): boolean => (shape.kind === "create" && shape.ifNotExists) || shape.kind === "drop"

const runEffect = (sqlite: Sqlite, migration: Migration): Effect.Effect<Looked, SqliteFailure> => {
  const connected = { ...sqlite, ...transactionsOn(sqlite.database, {}) }
  return sqlite.run("BEGIN").pipe(
    Effect.zipRight(runMigration(connected, scriptOf(migration))),
    Effect.zipRight(sqlite.run("COMMIT")),
    Effect.zipRight(tryFacts(() => dropTemporary(sqlite))),
    Effect.as({ found: [], isWhole: true }),
    Effect.catchAll((error) => {
      const detail = error._tag === "SqliteFailure" ? error.detail : error.sentence
      return Effect.succeed({ found: [blind({ line: 1 }, detail)], isWhole: false })
    })
  )
}

/** Runs a statement; a string in double quotes is a finding, and the statement runs with it in single ones. */
const runCorrected = Effect.fnUntraced(function* (sqlite: Sqlite, statement: Statement, found: Array<Found>) {
  const run = (sql: string) => Effect.match(sqlite.run(sql), { onSuccess: () => undefined, onFailure: (one) => one })
  const failure = yield* run(statement.text)
  if (failure === undefined || stringIn(failure.detail) === undefined) return failure
  const { sql, strings } = yield* tryFacts(() => withStrings(sqlite, statement.text))
  for (const name of strings) found.push(doubleQuoted(statement, name))
  return yield* run(sql)
})
