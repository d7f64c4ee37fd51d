/** Random lists of migrations over small schemas: every foreign-key action, seeds, changes of rows, rebuilds, renames. */
import * as fc from "effect/FastCheck"
import type { ReferenceFile } from "./reference.ts"

const actions = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"] as const

interface Table {
  readonly name: string
  /** Everything between the parentheses of its definition. */
  readonly columns: string
}

/** What the files so far make of the schema, as far as the next one has to know. */
interface Model {
  tables: ReadonlyArray<Table>
  next: number
}

/** A choice; shrinking makes all of them smaller. */
type Numbers = readonly [number, number, number, number]

const operations: ReadonlyArray<(model: Model, numbers: Numbers) => string> = [
  // A table that may refer to another one, by its primary key or by another column, and rows for it.
  (model, [one, two, three, four]) => {
    const name = `t${model.next}`
    model.next += 1
    const parent = model.tables[one % (model.tables.length + 1)]
    const key = two % 3 === 0 ? "id" : "k"
    const onDelete = actions[two % actions.length]
    const onUpdate = actions[three % actions.length]
    const deferred = four % 4 === 0 ? " DEFERRABLE INITIALLY DEFERRED" : ""
    const reference =
      parent === undefined
        ? "r"
        : `r DEFAULT 1 REFERENCES ${parent.name}(${key}) ON DELETE ${onDelete} ON UPDATE ${onUpdate}${deferred}`
    const unique = four % 5 === 4 ? "" : " UNIQUE"
    const conflict = unique !== "" && four % 7 === 6 ? " ON CONFLICT REPLACE" : ""
    const columns = `id INTEGER PRIMARY KEY, k TEXT${unique}${conflict}, ${reference}`
    model.tables = [...model.tables, { name, columns }]
    return `CREATE TABLE ${name} (${columns}); ${rowsInto(name, parent?.name, key, three)}`
  },
  (model, [one, two, three]) => withTable(model, one, ({ name }) => rowsInto(name, other(model, two), "k", three)),
  (model, [one, two]) =>
    withTable(model, one, ({ name }) => `UPDATE ${name} SET k = k || 'x' WHERE id % 2 = ${two % 2}`),
  (model, [one, two]) =>
    withTable(model, one, ({ name }) => `UPDATE ${name} SET id = id + 100 WHERE id % 3 = ${two % 3}`),
  (model, [one, two]) => withTable(model, one, ({ name }) => `UPDATE ${name} SET r = NULL WHERE id % 2 = ${two % 2}`),
  (model, [one, two]) => withTable(model, one, ({ name }) => `DELETE FROM ${name} WHERE id % 3 = ${two % 3}`),
  (model, [one, two, three]) =>
    withTable(model, one, ({ name }) => `INSERT OR REPLACE INTO ${name} (id, k) VALUES (${two % 4}, 'v${three % 4}')`),
  // The rebuild of SQLite's documentation, and the one that renames the old table first.
  (model, [one, two]) =>
    withTable(model, one, (table) => {
      const { columns, name } = rebuilt(model, table, two)
      const some = two % 4 === 3 ? " WHERE id % 2 = 0" : ""
      return `CREATE TABLE new_${name} (${columns}); INSERT INTO new_${name} SELECT id, k, r FROM ${name}${some}; DROP TABLE ${name}; ALTER TABLE new_${name} RENAME TO ${name}`
    }),
  (model, [one, two]) =>
    withTable(model, one, (table) => {
      const { columns, name } = rebuilt(model, table, two)
      return `ALTER TABLE ${name} RENAME TO old_${name}; CREATE TABLE ${name} (${columns}); INSERT INTO ${name} SELECT id, k, r FROM old_${name}; DROP TABLE old_${name}`
    }),
  (model, [one]) =>
    withTable(model, one, ({ columns, name }) => {
      const renamed = `t${model.next}`
      model.next += 1
      model.tables = model.tables.map((table) => (table.name === name ? { name: renamed, columns } : table))
      return `ALTER TABLE ${name} RENAME TO ${renamed}`
    }),
  (model, [one]) =>
    withTable(model, one, ({ name }) => {
      model.tables = model.tables.filter((table) => table.name !== name)
      return `DROP TABLE ${name}`
    }),
  // What is deferred to the commit, made good in the same file or not.
  (model, [one, two, three]) =>
    withTable(model, one, ({ name }) => {
      const good = three % 2 === 0 ? `; INSERT INTO ${name} (id, k) VALUES (${two % 3}, 'a')` : ""
      return `PRAGMA defer_foreign_keys = ON; DELETE FROM ${name} WHERE id = ${two % 3}${good}`
    }),
  (model, [one, two]) =>
    withTable(model, one, ({ name }) =>
      two % 2 === 0 ? `CREATE UNIQUE INDEX IF NOT EXISTS ${name}_k ON ${name}(k)` : `DROP INDEX IF EXISTS ${name}_k`
    ),
  (model, [one]) =>
    withTable(
      model,
      one,
      ({ name }) =>
        `CREATE TRIGGER IF NOT EXISTS ${name}_few AFTER INSERT ON ${name} BEGIN DELETE FROM ${name} WHERE id < NEW.id - 2; END`
    ),
  (model, [one]) => withTable(model, one, ({ name }) => `CREATE INDEX IF NOT EXISTS ${name}_r ON ${name}(r)`)
]

