/** Looks for rows that refer to missing rows. */
import * as Effect from "effect/Effect"
import { titleOf } from "../../start/MigrationSource.ts"
import { outcomeOf, type Steps } from "../edge.ts"
import { describeViolation, foreignKeyViolations } from "../PageCheck.ts"
import { type Row, type Sqlite, schemaVersionOf } from "../Sqlite.ts"
import type { Script } from "./MigrationRun.ts"
import { type SchemaObject, schemaStatement } from "./SchemaFingerprint.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"
import { notWritten } from "./UpgradeRoom.ts"
import { hasDeferred, mayDefer, mayRefer } from "./UpgradeRuns.ts"

/**
 * Looks for rows without their parent after each file that could leave some. With foreign keys on SQLite refuses them
 * at once, except for deferred keys, and for a table that loses the key that others refer to.
 *
 * The first and the last look are at all tables: rows that were wrong before are found whatever the files are, and
 * nothing is committed that was not seen. Between them only tables that a file made or changed are looked at, and those
 * that refer to them: each look at all rows blocks the event loop, and holds the write lock.
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
  let seen: ReadonlyArray<Row> | undefined
  return {
    *check(script: Script, isLast: boolean): Steps<void, UpgradeError> {
      const migration = titleOf(script.migration)
      hasKeys ||= mayRefer(script)
      isDeferred ||= mayDefer(script)
      if (!hasKeys && !isLast) return
      const version = yield* outcomeOf(() => schemaVersionOf(sqlite), notWritten(migration))
      const isSame = version === schema
      schema = version
      const isRefusedAtOnce = !isDeferred && script.migration.declared.foreignKeys === "on"
      if (isSame && isRefusedAtOnce && !isLast) return
      const before = seen
      seen = isLast ? undefined : yield* outcomeOf(() => sqlite.all(schemaStatement), notWritten(migration))
      const changed =
        before === undefined || seen === undefined || !isRefusedAtOnce ? undefined : changedTables(before, seen)
      if (changed?.length === 0) return
      yield* looking(script)
      const rows = yield* outcomeOf(
        () =>
          changed === undefined
            ? sqlite.all(`${foreignKeyViolations} LIMIT 100`)
            : sqlite.all(violationsAround(changed.length), changed),
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

/** Tables that were made, changed or dropped, or lost a unique index: that may be the key that others refer to. */
const changedTables = (before: ReadonlyArray<Row>, after: ReadonlyArray<Row>): ReadonlyArray<unknown> => {
  const gone = differing(before, after)
  const made = differing(after, before).filter(({ type }) => type === "table")
  const changed = [
    ...made,
    ...gone.filter(({ sql, type }) => type === "table" || /^create\s+unique/i.test(String(sql)))
  ]
  return [...new Set(changed.map((row) => row["tbl_name"]))]
}

/** The objects of a schema that another one does not have, or not so. */
const differing = (schema: ReadonlyArray<Row>, other: ReadonlyArray<Row>): ReadonlyArray<Row> => {
  const key = (row: Row) => `${row["type"]} ${row["name"]}`
  const definitions = new Map(other.map((row) => [key(row), row["sql"]]))
  return schema.filter((row) => definitions.get(key(row)) !== row["sql"])
}

/**
 * `foreignKeyViolations` of so many tables, whose names are its parameters, and of those that refer to one of them. Not
 * `json_each`: a database may have a table of that name.
 */
const violationsAround = (
  tables: number
): string => `WITH changed(name) AS (VALUES ${Array(tables).fill("(?)").join(", ")})
SELECT violation."table", violation.rowid, violation.parent
FROM sqlite_schema AS child, pragma_foreign_key_check(child.name, 'main') AS violation
WHERE child.type = 'table' AND (
  child.name COLLATE NOCASE IN (SELECT name FROM changed)
  OR EXISTS (
    SELECT 1 FROM pragma_foreign_key_list(child.name, 'main') AS reference
    WHERE reference."table" COLLATE NOCASE IN (SELECT name FROM changed)
  )
) LIMIT 100`
