/** A look at every page of a file that nobody writes to. */
import * as Effect from "effect/Effect"
import { IntegrityError } from "./IntegrityError.ts"
import { openSqlite, text } from "./seams.ts"

/** A damaged copy is no backup, and a damaged database no ground for an upgrade. */
export const checkCopy = (copy: string): Effect.Effect<void, IntegrityError> =>
  openSqlite({ filename: copy, readonly: true }).pipe(
    Effect.flatMap((sqlite) => sqlite.run("PRAGMA quick_check(100)")),
    Effect.scoped,
    Effect.mapError(IntegrityError.unreadable),
    Effect.map((findings) => findings.map((row) => text(row, "quick_check"))),
    Effect.filterOrFail(
      (lines) => lines.length === 1 && lines[0] === "ok",
      (lines) => IntegrityError.found("DamagedPages", lines)
    ),
    Effect.asVoid
  )
