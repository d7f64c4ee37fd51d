/**
 * Migration files, drawn as numbers and read in order. Each number chooses among the tables that the files before have
 * left. Any part of a drawn list is a valid list, so a failing one can be shortened.
 */
import * as FastCheck from "effect/FastCheck"

export interface MigrationFile {
  readonly id: number
  /** As in its file name: `003`. */
  readonly version: string
  readonly name: string
  readonly text: string
  readonly foreignKeys: "on" | "off"
  /** Tables that it declares to lose rows. */
  readonly deletes: ReadonlyArray<string>
  readonly compatibleFrom: number | undefined
  /** What it renames and drops, for counting rows. */
  readonly renames: ReadonlyArray<readonly [from: string, to: string]>
  readonly drops: ReadonlyArray<string>
}

export const titleOf = ({ name, version }: Pick<MigrationFile, "name" | "version">): string => `${version}_${name}`

const kinds = [
  "create",
  "child",
  "child",
  "column",
  "update",
  "key",
  "insert",
  "delete",
  "rename",
  "rename",
  "rebuild",
  "rebuild",
  "drop",
  "index",
  "view",
  "trigger",
  "temporary",
  "setting",
  "savepoint",
  "broken"
] as const

const actions = ["CASCADE", "SET NULL", "RESTRICT", "NO ACTION", "SET DEFAULT"] as const

export interface Draft {
  readonly kind: (typeof kinds)[number]
  /** Which table, and which other one. */
  readonly pick: number
  readonly action: (typeof actions)[number]
  readonly declares: boolean
  /** How many rows are put into a new table. */
  readonly rows: number
  readonly compatible: boolean
}

export const draft: FastCheck.Arbitrary<Draft> = FastCheck.record({
  kind: FastCheck.constantFrom(...kinds),
  pick: FastCheck.nat(5),
  action: FastCheck.constantFrom(...actions),
  declares: FastCheck.boolean(),
  rows: FastCheck.nat(2),
  compatible: FastCheck.nat(3).map((roll) => roll === 3)
})

interface Table {
  readonly name: string
  readonly columns: ReadonlyArray<string>
  readonly parent: string | undefined
  readonly action: Draft["action"]
}

/** Letters that JavaScript folds and SQLite does not: of the last two, each table has a twin. */
const named = (plain: "t" | "r", id: number, pick: number): string => {
  const letter = [plain, plain, "ß", "ﬁ", id % 2 === 0 ? "ä" : "Ä", plain][pick] ?? plain
  return `${letter}${letter === "ä" || letter === "Ä" ? `${plain}${Math.floor(id / 2)}` : id}`
}
export const isOfMigrations = (name: string): boolean => /^[trßﬁäÄ]+\d+$/.test(name)

const definitionOf = ({ action, columns, parent }: Table, name: string): string => {
  const reference =
    parent === undefined ? [] : [`parent INTEGER REFERENCES ${parent}(id) ON DELETE ${action} ON UPDATE CASCADE`]
  return `CREATE TABLE ${name} (${["id INTEGER PRIMARY KEY", "body TEXT CHECK (body <> 'never')", ...reference, ...columns.map((column) => `${column} TEXT`)].join(", ")});`
}

const columnsOf = ({ columns, parent }: Table): string =>
  ["id", "body", ...(parent === undefined ? [] : ["parent"]), ...columns].join(", ")

interface Body {
  readonly statements: ReadonlyArray<string>
  readonly tables: ReadonlyArray<Table>
  readonly foreignKeys?: "off"
  readonly deletes?: ReadonlyArray<string>
  readonly renames?: MigrationFile["renames"]
  readonly drops?: ReadonlyArray<string>
}

const without = (tables: ReadonlyArray<Table>, table: Table) => tables.filter((other) => other !== table)

