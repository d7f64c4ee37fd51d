/** Violations of foreign keys that no pending migration has made. */
import * as Effect from "effect/Effect"
import { IntegrityError } from "../IntegrityError.ts"
import { describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import type { Sqlite } from "../Sqlite.ts"

/** The step is rolled back: a violation that is still there is not the migrations' fault. */
export const requireForeignKeys = (sqlite: Sqlite): Effect.Effect<void, IntegrityError> =>
  sqlite.run(`${foreignKeyViolations} LIMIT 100`).pipe(
    Effect.mapError(IntegrityError.unreadable),
    Effect.flatMap((rows) =>
      rows.length === 0 ? Effect.void : IntegrityError.found("ForeignKeyViolations", rows.map(describeViolation))
    )
  )
