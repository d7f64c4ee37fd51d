/** `lint`: what is dangerous in migrations, found by running them in memory and looking at what each did. */
import type Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { statementsIn } from "../schema/Checksum.ts"
import { type Found, type LintFinding, lintCodes } from "../schema/LintCodes.ts"
import { withoutIgnored } from "../schema/LintIgnores.ts"
import { culpritOf, type FileRun, lintFile, type Ran } from "../schema/LintRules.ts"
import { misplacedStatement } from "../schema/PragmaRules.ts"
import { misplacedInRepeatable } from "../schema/RepeatableRules.ts"
import { affinityOf, type SchemaFacts, type TableFacts } from "../schema/SchemaFacts.ts"
import { foldName, identifier, mentions, type Statement, tokensOf } from "../schema/SqlScript.ts"
import { obstacleIn } from "../schema/StatementRules.ts"
import { type Shape, shapeOf } from "../schema/StatementShape.ts"
import { brokenObjects } from "../sqlite/AppliedMigrations/CompiledSchema.ts"
import { cureOf } from "../sqlite/AppliedMigrations/Cures.ts"
import { dropTemporary, runMigration, scriptOf } from "../sqlite/AppliedMigrations/MigrationRun.ts"
import { cureOfMissing } from "../sqlite/MissingExtension.ts"
import { type OnOpen, withOnOpen } from "../sqlite/OnOpen.ts"
import { openSqlite, type Row, type Sqlite, SqliteFailure, text } from "../sqlite/Sqlite.ts"
import { transactionsOn } from "../sqlite/Transactions.ts"
import { isRepeatable, type Migration, MigrationSource, type Migrations, titleOf } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { schemaFacts } from "./schemaFacts.ts"

/** How `lint` looks. */
export interface LintOptions {
  /** Functions and extensions that the schema calls, as for a start. */
  readonly onOpen?: OnOpen | undefined
}

/** What `lint` found. */
export interface LintReport {
  /** In the order of the files and lines. */
  readonly findings: ReadonlyArray<LintFinding>
  /** How many migrations were looked at. */
  readonly migrations: number
  /** How many findings are errors. */
  readonly errors: number
  /** How many findings are warnings. */
  readonly warnings: number
}

/**
 * Looks for what is dangerous in migrations on SQLite: what fails on a database with rows, loses something there, or
 * gives each database another schema. Every migration runs in memory, so no database is needed. A comment
 * `-- lint-ignore CODE: reason` above a statement silences a finding. Fails with `MigrationSourceError` where the
 * migrations cannot be read.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { lint } from "database-ready/operate"
 * import { Effect } from "effect"
 *
 * export const errors = lint(Migrations.fromDirectory("migrations")).pipe(
 *   Effect.map(({ findings }) => findings.filter(({ level }) => level === "error")),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const lint = <R = never>(
  migrations: Migrations<R>,
  { onOpen }: LintOptions = {}
): Effect.Effect<LintReport, MigrationSourceError, R> =>
  Effect.flatMap(MigrationSource.make(migrations), (ordered) => {
    const all = [...ordered, ...(ordered.repeatables ?? [])]
    return lintAll(all).pipe(
      Effect.scoped,
      withOnOpen(onOpen),
      // Nothing can be opened in memory: what `onOpen` threw, or a driver that cannot be loaded.
      Effect.catchAll((failure) => Effect.succeed(notReplayed(all, failure))),
      Effect.map((findings) => ({
        findings,
        migrations: all.length,
        errors: findings.filter(({ level }) => level === "error").length,
        warnings: findings.filter(({ level }) => level === "warning").length
      }))
    )
  })

const notReplayed = (all: ReadonlyArray<Migration>, { detail }: SqliteFailure): ReadonlyArray<LintFinding> =>
  all.slice(0, 1).map((migration) => findingIn(migration)(blind({ line: 1 }, detail)))

const blind = ({ line }: Pick<Statement, "line">, detail: string): Found => ({
  code: "not-replayed",
  line,
  message: `The migrations cannot run in memory from here on, so the rest was not looked at (${detail})`,
  remedy: cureOfMissing(detail) ?? "Correct what SQLite says, and look again."
})

const findingIn =
  (migration: Migration) =>
  (found: Found): LintFinding => ({ level: lintCodes[found.code], file: fileOf(migration), ...found })

const fileOf = (migration: Migration): string =>
  (migration.body._tag === "Sql" ? migration.body.path : undefined) ?? titleOf(migration)

/** Where a table or column of the schema was made. */
interface Place {
  readonly file: number
  readonly line: number
}

