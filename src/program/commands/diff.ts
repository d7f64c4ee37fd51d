/** `diff`: how two schemas differ. */
import { statSync } from "node:fs"
import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Migrations } from "../../../layers/index.ts"
import { diffJson, diffLines, diffSchemas, diffSql } from "../../../layers/operate.ts"
import { ExitWith, somethingToDo } from "../ExitWith.ts"
import { options } from "../options.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, defaults, migrationsOf, moduleOf } from "../start.ts"

const { database, json, migrations, onOpen, timeout, trustedFilesystems } = options

const side = (name: string, instead: string) =>
  Args.text({ name }).pipe(
    Args.withDescription(`A database file or a directory of migrations; default: that of ${instead}.`),
    Args.optional
  )

const flags = {
  from: side("A", "--database"),
  to: side("B", "--migrations"),
  sql: Options.boolean("sql").pipe(
    Options.withDescription("Print the migration that leads from A to B, where that is safe.")
  ),
  database,
  migrations,
  onOpen,
  timeout,
  trustedFilesystems,
  json
}

interface DiffChoices
  extends Pick<Choices, "database" | "migrations" | "onOpen" | "timeout" | "trustedFilesystems" | "json"> {
  readonly from: Option.Option<string>
  readonly to: Option.Option<string>
  readonly sql: boolean
}

const run = Effect.fnUntraced(function* (choices: DiffChoices) {
  const { json, onOpen, sql, timeout, trustedFilesystems } = choices
  const diff = yield* diffSchemas({
    from: Option.match(choices.from, { onNone: () => ({ filename: choices.database }), onSome: sideOf }),
    to: Option.match(choices.to, {
      onNone: () => ({
        migrations: migrationsOf(choices),
        name: Option.getOrElse(choices.migrations, () => defaults.migrations)
      }),
      onSome: sideOf
    }),
    onOpen: moduleOf(onOpen),
    timeout: Option.getOrUndefined(timeout),
    trustedFilesystems
  }).pipe(Effect.catchAll(refuseWith(json, "not compared")))
  yield* say(json ? diffJson(diff) : sql ? diffSql(diff) : diffLines(diff).join("\n"))
  if (diff.status === "different") return yield* new ExitWith({ code: somethingToDo })
})

const sideOf = (path: string) =>
  isDirectory(path) ? { migrations: Migrations.fromDirectory(path), name: path } : { filename: path }

/** If this user may not look there, opening it as a database says why. */
const isDirectory = (path: string): boolean => {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

export const diff = Command.make("diff", flags, run).pipe(
  Command.withDescription("Say how two schemas differ, of databases or of migrations. Exit code 2: they do.")
)
