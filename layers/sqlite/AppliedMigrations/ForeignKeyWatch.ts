/** Looks for rows that refer to missing rows. */
import * as Effect from "effect/Effect"
import { titleOf } from "../../start/MigrationSource.ts"
import { outcomeOf, type Steps } from "../edge.ts"
import { describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import { type Sqlite, schemaVersionOf } from "../Sqlite.ts"
import type { Script } from "./MigrationRun.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"
import { notWritten } from "./UpgradeRoom.ts"
import { hasDeferred, mayDefer, mayRefer } from "./UpgradeRuns.ts"

/**
 * Looks for rows without their parent after each file that could leave some. With foreign keys on SQLite refuses them
 * at once, except for deferred keys, and for a table that loses the key that others refer to.
 */
export const foreignKeyWatch = (
  sqlite: Sqlite,
  objects: ReadonlyArray<SchemaObject>,
  /** Runs before the rows are checked. */
  looking: (script: Script) => Effect.Effect<void> = () => Effect.void
) => {
  let hasKeys = objects.some(({ sql }) => /references/i.test(sql))
  let isDeferred = hasDeferred(objects)
  let schema = Number.NaN
  return {
    *check(script: Script, isLast: boolean): Steps<void, UpgradeError> {
      const migration = titleOf(script.migration)
      hasKeys ||= mayRefer(script)
      isDeferred ||= mayDefer(script)
      if (!hasKeys && !isLast) return
      const version = yield* outcomeOf(() => schemaVersionOf(sqlite), notWritten(migration))
      const isSame = version === schema
      schema = version
      if (isSame && !isDeferred && !isLast && script.migration.declared.foreignKeys === "on") return
      yield* looking(script)
      const rows = yield* outcomeOf(
        () => sqlite.all(`${foreignKeyViolations} LIMIT 100`),
        (failure) =>
          failure.code === "SQLITE_ERROR"
            ? upgradeError("ForeignKeyMismatch", { migration, detail: failure.detail })
            : notWritten(migration)(failure)
      )
      if (rows.length > 0) {
        const detail = rows.slice(0, 3).map(describeViolation).join("; ")
        return yield* upgradeError("ForeignKeyViolations", { migration, detail })
      }
    }
  }
}