const lintAll = (all: ReadonlyArray<Migration>): Effect.Effect<ReadonlyArray<LintFinding>, SqliteFailure, Scope> =>
  Effect.gen(function* () {
    const sqlite = yield* openSqlite({ filename: ":memory:" })
    yield* sqlite.run("PRAGMA foreign_keys = 0")
    const found: Array<Array<Found>> = all.map(() => [])
    const places = new Map<string, Place>()
    let seen = 0
    for (const [file, migration] of all.entries()) {
      const looked = yield* lintMigration(sqlite, migration, file, places)
      found[file]?.push(...looked.found)
      seen = file + (looked.isWhole ? 1 : 0)
      if (!looked.isWhole) break
    }
    if (seen === all.length) {
      const references = yield* tryFacts(() => referencesIn(sqlite.database, schemaFacts(sqlite.database), places))
      for (const { place, ...one } of references) found[place.file]?.push({ ...one, line: place.line })
    }
    return all.flatMap((migration, file) => {
      const { body } = migration
      const own = found[file] ?? []
      const left = body._tag === "Sql" ? withoutIgnored(body.text, statementsIn(body), own, seen === all.length) : own
      return [...left].sort((one, other) => one.line - other.line).map(findingIn(migration))
    })
  })

const tryFacts = <A>(look: () => A): Effect.Effect<A, SqliteFailure> =>
  Effect.try({ try: look, catch: SqliteFailure.from })

/** `isWhole`: the migration ran to its end, so the next one can be looked at. */
interface Looked {
  readonly found: ReadonlyArray<Found>
  readonly isWhole: boolean
}

const lintMigration = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  migration: Migration,
  file: number,
  places: Map<string, Place>
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

const obstacle = (code: Found["code"], { line }: Statement, detail: string, remedy?: string): Found => ({
  code,
  line: Math.max(line, 1),
  message: capital(detail),
  remedy: remedy ?? "Remove the statement: all of a start's migrations are one transaction."
})

const capital = (sentence: string): string => sentence.charAt(0).toUpperCase() + sentence.slice(1)

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
  let sql = statement.text
  for (;;) {
    const failure = yield* Effect.match(sqlite.run(sql), {
      onSuccess: () => undefined,
      onFailure: (failure) => failure
    })
    const name = stringIn(failure?.detail ?? "")
    const next = name === undefined ? sql : withString(sql, name)
    if (failure === undefined || name === undefined || next === sql) return failure
    found.push(doubleQuoted(statement, name))
    sql = next
  }
})

/** SQLite asks whether the missing name was to be a string. */
const stringIn = (detail: string): string | undefined => {
  const [, name] =
    /no such column: "([\s\S]*)" - should this be a string literal in single-quotes\?$/.exec(detail) ?? []
  return name
}

const withString = (sql: string, name: string): string =>
  [...tokensOf(sql)]
    .map(({ kind, text: token }) =>
      kind === "quoted" && token === identifier(name) ? `'${name.replaceAll("'", "''")}'` : token
    )
    .join("")

const doubleQuoted = ({ line, text: sql }: Statement, name: string): Found => {
  const at = sql.indexOf(identifier(name))
  return {
    code: "double-quoted-string",
    line: line + sql.slice(0, Math.max(at, 0)).split("\n").length - 1,
    message: `"${name}" is in double quotes, and there is no column of that name: this library's SQLite refuses it, others take it for a string`,
    remedy: `Write '${name}' if it is a string, or correct the name.`
  }
}

const failed = (sqlite: Sqlite, statement: Statement, failure: SqliteFailure): Found => {
  const { detail } = failure
  const { line, text: sql } = statement
  if (cureOfMissing(detail) !== undefined) return blind(statement, detail)
  const [, object] = /^error in (.+) after drop column/.exec(detail) ?? []
  if (object !== undefined) {
    return {
      code: "dropped-column-used",
      line,
      message: `The ${object} uses the column, so SQLite refuses to drop it (${detail})`,
      remedy: `Drop the ${object} first, and make it again without the column where it is needed.`
    } satisfies Found
  }
  const [, broken] = /^error in ((?:view|trigger) .+?): no such/.exec(detail) ?? []
  if (broken !== undefined) {
    return {
      code: "broken-object",
      line,
      message: `The ${broken} names what is gone by now, so SQLite refuses this statement (${detail})`,
      remedy: `Drop the ${broken} at the beginning of the file, and make it again at its end.`
    } satisfies Found
  }
  const cure = cureOf(sqlite, sql, failure)
  return {
    code: "statement-fails",
    line,
    message: `SQLite refuses it in every database (${detail}); what follows was not looked at`,
    remedy: cure ?? "Correct the statement."
  }
}

