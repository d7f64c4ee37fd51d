/** `restore`: puts a backup back. */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as ValidationError from "@effect/cli/ValidationError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { type Restored, restoredJson, restoredLines } from "../../../layers/index.ts"
import { restoreChosen } from "../../../layers/operate.ts"
import { name, version } from "../../build/identity.ts"
import { options } from "../options.ts"
import { tellStep } from "../progress.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, moduleOf } from "../start.ts"

const { database, json, onOpen, timeoutOfRestore: timeout, trustedFilesystems } = options

const flags = {
  backup: Options.text("backup").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The backup to restore; default the newest one next to the database."),
    Options.optional
  ),
  at: Options.text("at").pipe(
    Options.withPseudoName("TIME"),
    Options.withDescription("Restore the newest backup made at or before this time, such as 2026-11-27T16:30:00Z."),
    Options.mapEffect((input) =>
      Either.mapLeft(timeFrom(input), (line) => ValidationError.invalidValue(HelpDoc.p(line)))
    ),
    Options.optional
  ),
  version: Options.text("schema-version").pipe(
    Options.withPseudoName("NUMBER"),
    Options.withDescription("Restore the newest backup whose schema is at this version, such as 002."),
    Options.filterMap(
      Option.liftPredicate((version) => /^\d+$/.test(version)),
      "Give the number of a migration."
    ),
    Options.optional
  ),
  directory: Options.text("directory").pipe(
    Options.withPseudoName("DIRECTORY"),
    Options.withDescription("With --at or --schema-version: another directory with backups."),
    Options.optional
  ),
  output: Options.text("output").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("Restore to this path, and do not touch the database."),
    Options.optional
  ),
  dryRun: Options.boolean("dry-run").pipe(
    Options.withDescription("Check the backup, say what would be done, and write nothing.")
  ),
  database,
  json,
  onOpen,
  timeout,
  trustedFilesystems
}

interface RestoreChoices extends Pick<Choices, "database" | "json" | "onOpen" | "timeout" | "trustedFilesystems"> {
  readonly backup: Option.Option<string>
  readonly at: Option.Option<number>
  readonly version: Option.Option<string>
  readonly directory: Option.Option<string>
  readonly output: Option.Option<string>
  readonly dryRun: boolean
}

const run = ({ database, dryRun, json, onOpen, timeout, trustedFilesystems, ...choices }: RestoreChoices) =>
  restoreChosen({
    filename: database,
    backup: Option.getOrUndefined(choices.backup),
    at: Option.getOrUndefined(choices.at),
    version: Option.getOrUndefined(choices.version),
    directory: Option.getOrUndefined(choices.directory),
    output: Option.getOrUndefined(choices.output),
    dryRun,
    timeout: Option.getOrUndefined(timeout),
    onOpen: moduleOf(onOpen),
    onProgress: tellStep,
    program: `${name} ${version}`,
    trustedFilesystems
  }).pipe(
    Effect.matchEffect({
      onSuccess: (restored) =>
        dryRun
          ? say(json ? JSON.stringify(wouldJson(restored)) : wouldLines(restored).join("\n"))
          : say(json ? restoredJson(restored) : restoredLines(restored).join("\n")),
      onFailure: refuseWith(json, "not restored")
    })
  )

const wouldJson = (restored: Restored) => ({
  status: "would restore",
  ...restored,
  schemaVersion: restored.schemaVersion ?? null,
  replaced: restored.replaced ?? null
})

const wouldLines = ({ backup, database, replaced, schemaVersion }: Restored): ReadonlyArray<string> => [
  `would restore  ${database}  schema ${schemaVersion ?? "none"}  from ${backup}, which is sound`,
  ...(replaced === undefined ? [] : ["would keep     what is there now, as FILE.replaced-TIME next to it"])
]

/** A time without a zone would mean another one on another machine. */
const timeFrom = (input: string): Either.Either<number, string> => {
  const isWhole = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})$/.test(input)
  const millis = isWhole ? Date.parse(input) : Number.NaN
  return Number.isNaN(millis)
    ? Either.left(`'${input}' is not a time. Write it with its zone, like 2026-11-27T16:30:00Z.`)
    : Either.right(millis)
}

export const restore = Command.make("restore", flags, run).pipe(
  Command.withDescription(
    "Go back to a backup, chosen by its path, time or version, or put it at another path. The current file is kept as FILE.replaced-TIME."
  )
)
