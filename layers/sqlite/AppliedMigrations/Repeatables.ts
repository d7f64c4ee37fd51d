/**
 * Repeatable migrations, `R__name.sql`: views and triggers that are made again whenever their text changes.
 *
 * - A numbered migration never sees what they make. A start with numbered migrations to apply first drops all that they
 *   made, in the same transaction, and makes all of them at its end. So a trigger fires in no numbered migration, a view
 *   hinders no ALTER TABLE, and what a list means does not depend on how many were pending at once.
 * - If one text changes, all are made again, in the order of their names: as in a new database.
 * - They make only views and triggers. Neither holds rows, so nothing can be lost, and a change of them alone needs no
 *   backup.
 * - The newest row of the history keeps their checksums, and what SQLite made of them. Every start compares that with
 *   the live schema, apart from the fingerprint of the numbered migrations.
 */
import { countMade } from "../../schema/RepeatableRules.ts"
import { identifier, type Statement } from "../../schema/SqlScript.ts"
import { type Migration, titleOf } from "../../start/MigrationSource.ts"
import { answerOr, type Sqlite, type SqliteFailure } from "../Sqlite.ts"
import { cureOf } from "./Cures.ts"
import { historyTable } from "./historyTable.ts"
import { scriptOf } from "./MigrationRun.ts"
import type { RepeatableVerdict } from "./RepeatableJudgement.ts"
import { divideRepeated, type Recorded, type RecordedRepeatable, writeRecord } from "./RepeatableRecord.ts"
import { objectsOf, type SchemaObject, schemaStatement, titleOf as titleOfObject } from "./SchemaFingerprint.ts"
import { type UpgradeError, upgradeError } from "./UpgradeError.ts"

/**
 * Drops what repeatable migrations made. Gives the triggers of others on their views, which SQLite drops with the view
 * (https://sqlite.org/lang_dropview.html does not say so; `sqlite3DropTable` in build.c does it). Throws `SqliteFailure`.
 */
export const dropRepeated = (
  { all }: Sqlite,
  { isDue, recorded }: RepeatableVerdict,
  live: ReadonlyArray<SchemaObject>
): ReadonlyArray<SchemaObject> => {
  if (!isDue) return recorded.ofOthers
  const { others, repeated } = divideRepeated(recorded, live)
  const isView = new Set(repeated.filter(({ type }) => type === "view").map(({ name }) => name))
  for (const { name, type } of [...repeated].sort((one, other) =>
    one.type < other.type ? -1 : one.type > other.type ? 1 : 0
  )) {
    all(`DROP ${type} main.${identifier(name)}`)
  }
  return [...recorded.ofOthers, ...others.filter(({ table, type }) => type === "trigger" && isView.has(table))]
}

/**
 * Makes all repeatable migrations, and then again the triggers that others have on their views. `orElse` decides what a
 * statement that SQLite refuses means.
 */
