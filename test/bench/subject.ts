/** The subjects: how each is called, and where it keeps its history. */
import { join } from "node:path"
import type { Fixture } from "./fixture.ts"

/** Makes a file ready in this process, and returns what closes the connection again. */
export type Start = (file: string, fixture: Fixture) => Promise<() => unknown>

export interface Subject {
  /** Also the name of its module in `subjects/`. */
  readonly name: string
  readonly title: string
  /** Its history table, one row per migration. */
  readonly history: string
  /** Whether it is measured as a library, in a process that has imported it. */
  readonly isInProcess: boolean
  /** Whether it is measured as a whole program. */
  readonly isProgram: boolean
  /** Whether that program runs in Node.js, which can report what it used. */
  readonly isNode: boolean
  /** Whether that program creates the folder of its database. */
  readonly makesFolder: boolean
  /** The arguments of `node` that measure it as a library, before the fixture and the files. */
  readonly worker: ReadonlyArray<string>
  /** The program, as arguments of `node`. */
  readonly program: (file: string, fixture: Fixture) => ReadonlyArray<string>
}

const dist = import.meta.dirname
const root = join(dist, "../../..")

const library = (name: string, title: string, history: string): Subject => ({
  name,
  title,
  history,
  isInProcess: true,
  isProgram: true,
  isNode: true,
  makesFolder: true,
  worker: [join(dist, "worker.js"), name],
  program: (file, { folder }) => [join(dist, "program.js"), name, file, folder]
})

const floor: Subject = {
  ...library("floor", "floor: `better-sqlite3` by hand", "schema_migrations"),
  program: (file, { sql }) => [join(dist, "floorProgram.cjs"), file, sql]
}

const ours: Subject = {
  ...library("ours", "**database-ready**", "schema_migrations"),
  program: (file, { sql }) => [join(root, "dist/database-ready.cjs"), "init", "--database", file, "--migrations", sql]
}

/** In a program of one file that starts from V8's code cache, like the programs of this library. */
const bundled: Subject = {
  ...library("ours-bundled", "**database-ready**, in a bundle from V8's code cache", "schema_migrations"),
  isProgram: false,
  worker: [join(dist, "launchWorker.cjs")]
}

/** dbmate is not a library: a program in Go, behind the launcher of its npm package. */
const dbmate: Subject = {
  ...library("dbmate", "dbmate", "schema_migrations"),
  isInProcess: false,
  isNode: false,
  makesFolder: false,
  program: (file, { dbmate }) => [
    join(dist, "../node_modules/dbmate/dist/cli.js"),
    "--url",
    `sqlite:${file}`,
    "--migrations-dir",
    dbmate,
    "--no-dump-schema",
    "up"
  ]
}

/** The floor comes first: the others are compared with it. */
export const subjects: ReadonlyArray<Subject> = [
  floor,
  { ...library("floor-checked", "floor with `quick_check`", "schema_migrations"), isProgram: false },
  { ...library("floor-ready", "floor with all that *ready* means, by hand", "schema_migrations"), isProgram: false },
  { ...library("floor-in-effect", "floor in an Effect service", "schema_migrations"), isProgram: false },
  ours,
  bundled,
  library("effect", "`@effect/sql` Migrator", "effect_sql_migrations"),
  {
    ...library("effect-submodules", "`@effect/sql` Migrator, submodules", "effect_sql_migrations"),
    isInProcess: false
  },
  library("drizzle", "Drizzle", "__drizzle_migrations"),
  library("kysely", "Kysely", "kysely_migration"),
  library("knex", "Knex", "knex_migrations"),
  library("umzug", "umzug", "umzug_migrations"),
  dbmate
]
