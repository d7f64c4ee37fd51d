/** A checked copy of a database that is in use. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { NewFile } from "../machine/newFile.ts"
import type { Attempt } from "../start/Attempt.ts"
import { copyDatabase, refuseEmptyCopy } from "./DatabaseCopy.ts"
import { proveCopy } from "./PageCheck.ts"
import { openSqlite } from "./Sqlite.ts"

interface Online {
  /**
   * Whether the state of one moment is held while it is copied. Without that SQLite begins again at each commit of
   * others (https://sqlite.org/backup.html).
   */
  readonly isHeld: boolean
  /** Run when the source is open, until it is closed. */
  readonly opened?: Effect.Effect<unknown, never, Scope.Scope>
  /** False lets the last connection remove the files beside a database in WAL mode. */
  readonly readonly?: boolean
  /** Instead of those of the database. */
  readonly permissions?: NewFile
  readonly progress?: Attempt["progress"]
}

/** Copies into a new file, flushes it and checks its pages. What it leaves when it fails is the caller's to delete. */
export const copyOnline = (
  file: string,
  partial: string,
  { isHeld, opened = Effect.void, permissions, progress, readonly = true }: Online
) =>
  Effect.scoped(
    Effect.gen(function* () {
      const source = yield* openSqlite({ filename: file, readonly })
      yield* opened
      if (!readonly) yield* source.run("PRAGMA query_only = 1")
      if (isHeld) yield* Effect.zipRight(source.run("BEGIN"), source.run("SELECT 1 FROM sqlite_schema LIMIT 1"))
      yield* copyDatabase(file, partial, { source, permissions })
    })
  ).pipe(Effect.zipRight(proveCopy(partial, progress)), Effect.zipRight(refuseEmptyCopy(partial)))
