/** Tries the steps from one schema to another in memory. What does not lead there is not shown. */
import type Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import { differencesOf, keysOf } from "../schema/SchemaDifference.ts"
import type { SchemaFacts } from "../schema/SchemaFacts.ts"
import { inOrder, type Step, type Steps } from "../schema/SchemaSteps.ts"
import { brokenObjects } from "../sqlite/AppliedMigrations/CompiledSchema.ts"
import { openSqlite, type Sqlite, SqliteFailure } from "../sqlite/Sqlite.ts"
import { schemaFacts } from "./schemaFacts.ts"

/** The steps that lead from one schema to the other, and those that do not, each with the reason. Never fails. */
export const provenSteps = (planned: Steps, from: SchemaFacts, to: SchemaFacts): Effect.Effect<Steps> =>
  Effect.gen(function* () {
    if (planned.steps.length === 0) return planned
    const sqlite = yield* openSqlite({ filename: ":memory:" })
    yield* sqlite.run("PRAGMA foreign_keys = 0")
    return yield* Effect.try({
      try: () => {
        makeSchema(sqlite, from)
        return tried(sqlite, planned, to)
      },
      catch: SqliteFailure.from
    })
  }).pipe(
    Effect.scoped,
    Effect.catchAll(({ detail }) =>
      Effect.succeed(without(planned, planned.steps, `the first schema cannot be made in memory: ${detail}`))
    )
  )

const makeSchema = (sqlite: Sqlite, { objects, tables }: SchemaFacts): void => {
  for (const { sql } of tables.values()) sqlite.all(sql)
  for (const type of ["index", "view", "trigger"]) {
    for (const object of objects) if (object.type === type) sqlite.all(object.sql)
  }
}

const tried = (sqlite: Sqlite, planned: Steps, to: SchemaFacts): Steps => {
  const known = new Set(brokenObjects(sqlite).map(({ object }) => object))
  let left = planned
  for (const step of planned.steps) {
    const refused = complaintOfRow(sqlite, step)
    if (refused !== undefined) left = without(left, [step], refused)
  }
  // Each round leaves out one step at least. Another step may need what was left out, so there is a next round.
  for (;;) {
    const next = round(sqlite, left, to, known)
    if (next === left || next.steps.length === 0) return next
    left = next
  }
}

/** The same steps if they are right, else fewer. */
const round = (sqlite: Sqlite, planned: Steps, to: SchemaFacts, known: ReadonlySet<string>): Steps => {
  sqlite.all("BEGIN")
  try {
    for (const { sql, step } of inOrder(planned.steps)) {
      const complaint = complaintOf(sqlite.database, sql)
      if (complaint !== undefined) return without(planned, [step], complaint)
    }
    const different = new Set(differencesOf(schemaFacts(sqlite.database), to).flatMap(keysOf))
    const unsettled = planned.steps.filter(({ key }) => different.has(key))
    if (unsettled.length > 0) return without(planned, unsettled, "its statement does not give the same")
    for (const { key } of planned.notGenerated) different.delete(key)
    if (different.size > 0) return without(planned, planned.steps, "the statements change more than they should")
    for (const { detail, object } of brokenObjects(sqlite)) {
      if (known.has(object)) continue
      const culprits = planned.steps.filter((step) => isIn(object, step))
      if (culprits.length > 0) return without(planned, culprits, detail)
    }
    return planned
  } finally {
    sqlite.all("ROLLBACK")
  }
}

/** Whether what is broken, `view v` or `trigger a, b of t`, is what the step makes. */
const isIn = (broken: string, { object }: Step): boolean =>
  broken === object ||
  (object.startsWith("trigger ") &&
    broken.startsWith("trigger ") &&
    `, ${broken.slice("trigger ".length)}`.includes(`, ${object.slice("trigger ".length)}`))

const without = ({ notGenerated, steps }: Steps, left: ReadonlyArray<Step>, reason: string): Steps => ({
  steps: steps.filter((step) => !left.includes(step)),
  notGenerated: [...notGenerated, ...left.map(({ key, object }) => ({ key, object, reason }))]
})

const complaintOf = (database: Driver.Database, sql: string): string | undefined => {
  try {
    database.exec(sql)
    return undefined
  } catch (cause) {
    return SqliteFailure.from(cause).detail
  }
}

/** Rows get the default of a new column: a table of this column alone says whether every row can have it. */
const complaintOfRow = ({ database }: Sqlite, { column }: Step): string | undefined => {
  if (column === undefined) return undefined
  database.exec("BEGIN")
  try {
    const options = column.isStrict ? " STRICT" : ""
    database.exec(`CREATE TEMP TABLE database_ready_row (${column.definition})${options}`)
    database.exec("INSERT INTO temp.database_ready_row DEFAULT VALUES")
    return undefined
  } catch (cause) {
    return `rows may be in its way: ${SqliteFailure.from(cause).detail}`
  } finally {
    database.exec("ROLLBACK")
  }
}
