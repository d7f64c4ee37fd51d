/** Says in the history of a copy that it was restored, before the copy takes the place of a database. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { operator } from "../machine/operator.ts"
import type { HistoryEvent } from "../start/HistoryEvents.ts"
import { HistoryError } from "./AppliedMigrations/HistoryError.ts"
import { addEventsColumn, recordEvents } from "./AppliedMigrations/HistoryRecords.ts"
import { type History, readHistory } from "./AppliedMigrations/MigrationHistory.ts"
import { answerOr, openSqlite, type Sqlite, type SqliteFailure } from "./Sqlite.ts"

/** What the history of a restored database says of it. */
export const restoreNote = (backup: string, program: string): Effect.Effect<HistoryEvent> =>
  Effect.map(Clock.currentTimeMillis, (at) => {
    const { host, user } = operator()
    return {
      what: "restore",
      at: new Date(at).toISOString(),
      by: user,
      host,
      program,
      detail: backup,
      reason: "",
      before: ""
    }
  })

/** Whether a note can be written to a history. Another system's table stays as that system knows it. */
export const takesNote = ({ lacks, rows }: History): boolean => rows.length > 0 && !lacks.includes("checksum")

/**
 * Writes it in one transaction. Where the history forbids it, such as by a trigger of somebody, the copy stays as it was
 * and a warning says so: a restore is not refused for its note. Fails where the copy cannot be written.
 */
export const writeNote = (copy: Sqlite, note: HistoryEvent): Effect.Effect<void, SqliteFailure> =>
  Effect.suspend(() => {
    const failure = answerOr<SqliteFailure | undefined, SqliteFailure>(
      () => {
        copy.all("BEGIN IMMEDIATE")
        const history = readHistory(copy)
        if (!(history instanceof HistoryError)) {
          addEventsColumn(copy, history)
          recordEvents(copy, history.rows, [note])
        }
        copy.all("COMMIT")
        return undefined
      },
      (failed) => failed
    )
    if (failure === undefined) return Effect.void
    return copy.run("ROLLBACK").pipe(
      // SQLite has rolled back by itself, or does so when the connection closes.
      Effect.ignore,
      Effect.zipRight(
        /^SQLITE_(ERROR|CONSTRAINT)/.test(failure.code)
          ? Effect.logWarning(
              `The history of the restored database does not say that it was restored: ${failure.message}`
            )
          : failure
      )
    )
  })

/** The same with a connection of its own. */
export const noteIn = (file: string, note: HistoryEvent): Effect.Effect<void, SqliteFailure> =>
  Effect.scoped(Effect.flatMap(openSqlite({ filename: file }), (copy) => writeNote(copy, note)))
