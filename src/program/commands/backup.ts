/** `backup`: a checked copy now. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { backUp, type Compression, compressions, type MadeBackup } from "../../../layers/operate.ts"
import { options } from "../options.ts"
import { tellBytes } from "../progress.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, moduleOf } from "../start.ts"

const { database, json, onOpen, timeoutOfBackup: timeout, trustedFilesystems } = options

const flags = {
  to: Options.text("to").pipe(
    Options.withPseudoName("FILE-or-DIRECTORY"),
    Options.withDescription(
      "Where the backup goes: a file that is not there yet, or a directory that is. Default next to the database."
    ),
    Options.optional
  ),
  compress: Options.choice("compress", compressions).pipe(
    Options.withDescription("Compress it. zstd takes Node.js 22.15, 23.8 or newer."),
    Options.optional
  ),
  database,
  json,
  onOpen,
  timeout,
  trustedFilesystems
}

interface BackupChoices extends Pick<Choices, "database" | "json" | "onOpen" | "timeout" | "trustedFilesystems"> {
  readonly to: Option.Option<string>
  readonly compress: Option.Option<Compression>
}

const run = ({ compress, database, json, onOpen, timeout, to, trustedFilesystems }: BackupChoices) =>
  backUp({
    filename: database,
    to: Option.getOrUndefined(to),
    compress: Option.getOrUndefined(compress),
    timeout: Option.getOrUndefined(timeout),
    onOpen: moduleOf(onOpen),
    onProgress: tellBytes(),
    trustedFilesystems
  }).pipe(
    Effect.matchEffect({
      onSuccess: (made) => say(json ? madeJson(made) : madeLine(made)),
      onFailure: refuseWith(json, "not backed up")
    })
  )

const madeJson = (made: MadeBackup): string =>
  JSON.stringify({ status: "backed up", ...made, schemaVersion: made.schemaVersion ?? null })

const madeLine = ({ backup, bytes, database, schemaVersion }: MadeBackup): string =>
  `backed up  ${database}  schema ${schemaVersion ?? "none"}  to ${backup}  ${bytes} bytes`

export const backup = Command.make("backup", flags, run).pipe(
  Command.withDescription("Make a checked copy of the database now, while other programs use it.")
)