const broken = (run: FileRun, object: string, detail: string): Found => {
  const [, type = "", name = ""] = /^(view|trigger) (.*?)(?: of .*)?$/.exec(object) ?? []
  const [, first = name] = /^(.*?), /.exec(name) ?? []
  const known = run.end.objects.find((one) => one.type === type && one.name === first)
  const line = (known === undefined ? run.ran.at(-1)?.statement : culpritOf(run, known))?.line ?? 1
  const quoted = stringIn(detail)
  return quoted === undefined
    ? {
        code: "broken-object",
        line,
        message: `After this file no statement can use ${object} (${detail})`,
        remedy: `Drop it before what it names changes, and make it again with the new names.`
      }
    : {
        ...doubleQuoted({ line, text: "" }, quoted),
        message: `The ${object} has "${quoted}" in double quotes, and there is no column of that name: this library's SQLite refuses it, others take it for a string`
      }
}

/** What SQLite says of a column that is added to a table with one row. */
const addedColumn = Effect.fnUntraced(function* (
  { column, table }: { readonly table: string; readonly column: string },
  statement: Statement,
  facts: SchemaFacts,
  foreignKeys: "on" | "off"
) {
  const known = facts.tables.get(table)
  if (known === undefined || known.isVirtual) return []
  const detail = yield* complaintWithRow(known, statement.text, foreignKeys)
  if (detail === undefined) return []
  const title = `${known.name}.${column}`
  const add = (code: Found["code"], message: string, remedy: string): ReadonlyArray<Found> => [
    { code, line: statement.line, message, remedy }
  ]
  if (/NOT NULL/i.test(detail)) {
    return add(
      "not-null-without-default",
      `${title} is NOT NULL without a default: SQLite refuses that where ${known.name} has a row`,
      "Give it a DEFAULT that is not NULL; or add it without NOT NULL, fill it, and rebuild the table."
    )
  }
  return add(
    "add-column-refused",
    `SQLite refuses to add ${title} where ${known.name} has a row (${detail})`,
    /REFERENCES/.test(detail)
      ? "Leave out the DEFAULT, and fill the column with an UPDATE."
      : /non-constant/.test(detail)
        ? "Give it a constant DEFAULT, or none, and let the program or an UPDATE fill it. A rebuild of the table can have such a default."
        : "Rebuild the table, or change the column so that rows without it fit."
  )
})

/**
 * In a database with this table alone, with and without a row. Undefined where both work, or neither. A row of ours
 * tells nothing about a constraint that speaks of other columns.
 */
const complaintWithRow = (
  table: TableFacts,
  statement: string,
  foreignKeys: "on" | "off"
): Effect.Effect<string | undefined> => {
  const complaint = (rows: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      const scratch = yield* openSqlite({ filename: ":memory:" })
      yield* scratch.run("PRAGMA foreign_keys = 0")
      yield* scratch.run("PRAGMA ignore_check_constraints = 1")
      yield* scratch.run(table.sql)
      for (const row of rows) yield* scratch.run(row)
      yield* scratch.run("PRAGMA ignore_check_constraints = 0")
      yield* scratch.run(`PRAGMA foreign_keys = ${foreignKeys === "on" ? 1 : 0}`)
      return yield* Effect.match(scratch.run(statement), {
        onSuccess: () => undefined,
        onFailure: ({ detail }) => detail
      })
    }).pipe(
      Effect.scoped,
      Effect.orElseSucceed(() => undefined)
    )
  return Effect.gen(function* () {
    const withRow = yield* complaint([rowFor(table)])
    if (withRow === undefined || (yield* complaint([])) !== undefined) return undefined
    const isOfRow =
      /constraint failed/i.test(withRow) && table.columns.some(({ name }) => mentions(statement, foldName(name)))
    return isOfRow ? undefined : withRow
  })
}