const withTable = (model: Model, choice: number, sql: (table: Table) => string): string => {
  const table = model.tables[choice % Math.max(1, model.tables.length)]
  return table === undefined ? "SELECT 1" : sql(table)
}

const other = (model: Model, choice: number): string | undefined =>
  model.tables[choice % Math.max(1, model.tables.length)]?.name

const rebuilt = (model: Model, { columns, name }: Table, choice: number): Table => {
  const table = { name, columns: choice % 3 === 0 ? "id INTEGER PRIMARY KEY, k, r" : columns }
  model.tables = model.tables.map((one) => (one.name === name ? table : one))
  return table
}

/** Some rows, which refer to rows of another table, to nothing, or to what is not there. */
const rowsInto = (table: string, parent: string | undefined, key: string, choice: number): string => {
  if (choice % 5 === 0) return "SELECT 1"
  const dangling = choice % 11 === 10 ? "'nowhere'" : "NULL"
  const reference = parent === undefined || choice % 3 === 0 ? dangling : `(SELECT max(${key}) FROM ${parent})`
  return `INSERT OR IGNORE INTO ${table} (id, k, r) VALUES (${choice % 4}, 'a${choice % 3}', ${reference}), (${(choice % 4) + 1}, 'b${choice % 3}', NULL)`
}

const number = fc.nat(59)
const operation = fc.tuple(fc.nat(operations.length - 1), fc.tuple(number, number, number, number))
const file = fc.record({
  first: operation,
  more: fc.array(operation, { maxLength: 2 }),
  isOff: fc.integer({ min: 0, max: 3 }),
  deletes: fc.array(fc.nat(5), { maxLength: 3 })
})

/** Files, each with what it declares. */
export const migrationLists = fc
  .array(file, { minLength: 2, maxLength: 7 })
  .map((files): ReadonlyArray<ReferenceFile> => {
    const model: Model = { tables: [], next: 0 }
    return files.map(({ deletes, first, isOff, more }, index) => {
      const chosen = index === 0 ? [[0, first[1]] as const, ...more] : [first, ...more]
      const sql = chosen.map(([kind, numbers]) => operations[kind]?.(model, numbers)).join(";\n")
      return { sql: `${sql};`, isOff: isOff === 3, deletes: deletes.map((at) => `t${at}`) }
    })
  })

/** The file as the library reads it. */
export const asMigration = ({ deletes, isOff, sql }: ReferenceFile): string =>
  [
    ...(isOff ? ["-- database-ready: foreign_keys = off"] : []),
    ...(deletes.length > 0 ? [`-- database-ready: deletes = ${deletes.join(", ")}`] : []),
    sql
  ].join("\n")
