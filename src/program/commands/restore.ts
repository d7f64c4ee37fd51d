/** `restore`: puts a backup back. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import {
  exitCodeOf,
  refusalJson,
  refusalLines,
  restoreBackup,
  restoredJson,
  restoredLines
} from "../../../layers/index.ts"
import { ExitWith } from "../ExitWith.ts"
import { options } from "../options.ts"
import { say, tell } from "../say.ts"
import { type Choices, moduleOf } from "../start.ts"

const { database, json, onOpen, timeout, trustedFilesystems } = options

const flags = {
  backup: Options.text("backup").pipe(
    Options.withPseudoName("FILE"),
    Options.withDescription("The backup to restore; default the newest one next to the database."),
    Options.optional
  ),
  database,
  json,
  onOpen,
  timeout,
  trustedFilesystems
}

interface RestoreChoices extends Pick<Choices, "database" | "json" | "onOpen" | "timeout" | "trustedFilesystems"> {
  readonly backup: Option.Option<string>
}

const run = ({ backup, database, json, onOpen, timeout, trustedFilesystems }: RestoreChoices) =>
  restoreBackup({
    filename: database,
    backup: Option.getOrUndefined(backup),
    timeout: Option.getOrUndefined(timeout),
    onOpen: moduleOf(onOpen),
    onProgress: ({ bytes, doing }) => tell(`${doing}: ${Math.round(bytes / 1_000_000)} MB`),
    trustedFilesystems
  }).pipe(
    Effect.matchEffect({
      onSuccess: (restored) => (json ? say(restoredJson(restored)) : say(restoredLines(restored).join("\n"))),
      onFailure: (error) =>
        (json ? say(refusalJson(error)) : tell(refusalLines(error, "not restored").join("\n"))).pipe(
          Effect.zipRight(new ExitWith({ code: exitCodeOf(error) }))
        )
    })
  )

export const restore = Command.make("restore", flags, run).pipe(
  Command.withDescription(
    "Restore a backup that was made before an upgrade. The current file is kept as FILE.replaced-TIME."
  )
)
