/** Proves that the live schema is the one that its migrations make. */
import * as Effect from "effect/Effect"
import { foldName, mentions } from "../../schema/SqlScript.ts"
import type { Attempt } from "../../start/Attempt.ts"
import type { Migration } from "../../start/MigrationSource.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { SharedLooks } from "../SharedLooks.ts"
import { openSqlite } from "../Sqlite.ts"
import { transactionsOn } from "../Transactions.ts"
import type { Verdict } from "./HistoryJudgement.ts"
import { dropTemporary, runMigration, type Script, scriptOf } from "./MigrationRun.ts"
import { divideRepeated } from "./RepeatableRecord.ts"
import {
  differenceOf,
  divideBy,
  fingerprintOf,
  isAccepted,
  joinFingerprints,
  namesIn,
  objectsOf,
  type SchemaObject,
  schemaStatement,
  titleOf,
  withoutExtra
} from "./SchemaFingerprint.ts"
import { tellWork } from "./StatementProgress.ts"

/** How the live schema relates to the one that the migrations make. */
export interface SchemaState {
  /** SHA-256 of the schema's objects, without those that no migration made. */
  readonly fingerprint: string
  /** Objects that no migration made. */
  readonly extra: ReadonlyArray<string>
}

/** The objects that the migrations make in an empty database. */
export type Made = Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>

/**
 * Compares the live schema with the one that the applied migrations make. First by the fingerprint that was kept with
 * the newest of them; if it differs or was never kept, by replaying them. Objects that others added need no replay if
 * the names of ours were kept. What repeatable migrations made is compared with what the history keeps of it. Fails with
 * `IntegrityError` if an object is missing or changed.
 */
export const proveSchema = (
  verdict: Pick<Verdict, "ahead" | "fingerprint" | "ours" | "repeatables">,
  live: ReadonlyArray<SchemaObject>,
  made: Made
): Effect.Effect<SchemaState, IntegrityError> => {
  const { recorded } = verdict.repeatables
  const { expected, others, repeated } = divideRepeated(recorded, live)
  const difference = differenceOf(expected, repeated)
  if (recorded.areMade && !isAccepted(difference)) return Effect.fail(IntegrityError.schemaDiffers(difference))
  return Effect.map(proveNumbered(verdict, others, made), ({ extra, fingerprint }) => ({
    extra,
    fingerprint: joinFingerprints(fingerprint, repeated)
  }))
}

const proveNumbered = (
  { ahead, fingerprint, ours }: Pick<Verdict, "ahead" | "fingerprint" | "ours">,
  live: ReadonlyArray<SchemaObject>,
  made: Made
): Effect.Effect<SchemaState, IntegrityError> => {
  const found = fingerprintOf(live)
  if (found === fingerprint) return Effect.succeed({ fingerprint: found, extra: [] })
  const known = ours === undefined ? undefined : divideBy(namesIn(ours), live)
  if (known !== undefined && fingerprintOf(known.ours) === fingerprint) {
    return Effect.succeed({ fingerprint, extra: known.extra.map(titleOf) })
  }
  if (ahead.length === 0) return Effect.flatMap(made, (expected) => compareSchemas(expected, live))
  return Effect.fail(
    IntegrityError.found("SchemaDiffers", [
      `it is not as the newer program left it; its migrations ${ahead.join(", ")} are not here to compare with`
    ])
  )
}

/** The state before some migrations, and all objects at that time. */
interface Before {
  readonly before: SchemaState
  readonly live: ReadonlyArray<SchemaObject>
}

/**
 * The objects that are ours after migrations ran. New objects are ours. An object of others stays theirs, unless a
 * migration mentions its name or is an Effect: then only a replay can tell.
 */
export const schemaAfter = (
  { before, live }: Before,
  scripts: ReadonlyArray<Script>,
  now: ReadonlyArray<SchemaObject>,
  adopted: number,
  made: Made
): Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError> => {
  if (before.extra.length === 0 && adopted === 0) return Effect.succeed(now)
  const isExtra = new Set(before.extra)
  const extra = live.filter((object) => isExtra.has(titleOf(object)))
  if (adopted > 0 || scripts.some((script) => extra.some(({ name }) => maySpeakOf(script, name)))) {
    return Effect.flatMap(made, (expected) => Effect.as(compareSchemas(expected, now), withoutExtra(expected, now)))
  }
  return Effect.succeed(now.filter((object) => !isExtra.has(titleOf(object))))
}

/** A quote within a name is doubled in the text, so that the name alone does not occur there. */
export const maySpeakOf = ({ migration: { body } }: Script, name: string): boolean =>
  body._tag === "Effect" || foldName(body.text).includes(foldName(name)) || mentions(body.text, foldName(name))

const compareSchemas = (
  expected: ReadonlyArray<SchemaObject>,
  live: ReadonlyArray<SchemaObject>
): Effect.Effect<SchemaState, IntegrityError> => {
  const difference = differenceOf(expected, live)
  return isAccepted(difference)
    ? Effect.succeed({ fingerprint: fingerprintOf(withoutExtra(expected, live)), extra: difference.extra })
    : Effect.fail(IntegrityError.schemaDiffers(difference))
}

/** Replays migrations in a database in memory, at each use; once for all databases of a fleet. */
export const madeBy = (migrations: ReadonlyArray<Migration>, progress?: Attempt["progress"]): Made =>
  migrations.length === 0
    ? Effect.succeed([])
    : Effect.flatMap(SharedLooks, ({ replayed }) => replayed(migrations, replay(migrations, progress)))

/** Replays them once: if the file has an extra object, every look compares. */
export const madeOnceBy = (migrations: ReadonlyArray<Migration>): Made => {
  let made: ReadonlyArray<SchemaObject> | undefined
  return Effect.suspend(() =>
    made === undefined
      ? Effect.tap(madeBy(migrations), (objects) =>
          Effect.sync(() => {
            made = objects
          })
        )
      : Effect.succeed(made)
  )
}

const replay = (migrations: ReadonlyArray<Migration>, progress: Attempt["progress"] = () => Effect.void): Made =>
  Effect.gen(function* () {
    const opened = yield* openSqlite({ filename: ":memory:" })
    const sqlite = { ...opened, ...transactionsOn(opened.database, {}) }
    // There are no rows to protect, and a table rebuild needs them off.
    yield* sqlite.run("PRAGMA foreign_keys = 0")
    const tellers = tellWork(progress, 0, yield* Effect.clock)
    for (const script of migrations.map(scriptOf)) {
      yield* runMigration(sqlite, script, Effect.void, tellers.statementsOf(script, "replaying in memory").begins)
      yield* dropTemporary(sqlite)
      // Of all that a file can set, only this changes what a later RENAME makes of the schema.
      yield* sqlite.run("PRAGMA legacy_alter_table = 0")
    }
    return objectsOf(yield* sqlite.run(schemaStatement))
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      IntegrityError.found("SchemaDiffers", [
        `the fingerprint differs, and replaying the migrations to find the difference failed: ${error._tag === "SqliteFailure" ? error.detail : error.sentence}`
      ])
    )
  )
