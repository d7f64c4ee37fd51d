import type { Migration } from "../../start/MigrationSource.ts"
import { type Script, scriptOf } from "./MigrationRun.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"

export const isRebuild = (migration: Migration | undefined): boolean => migration?.declared.foreignKeys === "off"

/**
 * The first of the pending files, as far as they want foreign keys as they are. A file that drops a table where
 * references are deferred is the last one: what such a DROP leaves broken nothing tells but the commit, for a table
 * that is renamed into its place satisfies `foreign_key_check` and not SQLite's own count.
 */
export const runOf = (
  pending: ReadonlyArray<Migration>,
  objects: ReadonlyArray<SchemaObject>,
  isOff: boolean
): ReadonlyArray<Script> => {
  const run: Array<Script> = []
  let isDeferred = hasDeferred(objects)
  for (const migration of pending) {
    if (isRebuild(migration) !== isOff) break
    const script = scriptOf(migration)
    run.push(script)
    isDeferred ||= mayDefer(script)
    if (!isOff && ((isDeferred && mayDrop(script)) || setsDeferral(script))) break
  }
  return run
}

/** The commit sets it back. To set it back by hand would make SQLite forget what it has counted. */
const setsDeferral = ({ migration: { body } }: Script): boolean =>
  body._tag === "Sql" && /defer_foreign_keys/i.test(body.text)

export const hasDeferred = (objects: ReadonlyArray<SchemaObject>): boolean =>
  objects.some(({ sql }) => /defer/i.test(sql))

/** An Effect has no text to look into. */
const says =
  (pattern: RegExp) =>
  ({ migration: { body } }: Script): boolean =>
    body._tag === "Effect" || pattern.test(body.text)
export const maySetPragmas = says(/pragma/i)
export const mayLeaveTemporary = says(/temp/i)
export const mayReadCounters = says(/last_insert_rowid|changes/i)
export const mayReadHistory = says(/schema_migrations|user_version/i)
export const mayDefer = says(/defer/i)
const mayDrop = says(/drop/i)
export const mayRefer = says(/references/i)
