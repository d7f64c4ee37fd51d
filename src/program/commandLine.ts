/** The full command line of `database-ready`: help, completions, and what is wrong with an argument. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeTerminal from "@effect/platform-node/NodeTerminal"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { exitCode } from "../../layers/index.ts"
import { name, version } from "../build/identity.ts"
import { adoptCommand } from "./commands/adopt.ts"
import { backup } from "./commands/backup.ts"
import { backups } from "./commands/backups.ts"
import { check } from "./commands/check.ts"
import { convert } from "./commands/convert.ts"
import { diff } from "./commands/diff.ts"
import { fleet } from "./commands/fleet.ts"
import { init } from "./commands/init.ts"
import { lint } from "./commands/lint.ts"
import { newCommand } from "./commands/new.ts"
import { plan } from "./commands/plan.ts"
import { proof } from "./commands/proof.ts"
import { rehearse } from "./commands/rehearse.ts"
import { repairCommand } from "./commands/repair.ts"
import { restore } from "./commands/restore.ts"
import { serveProbes } from "./commands/serveProbes.ts"
import { status } from "./commands/status.ts"
import { ExitWith } from "./ExitWith.ts"
import { withoutColours, withReadableHelp } from "./help.ts"
import { onlyFiles } from "./otherEngine.ts"
import { tell } from "./say.ts"
import { UsageError } from "./start.ts"
import { withoutStream } from "./stream.ts"

const usage = tell(
  "Name a command, such as `database-ready init`. Run `database-ready --help` for a list of them."
).pipe(Effect.zipRight(new ExitWith({ code: exitCode.usage })))

const dump = "Run `pg_dump --format=custom --file=FILE URL`"

const command = Command.make("database-ready", {}, () => usage).pipe(
  Command.withDescription("Make a database provably ready, or say why it is not."),
  Command.withSubcommands([
    // As help lists them: what is needed every day first.
    init,
    status,
    plan,
    onlyFiles(check, "Run `database-ready status`, and look at the server with its own monitoring."),
    onlyFiles(rehearse, `${dump}, restore it into another database, and run \`database-ready init\` there.`),
    onlyFiles(backup, `${dump}; or keep a base backup with an archive (point-in-time recovery).`),
    onlyFiles(backups, "List them where `pg_dump` or your base backups put them."),
    onlyFiles(restore, "Run `pg_restore --dbname=URL FILE` on a dump; or recover a base backup to a point in time."),
    onlyFiles(proof, "Run `database-ready status --json`, and keep its line with a dump."),
    onlyFiles(serveProbes, "Use `health` of `database-ready/postgres` in the program that serves."),
    onlyFiles(fleet, "Run `database-ready init` once for each database."),
    onlyFiles(newCommand, "Name a directory of migrations."),
    onlyFiles(lint, "Name a directory of migrations."),
    onlyFiles(convert, "Name a directory of migrations."),
    onlyFiles(
      adoptCommand,
      "Write its schema as the first migration, run `database-ready init` on a new database, and copy the rows there with `pg_dump --data-only`."
    ),
    onlyFiles(repairCommand, "Change its history by hand, after a dump."),
    onlyFiles(
      diff,
      "Run `pg_dump --schema-only` on both and compare the two; `status` names what differs from the migrations."
    )
  ])
)

/** The parser has one, whose questions are left out of the build. */
const wizard = "There is no wizard. `database-ready --help` lists the commands, and `COMMAND --help` the flags of one."
const noWizard = Effect.zipRight(tell(wizard), new UsageError({ parser: "NoWizard", message: wizard }))

/** Leaves empty variables out: the template of a supervisor writes a setting that is not set like that. */
const environmentProvider = ConfigProvider.fromMap(
  new Map(Object.entries(process.env).flatMap(([name, value]) => (value ? [[name, value] as const] : [])))
)

/** Reads any command line and runs it. */
export const commandLine = Effect.gen(function* () {
  const words = withoutStream(process.argv)
  if (words.includes("--wizard")) return yield* noWizard
  yield* Command.run(command, { name, version })(words)
}).pipe(
  Effect.mapError((failure) =>
    ValidationError.isValidationError(failure)
      ? new UsageError({ parser: failure._tag, message: withoutColours(HelpDoc.toAnsiText(failure.error)).trim() })
      : failure
  ),
  // If case did not count, the parser would take `--Database` for a flag and then drop its value.
  withReadableHelp,
  Effect.provide(Layer.merge(CliConfig.layer({ isCaseSensitive: true }), NodeTerminal.layer)),
  Effect.withConfigProvider(environmentProvider)
)
