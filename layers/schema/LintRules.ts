/** What is dangerous in one migration, given the schema before and after it. */
import type { Declaration } from "./Declaration.ts"
import type { Found } from "./LintCodes.ts"
import {
  affinityOf,
  type ColumnFacts,
  isAutoincrement,
  rowidOf,
  type SchemaFacts,
  type TableFacts
} from "./SchemaFacts.ts"
import { foldName, identifier, mentions, type Statement, structureOf, type Token } from "./SqlScript.ts"
import { plainColumn, type Shape, spokenTokens } from "./StatementShape.ts"

/** A statement that ran, and the schema before it where a rule asks for it. */
export interface Ran {
  readonly statement: Statement
  readonly shape: Shape
  readonly before: SchemaFacts | undefined
}

/** A file that ran to its end. */
export interface FileRun {
  readonly ran: ReadonlyArray<Ran>
  readonly declared: Pick<Declaration, "deletes" | "foreignKeys">
  /** It says `PRAGMA foreign_keys`, which has a finding of its own. */
  readonly switchesForeignKeys: boolean
  readonly start: SchemaFacts
  readonly end: SchemaFacts
}

/** One table, under whatever names. */
interface Life {
  /** Its name before the file; undefined if the file made it. */
  readonly origin: string | undefined
  readonly made: Ran | undefined
  dropped?: Ran
  /** Statements that changed rows of it. */
  readonly changes: Array<Ran>
  /** Statements that filled it with the rows of a SELECT. */
  readonly copies: Array<Ran>
}

export const lintFile = (run: FileRun): ReadonlyArray<Found> => {
  const lives = livesOf(run)
  return [
    ...run.ran.flatMap((one) => [...timeIn(one), ...hiddenIn(one, run)]),
    ...lives.flatMap((life) => [...rowsOf(life, run, lives), ...dropOf(life, run, lives)]),
    ...remadeTables(run, lives).flatMap((remade) => rebuildOf(remade, run)),
    ...uniquesOf(run, lives)
  ]
}

const livesOf = ({ ran, start }: FileRun): ReadonlyArray<Life> => {
  const all: Array<Life> = [...start.tables.keys()].map((origin) => ({
    origin,
    made: undefined,
    changes: [],
    copies: []
  }))
  const named = new Map(all.map((life) => [life.origin ?? "", life]))
  for (const one of ran) {
    const { shape } = one
    if (shape.kind === "create" && shape.type === "table" && !shape.isTemporary && !named.has(shape.name)) {
      const life: Life = { origin: undefined, made: one, changes: [], copies: shape.isSelect ? [one] : [] }
      all.push(life)
      named.set(shape.name, life)
    } else if (shape.kind === "renameTable") {
      const life = named.get(shape.table)
      named.delete(shape.table)
      if (life !== undefined) named.set(shape.to, life)
    } else if (shape.kind === "drop" && shape.type === "table") {
      const life = named.get(shape.name)
      if (life !== undefined) life.dropped = one
      named.delete(shape.name)
    } else if (shape.kind === "insert" && shape.isSelect) {
      named.get(shape.table)?.copies.push(one)
    } else if (shape.kind === "update" || shape.kind === "delete") {
      named.get(shape.table)?.changes.push(one)
    }
  }
  return all
}

const found = (code: Found["code"], { line }: Statement, message: string, remedy: string): Found => ({
  code,
  line,
  message,
  remedy
})

const declarableFound = (
  code: Found["code"],
  statement: Statement,
  message: string,
  declares: string,
  remedyWith: (declaration: string) => string
): Found => ({ ...found(code, statement, message, remedyWith(`\`-- database-ready: ${declares}\``)), declares })

