import type { Migration } from "../../start/MigrationSource.ts"
import { type Script, scriptOf } from "./MigrationRun.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"

export const isRebuild = (migration: Migration | undefined): boolean => migration?.declared.foreignKeys === "off"

/**
 * The first pending files that want foreign keys in this state. A run ends after a file that drops a table while
 * references are deferred: only the commit tells what such a DROP broke. A table renamed into its place satisfies
 * `foreign_key_check`, but not SQLite's own count.
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

/** The commit resets it. Resetting it by hand would make SQLite forget its count. */
const setsDeferral = ({ migration: { body } }: Script): boolean =>
  body._tag === "Sql" && /defer_foreign_keys/i.test(body.text)

export const hasDeferred = (objects: ReadonlyArray<SchemaObject>): boolean =>
  objects.some(({ sql }) => /defer/i.test(sql))

/** An Effect has no text to search. */
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
