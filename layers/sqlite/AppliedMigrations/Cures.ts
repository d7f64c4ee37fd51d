/** What to do about a statement that SQLite refused, by its code and message. */
import { openingWords } from "../../schema/SqlScript.ts"
import { cureOfMissing } from "../MissingExtension.ts"
import { answerOr, type Sqlite, type SqliteFailure, text } from "../Sqlite.ts"

/** Tables in which other migration tools keep what they applied, by their names in lower case. */
const historyTables: Readonly<Partial<Record<string, string>>> = {
  __drizzle_migrations: "Drizzle",
  _prisma_migrations: "Prisma",
  knex_migrations: "Knex",
  kysely_migration: "Kysely",
  effect_sql_migrations: "@effect/sql's Migrator",
  goose_db_version: "goose",
  flyway_schema_history: "Flyway",
  _sqlx_migrations: "sqlx",
  __diesel_schema_migrations: "Diesel",
  django_migrations: "Django",
  migrations: "TypeORM or Laravel",
  typeorm_metadata: "TypeORM",
  sequelizemeta: "Sequelize",
  mikro_orm_migrations: "MikroORM",
  d1_migrations: "Cloudflare D1",
  _migrations: "PocketBase",
  alembic_version: "Alembic",
  __efmigrationshistory: "Entity Framework",
  databasechangelog: "Liquibase",
  gorp_migrations: "sql-migrate",
  refinery_schema_history: "refinery",
  phinxlog: "Phinx",
  room_master_table: "Android Room",
  ar_internal_metadata: "Rails",
  schema_version: "a tool that calls its table schema_version"
}

/** Undefined if nothing better is known than to fix the statement. */
export const cureOf = (
  sqlite: Sqlite,
  statement: string,
  { code, detail }: Pick<SqliteFailure, "code" | "detail">
): string | undefined =>
  /already exists$/.test(detail) ? alreadyThere(toolsIn(sqlite)) : cureOfStatement(statement, code, detail)

const cureOfStatement = (statement: string, code: string, detail: string): string | undefined => {
  const [first] = openingWords(statement, 1)
  if (code === "SQLITE_CONSTRAINT_FOREIGNKEY") {
    return first === "DROP" || first === "ALTER"
      ? `Rows of other tables refer to this table. To rebuild it, write \`-- database-ready: foreign_keys = off\` above the first statement of the file. To remove it, delete those rows in the migration first.`
      : `Insert the rows that are referred to first, or delete or change the rows that refer to them.`
  }
  if (code === "SQLITE_CONSTRAINT_TRIGGER") {
    return `Change the rows so that the trigger that gives this message accepts them. Or drop that trigger in the migration, and create it again afterwards.`
  }
  if (code.startsWith("SQLITE_CONSTRAINT")) {
    return `Change or delete the rows that break this constraint, in the migration before this statement.`
  }
  const extension = cureOfMissing(detail)
  if (extension !== undefined) return extension
  if (/^Cannot add a NOT NULL column/.test(detail)) return `Give the column a DEFAULT that is not NULL.`
  if (/^Cannot add a (UNIQUE|PRIMARY KEY) column/.test(detail)) {
    return `Add the column without the constraint and create a unique index, or rebuild the table.`
  }
  if (/^no such (table|column|index|view|trigger)/.test(detail)) {
    return `Check the name, and whether an earlier migration creates, renames or drops it.`
  }
  return /^duplicate column name/.test(detail)
    ? `Check whether an earlier migration adds the column. ${appliedByHand}`
    : undefined
}

const alreadyThere = (tools: ReadonlyArray<string>): string => {
  const whose =
    tools.length === 0
      ? "Something else made it: another program, an earlier tool, or a person."
      : `This database belongs to ${tools.join(" and ")}, whose history table is in it.`
  return `${whose} ${takeOver} ${appliedByHand}`
}

/** A command that changes the history, to be typed. */
export const repairWith = (what: string): string => `\`database-ready repair ${what} --reason "..."\``

const appliedByHand = `If somebody applied this migration by hand, run ${repairWith("record-applied NUMBER")} with its number.`

/** How to take over another program's database, if its path is right. */
export const takeOver =
  "Check the path of the database. To take it over, write what made it as SQL files, `NNN_name.sql`, and run `database-ready adopt --dry-run`: it says what it would record."

/** The tools whose history tables exist. If the tables cannot be read, the refusal stays as it is. */
const toolsIn = (sqlite: Sqlite): ReadonlyArray<string> =>
  answerOr(
    () =>
      sqlite.all("SELECT name FROM sqlite_schema WHERE type = 'table'").flatMap((table) => {
        const name = text(table, "name")
        const tool = historyTables[name.toLowerCase()]
        return tool === undefined ? [] : [`${tool} (${name})`]
      }),
    () => []
  )