/** Rows that go without a declaration, and whole tables that are rewritten. */
const rowsOf = (life: Life, run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Found> => {
  const { origin } = life
  const table = origin === undefined ? undefined : run.start.tables.get(origin)
  if (origin === undefined || table === undefined) return []
  const findings: Array<Found> = []
  const isDeclared = run.declared.deletes.some((name) => namesOf(life, run).has(foldName(name)))
  const loses = (one: Ran, what: string) => {
    findings.push(
      declarableFound(
        "deletes-undeclared",
        one.statement,
        `${what}, and the file does not declare it: a database in which that deletes rows refuses the upgrade`,
        `deletes = ${declarable(table.name)}`,
        (line) => `If the rows may go, write ${line} above the first statement.`
      )
    )
  }
  for (const one of life.changes) {
    const { shape } = one
    if (shape.kind === "update" && shape.isWhole && !isBackfill(shape.sets, table, run)) {
      findings.push(
        found(
          "whole-table-update",
          one.statement,
          `It rewrites every row of ${table.name}, and nobody else can write for that time`,
          "Add a WHERE for the rows that need it. Where a new column gets one value, write that as its DEFAULT instead. If the table stays small, say so in a lint-ignore."
        )
      )
    }
    if (shape.kind === "delete" && !isDeclared) {
      loses(one, shape.isWhole ? `It deletes every row of ${table.name}` : `It deletes rows of ${table.name}`)
    }
  }
  const { dropped } = life
  if (dropped === undefined || isDeclared) return findings
  const successor = successorOf(origin, run, lives)
  if (successor === undefined) loses(dropped, `It drops ${table.name}`)
  else if (successor.copies.length === 0) {
    loses(dropped, `It drops ${table.name} and makes it again without copying its rows`)
  }
  return findings
}

/** Fills columns that the file added with what only a statement can compute: there is no other way. */
const isBackfill = (
  sets: ReadonlyArray<{ readonly column: string; readonly isConstant: boolean }>,
  table: TableFacts,
  { ran }: FileRun
): boolean =>
  sets.every(
    ({ column, isConstant }) =>
      !isConstant &&
      !table.columns.some(isNamed(column)) &&
      ran.some(({ shape }) => shape.kind === "addColumn" && shape.column === column)
  )

/** The table that stands at the end under the name that a dropped one had at the start. */
const successorOf = (origin: string, { end, ran }: FileRun, lives: ReadonlyArray<Life>): Life | undefined => {
  if (!end.tables.has(origin)) return undefined
  return lives.find((life) => life.dropped === undefined && nameAtEnd(life, ran) === origin)
}

const nameAtEnd = (life: Life, ran: ReadonlyArray<Ran>): string => {
  let name = life.origin ?? madeName(life)
  const from = life.made === undefined ? 0 : ran.indexOf(life.made)
  for (const { shape } of ran.slice(from)) {
    if (shape.kind === "renameTable" && shape.table === name) name = shape.to
  }
  return name
}

const madeName = ({ made }: Life): string => (made?.shape.kind === "create" ? made.shape.name : "")

/** Every name that the table has in the file. */
const namesOf = (life: Life, { ran }: FileRun): ReadonlySet<string> => {
  const names = new Set([life.origin ?? madeName(life)])
  for (const { shape } of ran) if (shape.kind === "renameTable" && names.has(shape.table)) names.add(shape.to)
  return names
}

/** As a declaration can have it. */
const declarable = (name: string): string => (/^[\w.]+$/.test(name) ? name : identifier(name))

/** A DROP TABLE of what others refer to. */
const dropOf = (life: Life, run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Found> => {
  const { dropped, origin } = life
  const before = dropped?.before
  if (dropped === undefined || before === undefined || dropped.shape.kind !== "drop") return []
  const { name } = dropped.shape
  const title = before.tables.get(name)?.name ?? name
  const referring = [...before.tables.values()].filter(
    (table) => foldName(table.name) !== name && table.foreignKeys.some(({ parent }) => foldName(parent) === name)
  )
  if (referring.length === 0) return []
  const them = referring.map((table) => table.name).join(", ")
  const dangling = [...run.end.tables.values()].filter((table) =>
    table.foreignKeys.some(({ parent }) => foldName(parent) === name && !run.end.tables.has(name))
  )
  if (dangling.length > 0) {
    const isRenamed = origin !== undefined && origin !== name
    return [
      found(
        "drop-referenced",
        dropped.statement,
        isRenamed
          ? `The rename took the references of ${them} with it, and now they refer to ${title}, which it drops`
          : `It drops ${title}, to which ${them} still ${verb(referring, "refers", "refer")}`,
        isRenamed
          ? "Make the new table under another name, copy the rows, drop the old table, and rename the new one: then references stay."
          : "First drop or rebuild what refers to it: every later write there would fail."
      )
    ]
  }
  if (run.declared.foreignKeys === "off" || run.switchesForeignKeys) return []
  if (origin !== undefined && successorOf(origin, run, lives) !== undefined) {
    return [
      declarableFound(
        "rebuild-undeclared",
        dropped.statement,
        `It rebuilds ${title}, to which ${them} ${verb(referring, "refers", "refer")}: with foreign keys on, the DROP first deletes its rows, and ON DELETE actions run`,
        "foreign_keys = off",
        (line) => `Write ${line} above the first statement: they are then off for this file, and checked at its end.`
      )
    ]
  }
  // What refers to it goes later in the file.
  return origin === undefined
    ? []
    : [
        found(
          "drop-referenced",
          dropped.statement,
          `It drops ${title} while ${them} still ${verb(referring, "refers", "refer")} to it: with rows in both, that fails or deletes them`,
          `Drop ${them} first.`
        )
      ]
}

const verb = (tables: ReadonlyArray<TableFacts>, one: string, many: string): string =>
  tables.length === 1 ? one : many

/** A table that was dropped and made again under its name. */
interface Remade {
  readonly then: TableFacts
  readonly now: TableFacts
  readonly old: Life
  readonly life: Life
  readonly drop: Ran
}

const remadeTables = (run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Remade> =>
  lives.flatMap((old) => {
    const { dropped: drop, origin = "" } = old
    const life = drop === undefined ? undefined : successorOf(origin, run, lives)
    const then = run.start.tables.get(origin)
    const now = run.end.tables.get(origin)
    return drop === undefined || life === undefined || then === undefined || now === undefined
      ? []
      : [{ then, now, old, life, drop }]
  })

const rebuildOf = (remade: Remade, run: FileRun): ReadonlyArray<Found> => {
  const { drop, life, now, then } = remade
  // Without its rows it is another table, which may differ in anything.
  if (then.isVirtual || now.isVirtual || life.copies.length === 0) return []
  const make = life.made ?? drop
  const findings: Array<Found> = [...lostWith(remade, run), ...life.copies.flatMap((copy) => copied(remade, copy))]
  if (isAutoincrement(then) && !isAutoincrement(now)) {
    findings.push(
      found(
        "autoincrement-lost",
        make.statement,
        `The new ${now.name} has no AUTOINCREMENT: numbers of deleted rows are used again`,
        "Write AUTOINCREMENT as the old table has it, unless that is meant."
      )
    )
  }
  const key = rowidOf(then)
  if (key !== undefined && rowidOf(now) === undefined && now.columns.some(isNamed(key.name))) {
    findings.push(
      found(
        "rowid-lost",
        make.statement,
        `${now.name}.${key.name} was INTEGER PRIMARY KEY, and is no longer the number that SQLite gives each row`,
        `Declare ${key.name} as INTEGER PRIMARY KEY, unless the program now gives every row its own.`
      )
    )
  }
  return findings
}

const isNamed =
  (name: string) =>
  (column: { readonly name: string }): boolean =>
    foldName(column.name) === foldName(name)

/** Indexes and triggers go with the table that is dropped. */
const lostWith = ({ drop, now, then }: Remade, { end, ran, start }: FileRun): ReadonlyArray<Found> => {
  const isThere = (type: string, name: string) =>
    end.objects.some((object) => object.type === type && foldName(object.name) === foldName(name))
  const isDropped = (type: string, name: string) =>
    ran.some(({ shape }) => shape.kind === "drop" && shape.type === type && shape.name === foldName(name))
  const indexes = then.indexes.filter(
    ({ columns, isPartial, isUnique, name, origin }) =>
      origin === "c" &&
      !isThere("index", name) &&
      !isDropped("index", name) &&
      columns.every((column) => column === null || now.columns.some(isNamed(column))) &&
      !now.indexes.some(
        (other) =>
          (other.isUnique || !isUnique) && other.isPartial === isPartial && foldAll(other.columns) === foldAll(columns)
      )
  )
  const triggers = start.objects.filter(
    ({ name, table, type }) =>
      type === "trigger" && foldName(table) === foldName(then.name) && !isThere(type, name) && !isDropped(type, name)
  )
  const lost = [...indexes.map(({ name }) => `index ${name}`), ...triggers.map(({ name }) => `trigger ${name}`)]
  return lost.length === 0
    ? []
    : [
        found(
          "rebuild-loses",
          drop.statement,
          `Dropping the old ${then.name} drops ${lost.join(", ")} too, and the file does not make ${lost.length === 1 ? "it" : "them"} again`,
          "Create it again at the end of the file. If it may go, say so with a DROP above."
        )
      ]
}

const foldAll = (columns: ReadonlyArray<string | null>): string =>
  columns.map((column) => (column === null ? "\0" : foldName(column))).join("\n")

/** Which column, or undefined for an expression, goes into which; undefined if that cannot be told. */
const mappingOf = ({ shape }: Ran, then: TableFacts, now: TableFacts) => {
  if (shape.kind !== "insert" || shape.selected === undefined) return undefined
  const targets = shape.columns ?? now.columns.filter(({ hidden }) => hidden === 0).map(({ name }) => foldName(name))
  const items = shape.selected.map(plainColumn)
  const isStar = items.length === 1 && items[0] === "*"
  const sources: ReadonlyArray<string | undefined> = isStar
    ? then.columns.filter(({ hidden }) => hidden === 0).map(({ name }) => foldName(name))
    : items
  return sources.includes("*") || sources.length !== targets.length ? undefined : { isStar, sources, targets }
}

/** The columns of the old table that a copy puts into these; undefined if one is computed. */
const sourcesOf = (
  columns: ReadonlyArray<string | null>,
  copy: Ran,
  then: TableFacts,
  now: TableFacts
): ReadonlyArray<string> | undefined => {
  const mapping = mappingOf(copy, then, now)
  const found = columns.flatMap((column) => {
    const source = column === null ? undefined : mapping?.sources[mapping.targets.indexOf(foldName(column))]
    return source === undefined ? [] : [source]
  })
  return found.length === columns.length ? found : undefined
}

/** What a copy does with each column. */
const copied = ({ now, old, then }: Remade, copy: Ran): ReadonlyArray<Found> => {
  const { statement } = copy
  const mapping = mappingOf(copy, then, now)
  if (mapping === undefined) return []
  const { isStar, sources, targets } = mapping
  const findings: Array<Found> = []
  if (isStar && old.origin !== undefined) {
    const moved = sources.findIndex((source, at) => source !== targets[at] && targets.includes(source ?? ""))
    findings.push(
      moved >= 0
        ? found(
            "columns-mixed-up",
            statement,
            `SELECT * goes by position: ${then.name}.${sources[moved]} goes into ${targets[moved]}`,
            "Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old."
          )
        : found(
            "insert-select-star",
            statement,
            `SELECT * copies ${then.name} by position, so another order of columns would mix them up without an error`,
            "Name the columns on both sides: INSERT INTO new (a, b) SELECT a, b FROM old."
          )
    )
  }
  const isFiltered = /\bwhere\b/i.test(statement.text)
  for (const [at, source] of sources.entries()) {
    const from = source === undefined ? undefined : then.columns.find(isNamed(source))
    const to = now.columns.find(isNamed(targets[at] ?? ""))
    if (from === undefined || to === undefined) continue
    if (isUnconverted(from, to)) {
      findings.push(
        found(
          "type-change",
          statement,
          `${then.name}.${from.name} was ${from.type || "without a type"} and becomes ${to.type || "without a type"}, and the copy does not convert it: ${now.isStrict ? "a value of another type fails" : "a value that does not look like one stays as it is"}`,
          `Convert it: CAST(${from.name} AS ${affinityOf(to.type)}), or correct the rows first.`
        )
      )
    }
    const wasRequired = from.notNull || rowidOf(then)?.name === from.name
    if (to.notNull && !wasRequired && !isFiltered) {
      findings.push(
        found(
          "not-null-on-existing",
          statement,
          `${then.name}.${from.name} may be NULL, and the new column may not: one such row and the copy fails`,
          `Give such rows a value: coalesce(${from.name}, ...).`
        )
      )
    }
  }
  return findings
}

/** Affinity converts what looks like a number, and leaves the rest (https://sqlite.org/datatype3.html, 3). */
const isUnconverted = (from: ColumnFacts, to: ColumnFacts): boolean => {
  const [before, after] = [affinityOf(from.type), affinityOf(to.type)]
  if (before === after) return false
  if (after === "INTEGER" || after === "REAL") return before === "TEXT" || (before === "BLOB" && from.type !== "")
  return (
    (before === "TEXT" && after === "BLOB" && to.type !== "") ||
    (before === "BLOB" && after === "TEXT" && from.type !== "")
  )
}

/** Uniqueness that rows from before the file may not have. */
const uniquesOf = (run: FileRun, lives: ReadonlyArray<Life>): ReadonlyArray<Found> => {
  const { end, ran, start } = run
  const findings: Array<Found> = []
  for (const life of lives) {
    if (life.dropped !== undefined) continue
    const name = nameAtEnd(life, ran)
    const then = start.tables.get(life.origin ?? name)
    const now = end.tables.get(name)
    const isRemade = life.origin === undefined
    if (then === undefined || now === undefined || now.isVirtual || (isRemade && life.copies.length === 0)) continue
    if (isRemade && !lives.some(({ dropped, origin }) => origin === name && dropped !== undefined)) continue
    const isSorted = life.copies.some(({ statement }) =>
      /\b(?:distinct|group\s+by|where|or\s+(?:ignore|replace))\b/i.test(statement.text)
    )
    if (life.changes.length > 0 || (isRemade && isSorted)) continue
    for (const index of now.indexes) {
      if (!index.isUnique || isImplied(index.columns, then)) continue
      const sources = isRemade ? life.copies.map((copy) => sourcesOf(index.columns, copy, then, now)) : []
      if (sources.some((columns) => columns === undefined || isImplied(columns, then))) continue
      const made = ran.find(
        ({ shape }) => shape.kind === "create" && shape.type === "index" && shape.name === foldName(index.name)
      )
      const { statement } = made ?? life.made ?? {}
      if (statement === undefined || isKnownIndex(index.name, then)) continue
      const added = index.columns.map((column) => newColumn(column, then, now))
      // A new column without a default holds only NULLs, which are all different.
      if (!isRemade && added.some((column) => column?.default === null)) continue
      const columns = index.columns.map((column) => column ?? "an expression").join(", ")
      const isConstant = !isRemade && added.every((column) => column !== undefined)
      findings.push(
        found(
          "unique-on-existing",
          statement,
          isConstant
            ? `Every row of ${now.name} gets the same default for ${columns}: with two rows this fails`
            : `Two rows of ${now.name} may have the same ${columns}, and then this fails`,
          "Merge or correct such rows in the same file first; or say in a lint-ignore why there are none."
        )
      )
    }
  }
  return findings
}

const isKnownIndex = (name: string, { indexes }: TableFacts): boolean =>
  indexes.some((index) => index.origin === "c" && index.isUnique && foldName(index.name) === foldName(name))

const newColumn = (column: string | null, then: TableFacts, now: TableFacts): ColumnFacts | undefined =>
  column === null || then.columns.some(isNamed(column)) ? undefined : now.columns.find(isNamed(column))

/** Whether fewer columns were unique already. */
const isImplied = (columns: ReadonlyArray<string | null>, then: TableFacts): boolean => {
  const wanted = new Set(columns.flatMap((column) => (column === null ? [] : [foldName(column)])))
  const isWithin = (others: ReadonlyArray<string | null>) =>
    others.length > 0 && others.every((other) => other !== null && wanted.has(foldName(other)))
  const key = then.columns.filter((column) => column.key > 0).map(({ name }) => name)
  return isWithin(key) || then.indexes.some((index) => index.isUnique && !index.isPartial && isWithin(index.columns))
}

/** `IF NOT EXISTS` and `IF EXISTS` that make a statement do nothing. */
const hiddenIn = ({ before, shape, statement }: Ran, { ran }: FileRun): ReadonlyArray<Found> => {
  if (before === undefined) return []
  if (shape.kind === "create" && shape.ifNotExists && !shape.isTemporary) {
    const known = objectNamed(shape.type, shape.name, before)
    if (known === undefined) return []
    return [
      saysTheSame(statement.text, known.sql)
        ? found(
            "hidden-drift",
            statement,
            `There is a ${shape.type} ${known.name} already, so this does nothing`,
            "Remove the statement."
          )
        : found(
            "hidden-drift",
            statement,
            `There is a ${shape.type} ${known.name} already, with another definition, and IF NOT EXISTS hides that this one is not made`,
            "Change what is there with ALTER TABLE or a rebuild, or remove the statement."
          )
    ]
  }
  if (shape.kind !== "drop" || !shape.ifExists || objectNamed(shape.type, shape.name, before) !== undefined) return []
  // The usual head of a file that makes it next.
  const isMadeLater = ran.some(({ shape: next }) => next.kind === "create" && next.name === shape.name)
  const isTemporary = ran.some(
    ({ shape: next }) => next.kind === "create" && next.isTemporary && next.name === shape.name
  )
  return isMadeLater || isTemporary
    ? []
    : [
        found(
          "hidden-drift",
          statement,
          `No earlier migration makes a ${shape.type} ${shape.name}, so in a database of these migrations this does nothing`,
          "Correct the name, or remove the statement."
        )
      ]
}

const objectNamed = (type: string, name: string, { objects, tables }: SchemaFacts) =>
  type === "table" ? tables.get(name) : objects.find((object) => object.type === type && foldName(object.name) === name)

const saysTheSame = (statement: string, sql: string): boolean =>
  structureOf(statement)
    .replace(/ if not exists /, " ")
    .replace(/(^create [a-z ]+?)main \. /, "$1") === structureOf(sql)

/** Rows whose values depend on when, or on which machine, the migration runs. */
const timeIn = ({ shape, statement }: Ran): ReadonlyArray<Found> => {
  const isOfRows = shape.kind === "insert" || shape.kind === "update"
  const isTableOfRows = shape.kind === "create" && shape.isSelect
  if (!isOfRows && !isTableOfRows) return []
  if (!/current_|now|random|julianday|unixepoch|date|time/i.test(statement.text)) return []
  const tokens = spokenTokens(statement.text)
  for (const [at, token] of tokens.entries()) {
    if (token.kind !== "word" || !isUncertain(tokens, at)) continue
    const line = statement.line + statement.text.slice(0, token.start).split("\n").length - 1
    const isRandom = /^random/i.test(token.text)
    return [
      {
        code: "depends-on-time",
        line,
        message: `${token.text} gives ${isRandom ? "another value in every database" : "the time at which each database is upgraded"}, and the row keeps it`,
        remedy: "Write the value itself, or let the program write such rows once the database is ready."
      }
    ]
  }
  return []
}

const isUncertain = (tokens: ReadonlyArray<Token>, at: number): boolean => {
  const word = tokens[at]?.text.toLowerCase() ?? ""
  if (/^current_(?:date|time|timestamp)$/.test(word)) return true
  // The name of a table stands before a list of columns too.
  if (tokens[at + 1]?.text !== "(" || /^(?:into|from|join|\.)$/i.test(tokens[at - 1]?.text ?? "")) return false
  if (/^random(?:blob)?$/.test(word)) return true
  if (!/^(?:date|time|datetime|julianday|unixepoch|strftime|timediff)$/.test(word)) return false
  let depth = 0
  const inside: Array<Token> = []
  for (const token of tokens.slice(at + 1)) {
    if (token.text === "(") depth += 1
    else if (token.text === ")") depth -= 1
    if (depth === 0) break
    inside.push(token)
  }
  const isNow = inside.some(({ kind, text }) => kind === "string" && /^'\s*now\s*'$/i.test(text))
  return isNow || inside.length === 1 || (word === "strftime" && inside.length === 2)
}

/** The statement of a file to which an object that it broke owes that. */
export const culpritOf = (
  run: Pick<FileRun, "ran">,
  { name, sql }: { readonly name: string; readonly sql: string }
): Statement | undefined => {
  const made = run.ran.find(({ shape }) => shape.kind === "create" && shape.name === foldName(name))
  const changing = run.ran.find(
    ({ shape }) =>
      (shape.kind === "drop" && mentions(sql, shape.name)) ||
      ((shape.kind === "renameTable" || shape.kind === "alter") && mentions(sql, shape.table)) ||
      (shape.kind === "renameTable" && mentions(sql, shape.to))
  )
  return (made ?? changing ?? run.ran.at(-1))?.statement
}
