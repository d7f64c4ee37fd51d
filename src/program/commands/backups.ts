/** `backups`: what backups there are. */
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type ListedBackup, listBackups } from "../../../layers/operate.ts"
import { options } from "../options.ts"
import { tellBytes } from "../progress.ts"
import { refuseWith } from "../refusal.ts"
import { say } from "../say.ts"
import { type Choices, moduleOf } from "../start.ts"

const { database, json, onOpen } = options

const flags = {
  directory: Options.text("directory").pipe(
    Options.withPseudoName("DIRECTORY"),
    Options.withDescription("Another directory to look in, besides that of the database."),
    Options.optional
  ),
  verify: Options.boolean("verify").pipe(Options.withDescription("Check the pages of each backup.")),
  database,
  json,
  onOpen
}

interface BackupsChoices extends Pick<Choices, "database" | "json" | "onOpen"> {
  readonly directory: Option.Option<string>
  readonly verify: boolean
}

const run = ({ database, directory, json, onOpen, verify }: BackupsChoices) =>
  listBackups({
    filename: database,
    directory: Option.getOrUndefined(directory),
    verify,
    onOpen: moduleOf(onOpen),
    onProgress: tellBytes()
  }).pipe(
    Effect.matchEffect({
      onSuccess: (found) => say(json ? listedJson(found) : listedLines(database, found).join("\n")),
      onFailure: refuseWith(json, "not listed")
    })
  )

const listedJson = (found: ReadonlyArray<ListedBackup>): string =>
  JSON.stringify({
    status: "listed",
    backups: found.map((backup) => ({ ...backup, schemaVersion: backup.schemaVersion ?? null }))
  })

/** A file may be called anything, also what moves the cursor of a terminal. */
const shown = (text: string): string => JSON.stringify(text).slice(1, -1)

const listedLines = (database: string, found: ReadonlyArray<ListedBackup>): ReadonlyArray<string> =>
  found.length === 0
    ? [`There is no backup of ${shown(database)}.`]
    : found.flatMap(({ at, atFrom, bytes, compression, detail, file, kind, schemaVersion, soundness }) => [
        `${at}${atFrom === "file" ? "?" : " "}  schema ${(schemaVersion ?? "?").padEnd(6)}${String(bytes).padStart(12)} bytes  ${soundness.padEnd(11)}  ${kind.padEnd(8)}${compression === "none" ? "" : `  ${compression}`}`,
        `  ${shown(file)}`,
        ...(detail === "" ? [] : [`  ${shown(detail)}`])
      ])

export const backups = Command.make("backups", flags, run).pipe(
  Command.withDescription(
    "List the backups of a database: time, schema, size, soundness. A time with ? is that of the file."
  )
)
