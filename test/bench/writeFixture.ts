/** Writes one set of migrations in the form that the documentation of each subject asks for. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { statementsOf } from "../../layers/schema/SqlScript.ts"
import { conversationFiles, type Fixture, fixtureIn } from "./fixture.ts"

type Files = ReadonlyArray<readonly [file: string, text: string]>

/** The migrations built into the program. */
export const writeConversationFiles = (folder: string, migrations: string): Fixture =>
  write(
    join(folder, conversationFiles),
    readdirSync(migrations)
      .filter((file) => file.endsWith(".sql"))
      .sort()
      .map((file) => [file, readFileSync(join(migrations, file), "utf8")])
  )

/** Many small ones: a table, then its index, then the next table. */
export const writeMany = (folder: string, count: number): Fixture =>
  write(
    join(folder, `many-${count}`),
    Array.from({ length: count }, (_, at) => {
      const number = String(at + 1).padStart(4, "0")
      const table = `things_${String(at - (at % 2) + 1).padStart(4, "0")}`
      return at % 2 === 0
        ? [`${number}_create_${table}.sql`, createTable(table)]
        : [`${number}_index_${table}.sql`, `CREATE INDEX idx_${table}_name ON ${table}(name);\n`]
    })
  )

const createTable = (table: string) => `-- One of many.
CREATE TABLE ${table} (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  made_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);
`

const write = (folder: string, files: Files): Fixture => {
  for (const form of ["sql", "effect", "effect-submodules", "drizzle/meta", "kysely", "knex", "dbmate"]) {
    mkdirSync(join(folder, form), { recursive: true })
  }
  for (const [file, text] of files) {
    const title = file.replace(/\.sql$/, "")
    const statements = statementsOf(text).map((statement) => statement.text)
    const calls = (call: (statement: string) => string) =>
      statements.map((statement) => `  ${call(JSON.stringify(statement))}\n`).join("")
    const effect = `export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
${calls((statement) => `yield* sql.unsafe(${statement})`)}})
`
    const written = {
      [`sql/${file}`]: text,
      [`dbmate/${file}`]: `-- migrate:up\n${text}\n-- migrate:down\n`,
      [`drizzle/${file}`]: statements.join(";\n--> statement-breakpoint\n"),
      [`effect/${title}.js`]: `import { SqlClient } from "@effect/sql"\nimport { Effect } from "effect"\n${effect}`,
      [`effect-submodules/${title}.js`]: `import * as SqlClient from "@effect/sql/SqlClient"\nimport * as Effect from "effect/Effect"\n${effect}`,
      [`kysely/${title}.js`]: `import { sql } from "kysely"
export const up = async (db) => {
${calls((statement) => `await sql.raw(${statement}).execute(db)`)}}
`,
      [`knex/${title}.cjs`]: `exports.up = async (knex) => {
${calls((statement) => `await knex.raw(${statement})`)}}
exports.down = async () => {}
`
    }
    for (const [name, content] of Object.entries(written)) writeFileSync(join(folder, name), content)
  }
  writeFileSync(join(folder, "drizzle/meta/_journal.json"), JSON.stringify(journalOf(files)))
  return fixtureIn(folder)
}

/** What `drizzle-kit` keeps next to its migrations. */
const journalOf = (files: Files) => ({
  version: "7",
  dialect: "sqlite",
  entries: files.map(([file], idx) => ({
    idx,
    version: "6",
    when: 1_700_000_000_000 + idx,
    tag: file.replace(/\.sql$/, ""),
    breakpoints: true
  }))
})
