/** Which check tells what the inspection was refused with. */
import type { InitializationError } from "../../sqlite/InitializationReport.ts"
import type { Inspection } from "../Inspection.ts"
import type { CheckName } from "./CheckList.ts"

/** Each refusal has a check: one that none told would be lost. */
export const checkOf = (refusal: InitializationError, found: Inspection): CheckName => {
  switch (refusal._tag) {
    case "DirectoryError":
      return "directory"
    case "PragmaError":
      return "journal mode"
    case "MigrationSourceError":
    case "HistoryError":
    case "UpgradeError":
    case "BackupError":
      return "history"
    case "IntegrityError":
      return byReason[refusal.reason]
    case "ConnectionError":
      if (refusal.reason === "MissingExtension") return "views and triggers"
      return refusal.reason === "UnsafeSqlite" || found.directory === undefined ? "SQLite version" : "file"
    default:
      return waitingIn(found)
  }
}

const byReason = {
  SchemaDiffers: "schema",
  SchemaBroken: "views and triggers",
  DamagedPages: "pages",
  ForeignKeyViolations: "foreign keys",
  Unreadable: "pages"
} as const

/** A deadline or a lock: the room that did not pass. */
const waitingIn = ({ connection, directory, migrations, pragmas }: Inspection): CheckName => {
  if (directory === undefined) return "directory"
  if (connection === undefined) return "file"
  if (pragmas === undefined) return "journal mode"
  return migrations === undefined ? "history" : "schema"
}