const rowFor = ({ columns, name }: TableFacts): string => {
  const own = columns.filter(({ hidden }) => hidden === 0)
  const values = own.map(({ type }) => {
    const affinity = affinityOf(type)
    return affinity === "TEXT" ? "'1'" : affinity === "BLOB" && type !== "" ? "x'31'" : "1"
  })
  return `INSERT INTO main.${identifier(name)} (${own.map((column) => identifier(column.name)).join(", ")}) VALUES (${values.join(", ")})`
}

/** What is wrong with a table's references once every migration has run, at the statement that made them. */
const referencesIn = (
  database: Driver.Database,
  { tables }: SchemaFacts,
  places: ReadonlyMap<string, Place>
): ReadonlyArray<Found & { readonly place: Place }> => {
  const found: Array<Found & { readonly place: Place }> = []
  for (const [key, { foreignKeys, name }] of tables) {
    const complaint = foreignKeys.length === 0 ? undefined : complaintOfWrite(database, name)
    for (const { columns, parent, parentColumns } of foreignKeys) {
      const place = places.get(`${key}\0${foldName(columns[0] ?? "")}`) ?? places.get(key)
      if (place === undefined) continue
      const add = (code: Found["code"], message: string, remedy: string) =>
        found.push({ code, line: place.line, message, remedy, place })
      const child = `${name} (${columns.join(", ")})`
      if (!tables.has(foldName(parent))) {
        add(
          "reference-to-missing",
          `${child} refers to ${parent}, which no migration makes: every write to ${name} fails`,
          `Correct the name, or make ${parent}.`
        )
      } else if (complaint?.includes(`"${name}" referencing "${parent}"`) === true) {
        add(
          "foreign-key-mismatch",
          `${child} refers to ${parent}${parentColumns.length === 0 ? "" : ` (${parentColumns.join(", ")})`}, which is not unique there or has another number of columns: every write to ${name} fails`,
          `Refer to the primary key of ${parent}, or give the columns a UNIQUE index.`
        )
      } else if (isScanned(database, name, columns)) {
        add(
          "foreign-key-without-index",
          `${child} refers to ${parent}, and no index begins with ${columns.length === 1 ? "that column" : "those columns"}: every DELETE in ${parent} reads all of ${name}`,
          `Add a migration: CREATE INDEX ${indexName(name, columns)} ON ${nameIn(name)} (${columns.map(nameIn).join(", ")});`
        )
      }
    }
  }
  return found
}

const nameIn = (name: string): string => (/^[a-z_][a-z0-9_]*$/i.test(name) ? name : identifier(name))
const indexName = (table: string, columns: ReadonlyArray<string>): string => nameIn(`${table}_by_${columns.join("_")}`)

/** Compiles what looks for the rows that refer to one: `SCAN` where SQLite reads all of them. */
const isScanned = (database: Driver.Database, table: string, columns: ReadonlyArray<string>): boolean => {
  const where = columns.map((column) => `${identifier(column)} = ?`).join(" AND ")
  const plan = database
    .prepare<Array<unknown>, Row>(`EXPLAIN QUERY PLAN SELECT 1 FROM main.${identifier(table)} WHERE ${where}`)
    .all(...columns.map(() => null))
  return plan.some((row) => /^SCAN\b/.test(text(row, "detail")))
}

const complaintOfWrite = (database: Driver.Database, table: string): string | undefined => {
  database.pragma("foreign_keys = 1")
  try {
    database.prepare(`EXPLAIN INSERT INTO main.${identifier(table)} DEFAULT VALUES`)
    return undefined
  } catch (cause) {
    return SqliteFailure.from(cause).detail
  } finally {
    database.pragma("foreign_keys = 0")
  }
}

/** Follows where tables and their columns were made. */
const place = (places: Map<string, Place>, shape: Shape, at: Place): void => {
  if (shape.kind === "create" && shape.type === "table" && !shape.isTemporary) {
    if (!shape.ifNotExists || !places.has(shape.name)) places.set(shape.name, at)
  } else if (shape.kind === "addColumn") places.set(`${shape.table}\0${shape.column}`, at)
  else if (shape.kind === "drop" && shape.type === "table") {
    for (const key of [...places.keys()]) if (isOf(key, shape.name)) places.delete(key)
  } else if (shape.kind === "renameTable") {
    for (const [key, known] of [...places]) {
      if (!isOf(key, shape.table)) continue
      places.delete(key)
      places.set(`${shape.to}${key.slice(shape.table.length)}`, known)
    }
  }
}

const isOf = (key: string, table: string): boolean => key === table || key.startsWith(`${table}\0`)
