/** What is wrong with a history, in the words of every engine. */
import type { HistoryFault } from "./historyComparison.ts"

type Reason = HistoryFault["reason"] | "ForeignHistory" | "Unrecorded" | "Unreadable"

const sentences: Readonly<Record<Reason, string>> = {
  ForeignHistory: "The table schema_migrations was made by another tool",
  NotCompleted: "The history records migrations that were not completed: ",
  RecordedTwice: "The history records a migration more than once: ",
  OtherApplication:
    "The database belongs to another application: none of its migrations is one of this program's. It has ",
  NewerDatabase: "The database is newer than this program: it has ",
  Missing: "Migrations were applied that this program does not have: ",
  Edited: "Migrations were edited after they had been applied: ",
  Renamed: "Migrations were renamed after they had been applied: ",
  Late: "Migrations are older than one that is already applied, and were never applied: ",
  Unrecorded: "Migrations that were applied are no longer recorded: ",
  Unreadable: "The history of the database cannot be read"
}

/** The sentence of a reason, with the migrations at fault where it is about some. */
export const historySentence =
  (reason: Reason) =>
  ({ migrations }: { readonly migrations: ReadonlyArray<string> }): string =>
    `${sentences[reason]}${sentences[reason].endsWith(" ") ? migrations.join(", ") : ""}`