/** One file for the current tables. Without a table it can only create one. */
const bodyOf = (drawn: Draft, id: number, tables: ReadonlyArray<Table>): Body => {
  const table = tables[drawn.pick % Math.max(1, tables.length)]
  const kind = table === undefined ? "create" : drawn.kind
  const make = (made: Table, fill: string): Body => ({
    statements: [definitionOf(made, made.name), ...(drawn.rows === 0 ? [] : [fill])],
    tables: [...tables, made]
  })
  if (table === undefined || kind === "create") {
    const name = named("t", id, drawn.pick)
    const values = Array.from({ length: drawn.rows }, (_, index) => `('seed ${index}')`).join(", ")
    return make(
      { name, columns: [], parent: undefined, action: drawn.action },
      `INSERT INTO ${name} (body) VALUES ${values};`
    )
  }
  const { name } = table
  const declared = drawn.declares ? [name, ...tables.filter(({ parent }) => parent === name).map((t) => t.name)] : []
  switch (kind) {
    case "child": {
      const child = named("t", id, drawn.pick)
      return make(
        { name: child, columns: [], parent: name, action: drawn.action },
        `INSERT INTO ${child} (body, parent) SELECT 'seed', id FROM ${name};`
      )
    }
    case "column":
      return {
        statements: [`ALTER TABLE ${name} ADD COLUMN c${id} TEXT;`],
        tables: tables.map((other) => (other === table ? { ...other, columns: [...other.columns, `c${id}`] } : other))
      }
    case "update":
      return { statements: [`UPDATE ${name} SET body = coalesce(body, '') || ' ${id}';`], tables }
    case "key":
      return { statements: [`UPDATE ${name} SET id = id + 100;`], tables }
    case "insert":
      // A third of them, for those who have switched the check off.
      return {
        statements: [`INSERT INTO ${name} (body) VALUES ('${drawn.rows === 0 ? "never" : `of ${id}`}');`],
        tables
      }
    case "delete":
      return { statements: [`DELETE FROM ${name} WHERE id % 2 = 1;`], tables, deletes: declared }
    case "rename": {
      const to = named("r", id, drawn.pick)
      // Rows may also be deleted under the new name; then that name is declared.
      const isCleared = drawn.declares && drawn.rows === 0
      return {
        statements: [
          `ALTER TABLE ${name} RENAME TO ${to};`,
          ...(isCleared ? [`DELETE FROM ${to} WHERE id % 2 = 1;`] : [])
        ],
        ...(isCleared ? { deletes: [to] } : {}),
        tables: tables.map((other) => ({
          ...other,
          name: other === table ? to : other.name,
          parent: other.parent === name ? to : other.parent
        })),
        renames: [[name, to]]
      }
    }
    case "rebuild":
      return {
        statements: [
          definitionOf(table, `n${id}`),
          `INSERT INTO n${id} SELECT ${columnsOf(table)} FROM ${name};`,
          `DROP TABLE ${name};`,
          `ALTER TABLE n${id} RENAME TO ${name};`
        ],
        tables,
        ...(drawn.declares ? { foreignKeys: "off" } : {}),
        ...(drawn.rows === 0 ? { deletes: declared } : {}),
        drops: [name]
      }
    case "drop":
      return {
        statements: [`DROP TABLE ${name};`],
        tables: without(tables, table),
        deletes: declared,
        drops: [name]
      }
    case "index":
      return { statements: [`CREATE INDEX i${id} ON ${name} (body);`], tables }
    case "view":
      return { statements: [`CREATE VIEW v${id} AS SELECT id, body FROM ${name};`], tables }
    case "trigger": {
      const other = tables[drawn.rows % tables.length]?.name ?? name
      return {
        statements: [
          `CREATE TRIGGER g${id} AFTER INSERT ON ${name} BEGIN UPDATE ${other} SET body = coalesce(body, '') || '!'; END;`
        ],
        tables
      }
    }
    // What these two leave on their connection must not affect another file.
    case "temporary":
      return {
        statements: [
          `CREATE TEMP TABLE ${name} AS SELECT * FROM main.${name};`,
          `UPDATE main.${name} SET body = coalesce(body, '') || ' ${id}';`
        ],
        tables
      }
    case "setting":
      return {
        statements: [
          `PRAGMA ${drawn.declares ? "legacy_alter_table" : "ignore_check_constraints"} = ON;`,
          `UPDATE ${name} SET body = coalesce(body, '') || ' ${id}';`
        ],
        tables
      }
    case "savepoint":
      return {
        statements: [
          drawn.declares ? "SAVEPOINT here;" : "ROLLBACK TO here;",
          `UPDATE ${name} SET body = coalesce(body, '') || ' ${id}';`
        ],
        tables
      }
    case "broken":
      return { statements: [`INSERT INTO ${name} (body) VALUES ('of ${id}');`, "CREATE TABEL x;"], tables }
  }
}