export const makeRepeatables = <E extends Error>(
  sqlite: Sqlite,
  { own, recorded }: RepeatableVerdict,
  ofOthers: ReadonlyArray<SchemaObject>,
  orElse: (failure: SqliteFailure, refuse: () => UpgradeError) => UpgradeError | E
): Recorded | UpgradeError | E => {
  const known = new Map(recorded.files.map((file) => [file.name, file]))
  const look = () =>
    answerOr(
      () => objectsOf(sqlite.all(schemaStatement)),
      (failure) =>
        orElse(failure, () => upgradeError("NotWritten", { migration: own.map(titleOf).join(", "), failure }))
    )
  const run = (sql: string, refuse: (failure: SqliteFailure) => UpgradeError) =>
    answerOr(
      () => {
        sqlite.all(sql)
        return undefined
      },
      (failure) => orElse(failure, () => refuse(failure))
    )
  const files: Array<RecordedRepeatable> = []
  let before = look()
  if (before instanceof Error) return before
  for (const migration of own) {
    const { statements } = scriptOf(migration)
    for (const statement of statements) {
      const refused = run(statement.text, (failure) => {
        const cure = cureFor(sqlite, statement, failure)
        return upgradeError("StatementFailed", { migration: titleOf(migration), statement, failure, cure })
      })
      if (refused !== undefined) return refused
    }
    const after = look()
    if (after instanceof Error) return after
    const objects = onlyMade(migration, { before, after, count: countMade(statements) })
    if (objects instanceof Error) return objects
    const { checksum, declared, name } = migration
    const former = known.get(name)
    files.push({
      name,
      checksum,
      compatibleFrom: declared.compatibleFrom ?? Number.NaN,
      former:
        former === undefined ? [] : [...new Set([...former.former, former.checksum])].filter((one) => one !== checksum),
      objects
    })
    before = after
  }
  for (const object of ofOthers) {
    const refused = run(object.sql, ({ detail }) =>
      upgradeError("SchemaBroken", {
        migration: own.map(titleOf).join(", "),
        detail: `trigger ${object.name} of ${object.table}, which no migration made (${detail})`,
        cure: "Drop that trigger by hand, or change it to fit the view."
      })
    )
    if (refused !== undefined) return refused
  }
  return { areMade: true, files, ofOthers: [] }
}

/** A DROP in the file must not reach what others made; a CREATE must have made something here. */
const onlyMade = (
  migration: Migration,
  seen: {
    readonly before: ReadonlyArray<SchemaObject>
    readonly after: ReadonlyArray<SchemaObject>
    readonly count: number
  }
): ReadonlyArray<SchemaObject> | UpgradeError => {
  const now = new Set(seen.after.map(keyOf))
  const then = new Set(seen.before.map(keyOf))
  const gone = seen.before.filter((object) => !now.has(keyOf(object)))
  const made = seen.after.filter((object) => !then.has(keyOf(object)))
  const refuse = (detail: string, cure: string) =>
    upgradeError("NotAllowed", { migration: titleOf(migration), detail, cure })
  if (gone.length > 0) {
    return refuse(
      `it drops ${gone.map(titleOfObject).join(", ")}, which another migration or somebody by hand made`,
      "Drop it in a new numbered migration. What this file made before is dropped by the library."
    )
  }
  return made.length === seen.count
    ? made
    : refuse(
        `it has ${seen.count} CREATE statements, and made ${made.length} views and triggers`,
        "Remove `IF NOT EXISTS` and `temp.`, and make each object once. What the file made before is dropped by the library."
      )
}

const keyOf = (object: SchemaObject): string => `${object.type}\0${object.name}\0${object.table}\0${object.sql}`

const cureFor = (sqlite: Sqlite, { text }: Statement, failure: SqliteFailure): string | undefined => {
  if (/already exists$/.test(failure.detail)) {
    return "Another migration, or somebody by hand, made it. Drop it in a new numbered migration, or give this one another name."
  }
  return /^no such (?:view|trigger)/.test(failure.detail)
    ? "Write DROP with `IF EXISTS`: what the file made before is dropped by the library."
    : cureOf(sqlite, text, failure)
}

/** Records them with the newest numbered migration. `former` and checksums stay where the objects are dropped. */
export const recordRepeatables = ({ all }: Sqlite, { id }: Migration, recorded: Recorded): void => {
  all(`UPDATE ${historyTable} SET repeatables = NULL WHERE repeatables IS NOT NULL`)
  all(`UPDATE ${historyTable} SET repeatables = ? WHERE CAST(version AS INTEGER) = ?`, [writeRecord(recorded), id])
}

/** Until the upgrade's last transaction. */
export const withoutObjects = ({ files }: Recorded, ofOthers: ReadonlyArray<SchemaObject>): Recorded => ({
  areMade: false,
  ofOthers,
  files: files.map((file) => ({ ...file, objects: [] }))
})
