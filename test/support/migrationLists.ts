/** Random lists of migrations over small schemas: every foreign-key action, seeds, changes of rows, rebuilds, renames. */
import * as fc from "effect/FastCheck"
import type { ReferenceFile } from "./reference.ts"

const actions = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"] as const

interface Table {
  readonly name: string
  /** Everything between the parentheses of its definition. */
  readonly columns: string
}

/** The schema after the files so far, as far as the next one must know it. */
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
  // A reference deferred to the commit, repaired in the same file or not.
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

/** Some rows that refer to rows of another table, to nothing, or to missing rows. */
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

/** Files, each with its declarations. */
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

/** A schema with rows for `roughLists`: each kind of object, and things that exist only because of rows. */
export const roughSchema = `CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT NOT NULL, doc TEXT DEFAULT '{}');
CREATE TABLE c (id INTEGER PRIMARY KEY AUTOINCREMENT, p INTEGER NOT NULL REFERENCES p(id), n INTEGER CHECK (n > 0));
CREATE TABLE gone (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE must (x NOT NULL, y AS (x + 1) STORED);
CREATE TABLE few (x);
CREATE INDEX c_n ON c(n) WHERE n > 1;
CREATE VIEW names AS SELECT id, name FROM p;
CREATE TRIGGER p_short BEFORE INSERT ON p WHEN length(NEW.name) > 3 BEGIN SELECT RAISE(ABORT, 'too long'); END;
CREATE VIRTUAL TABLE words USING fts5(name, content='p', content_rowid='id');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
INSERT INTO p (id, name, doc) VALUES (1, 'a', '{"a":1}'), (2, 'b', '[1]'), (3, 'a', '{}');
INSERT INTO c (p, n) VALUES (1, 1), (2, 2), (2, 3);
INSERT INTO words (words) VALUES ('rebuild');
INSERT INTO boxes VALUES (1, 0, 1);
ANALYZE;`

/** Statements that succeed because of rows, that fail because of rows, and that do either for any rows. */
const rough: ReadonlyArray<string> = [
  "INSERT INTO must (x) VALUES ((SELECT max(id) FROM p))",
  "INSERT INTO must (x) VALUES ((SELECT max(id) FROM p WHERE name = 'z'))",
  "INSERT INTO c (p, n) VALUES (1, 4)",
  "INSERT INTO c (p, n) VALUES (9, 4)",
  "INSERT INTO c (p, n) SELECT id, 0 FROM p WHERE name = 'a'",
  "INSERT INTO p (name) VALUES ('long')",
  "INSERT INTO p (name) SELECT name || name || name || name FROM p",
  "INSERT INTO few SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM p)",
  "ALTER TABLE few ADD COLUMN z NOT NULL",
  "ALTER TABLE p ADD COLUMN z NOT NULL",
  "ALTER TABLE p ADD COLUMN q INTEGER DEFAULT 5 REFERENCES p(id)",
  "ALTER TABLE c ADD COLUMN k CHECK (k > 0) DEFAULT 0",
  "CREATE UNIQUE INDEX p_name ON p(name)",
  "CREATE UNIQUE INDEX p_doc ON p(doc)",
  "CREATE INDEX p_a ON p(json_extract(doc, '$.a'))",
  "CREATE TABLE copied AS SELECT id, json(name) AS j FROM p",
  "CREATE TABLE copied AS SELECT id, json(coalesce((SELECT doc FROM p WHERE id = 1), 'x')) AS j FROM p",
  "CREATE TABLE copied AS SELECT id, name FROM p",
  "SELECT abs(min(n) - 9223372036854775807 - 2) FROM c",
  "SELECT id FROM copied",
  "CREATE TABLE numbers AS WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9) SELECT x FROM n",
  "INSERT INTO numbers VALUES (1)",
  "DROP TABLE gone",
  "UPDATE sqlite_sequence SET seq = 7 WHERE name = 'c'",
  "DELETE FROM sqlite_stat1",
  "SELECT stat FROM sqlite_stat4",
  "DROP TABLE sqlite_stat4",
  "PRAGMA optimize",
  "ANALYZE",
  "REINDEX",
  "REINDEX nowhere",
  "INSERT INTO words (rowid, name) VALUES (9, 'word')",
  "SELECT rowid FROM words WHERE words MATCH 'a'",
  "SELECT rowid FROM words WHERE words MATCH '\"'",
  "DROP TABLE words",
  "INSERT INTO boxes VALUES (2, 3, 1)",
  "ALTER TABLE p RENAME TO people",
  "ALTER TABLE people RENAME TO p",
  "ALTER TABLE p RENAME COLUMN name TO title",
  "ALTER TABLE p RENAME COLUMN title TO name",
  "ALTER TABLE p DROP COLUMN doc",
  "ALTER TABLE c DROP COLUMN n",
  "PRAGMA legacy_alter_table = ON",
  "DROP VIEW names",
  "CREATE VIEW names AS SELECT id, name FROM p",
  "DROP TRIGGER p_short",
  "CREATE TEMP TABLE scratch AS SELECT * FROM p",
  "INSERT INTO few SELECT id FROM scratch",
  "SAVEPOINT s; CREATE TABLE undone (x); ROLLBACK TO s; RELEASE s",
  "CREATE TABLE undone (x)",
  "INSERT INTO nowhere VALUES (1)",
  "CREATE TABEL x (y)",
  "SELECT missing(1)",
  "CREATE TABLE p (id)",
  "INSERT INTO must (y) VALUES (1)",
  "CREATE VIRTUAL TABLE none USING missing(x)",
  "INSERT INTO few SELECT count(*) FROM schema_migrations WHERE version < '002'",
  "CREATE TABLE IF NOT EXISTS p (other)",
  "DELETE FROM c WHERE p = (SELECT id FROM p WHERE name = 'b')",
  "DROP TABLE p"
]

/** Files of such statements, which may delete anything. */
export const roughLists = fc
  .array(fc.array(fc.constantFrom(...rough), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 })
  .map(
    (files): ReadonlyArray<ReferenceFile> =>
      files.map((statements) => ({
        sql: `${statements.join(";\n")};`,
        isOff: false,
        deletes: ["p", "people", "c", "gone", "must", "few", "words", "boxes", "copied", "numbers"]
      }))
  )