/** The files of the newest release, in order. Every release is its beginning, or a variation of that. */
export const filesOf = (drafts: ReadonlyArray<Draft>): ReadonlyArray<MigrationFile> => {
  let tables: ReadonlyArray<Table> = []
  return drafts.map((drawn, index) => {
    const id = index + 1
    const body = bodyOf(drawn, id, tables)
    tables = body.tables
    const deletes = body.deletes ?? []
    const foreignKeys = body.foreignKeys ?? "on"
    const compatibleFrom = drawn.compatible ? Math.max(0, id - 1 - drawn.rows) : undefined
    const head = [
      ...(foreignKeys === "off" ? ["-- database-ready: foreign_keys = off"] : []),
      ...(deletes.length > 0 ? [`-- database-ready: deletes = ${deletes.join(", ")}`] : []),
      ...(compatibleFrom === undefined ? [] : [`-- database-ready: compatible_from = ${compatibleFrom}`])
    ]
    return {
      id,
      version: String(id).padStart(3, "0"),
      name: drawn.kind,
      text: [...head, ...body.statements].join("\n"),
      foreignKeys,
      deletes,
      compatibleFrom,
      renames: body.renames ?? [],
      drops: body.drops ?? []
    }
  })
}

/** How a release differs from a beginning of the list: what people do to files. */
export const tweaks = ["none", "none", "none", "none", "edited", "renamed", "missing", "spaces"] as const

export interface Release {
  readonly upTo: number
  readonly tweak: (typeof tweaks)[number]
  /** Which file is changed. */
  readonly at: number
}

export const release: FastCheck.Arbitrary<Release> = FastCheck.record({
  upTo: FastCheck.nat(9),
  tweak: FastCheck.constantFrom(...tweaks),
  at: FastCheck.nat(9)
})

export const filesOfRelease = (
  files: ReadonlyArray<MigrationFile>,
  { at, tweak, upTo }: Release
): ReadonlyArray<MigrationFile> => {
  const known = files.slice(0, files.length === 0 ? 0 : (upTo % files.length) + 1)
  const target = known[at % Math.max(1, known.length)]
  return known.flatMap((file) => (file === target ? tweaked(file, tweak) : [file]))
}

const tweaked = (file: MigrationFile, tweak: Release["tweak"]): ReadonlyArray<MigrationFile> => {
  switch (tweak) {
    case "none":
      return [file]
    case "edited":
      return [{ ...file, text: `${file.text}\nSELECT 1;` }]
    case "renamed":
      return [{ ...file, name: `${file.name}_again` }]
    case "missing":
      return []
    case "spaces":
      return [{ ...file, text: `${file.text.replaceAll("\n", "  \r\n")}\n\n` }]
  }
}

export const describeRelease = (files: ReadonlyArray<MigrationFile>, release: Release): string =>
  filesOfRelease(files, release)
    .map((file) => {
      const isOriginal = files.some(
        ({ name, text, version }) => file.version === version && file.name === name && file.text === text
      )
      return isOriginal ? file.version : `${titleOf(file)} (${release.tweak})`
    })
    .join(", ")
