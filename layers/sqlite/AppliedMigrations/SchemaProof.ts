/** Proves that the live schema is the one that its migrations make. */
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type { Scope } from "effect/Scope"
import { foldName, mentions } from "../../schema/SqlScript.ts"
import type { Attempt } from "../../start/Attempt.ts"
import type { Migration, SqlText } from "../../start/MigrationSource.ts"
import { atEdge, verdictOf } from "../edge.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { SharedLooks } from "../SharedLooks.ts"
import { openSqlite, type Sqlite, type SqliteFailure } from "../Sqlite.ts"
import { transactionsOn } from "../Transactions.ts"
import type { Verdict } from "./HistoryJudgement.ts"
import { dropTemporary, runMigration, type Script, scriptOf } from "./MigrationRun.ts"
import { objectsOf, type SchemaObject, schemaStatement, titleOf, withoutExtra } from "./SchemaFingerprint.ts"
import { compareSchemas, judgeSchema, type SchemaState } from "./SchemaJudgement.ts"
import { tellWork } from "./StatementProgress.ts"
import type { UpgradeError } from "./UpgradeError.ts"

/** The objects that the migrations make in an empty database. */
export type Made = Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>

/** `judgeSchema`, with a replay where it takes one: an `Exit` where it does not. Fails with `IntegrityError`. */
export const proveSchema = (
  verdict: Pick<Verdict, "ahead" | "fingerprint" | "ours" | "repeatables">,
  live: ReadonlyArray<SchemaObject>,
  made: Made
): Effect.Effect<SchemaState, IntegrityError> => {
  const judged = judgeSchema(verdict, live)
  return typeof judged === "function"
    ? Effect.flatMap(made, (expected) => verdictOf(judged(expected)))
    : verdictOf(judged)
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
    return Effect.flatMap(made, (expected) =>
      Effect.as(verdictOf(compareSchemas(expected, now)), withoutExtra(expected, now))
    )
  }
  return Effect.succeed(now.filter((object) => !isExtra.has(titleOf(object))))
}

/** A start that waits asks this of every object at each attempt, so each text is folded once. */
export const maySpeakOf = ({ migration: { body } }: Script, name: string): boolean => {
  if (body._tag === "Effect") return true
  const wanted = foldName(name)
  // A quote within a name is doubled in the text, so that the name alone does not occur there.
  return foldedText(body).includes(wanted) || (/["'`]/.test(name) && mentions(body.text, wanted))
}

const foldedText = (body: SqlText): string => {
  const folded = foldedTexts.get(body) ?? foldName(body.text)
  foldedTexts.set(body, folded)
  return folded
}

const foldedTexts = new WeakMap<SqlText, string>()

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

const replay = (migrations: ReadonlyArray<Migration>, progress?: Attempt["progress"]): Made =>
  replayInMemory(migrations, progress).pipe(
    Effect.flatMap((sqlite) => Effect.map(sqlite.run(schemaStatement), objectsOf)),
    Effect.scoped,
    Effect.mapError((error) =>
      IntegrityError.found("SchemaDiffers", [
        `the fingerprint differs, and replaying the migrations to find the difference failed: ${error._tag === "SqliteFailure" ? error.detail : error.sentence}`
      ])
    )
  )

/** A database in memory in which the migrations have run. It is closed with the scope. */
export const replayInMemory = (
  migrations: ReadonlyArray<Migration>,
  progress: Attempt["progress"] = () => Effect.void
): Effect.Effect<Sqlite, SqliteFailure | UpgradeError, Scope> =>
  Effect.gen(function* () {
    const opened = yield* openSqlite({ filename: ":memory:" })
    const sqlite = { ...opened, ...transactionsOn(opened.database, {}) }
    // There are no rows to protect, and a table rebuild needs them off.
    yield* sqlite.run("PRAGMA foreign_keys = 0")
    const tellers = tellWork(progress, 0, yield* Effect.clock)
    for (const script of migrations.map(scriptOf)) {
      yield* runMigration(sqlite, script, tellers.statementsOf(script, "replaying in memory").begins)
      yield* atEdge(() => dropTemporary(sqlite), identity)
      // Of all that a file can set, only this changes what a later RENAME makes of the schema.
      yield* sqlite.run("PRAGMA legacy_alter_table = 0")
    }
    return sqlite
  })
