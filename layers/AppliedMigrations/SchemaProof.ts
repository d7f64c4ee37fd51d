/** The proof that a live schema is the one that its migrations make. */
import * as Effect from "effect/Effect"
import { IntegrityError } from "../IntegrityError.ts"
import { openSqlite } from "../seams.ts"
import type { Verdict } from "./MigrationHistory.ts"
import { runMigration, scriptOf } from "./MigrationRun.ts"
import type { Migration } from "./MigrationSource.ts"
import {
  differenceOf,
  fingerprintOf,
  isAccepted,
  objectsOf,
  type SchemaObject,
  schemaStatement,
  withoutExtra
} from "./SchemaFingerprint.ts"

/** How the live schema relates to the one that the migrations make. */
export interface SchemaState {
  /** SHA-256 of the schema's objects, without those that no migration made. */
  readonly fingerprint: string
  /** Objects that no migration made. */
  readonly extra: ReadonlyArray<string>
}

/** The objects that migrations make on their own. */
export type Made = Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError>

/**
 * Compares the live schema with the one that the applied migrations make: by the fingerprint that was
 * kept with the newest of them, and with what they make where it differs or was never kept. Fails with
 * `IntegrityError` where an object is missing or changed.
 */
export const proveSchema = (
  { ahead, fingerprint }: Pick<Verdict, "ahead" | "fingerprint">,
  live: ReadonlyArray<SchemaObject>,
  made: Made
): Effect.Effect<SchemaState, IntegrityError> => {
  const found = fingerprintOf(live)
  if (found === fingerprint) return Effect.succeed({ fingerprint: found, extra: [] })
  if (ahead.length === 0) return Effect.flatMap(made, (expected) => compared(expected, live))
  return Effect.fail(
    IntegrityError.found("SchemaDiffers", [
      `it is not as the newer program left it, whose migrations ${ahead.join(", ")} are not here to compare with`
    ])
  )
}

const compared = (
  expected: ReadonlyArray<SchemaObject>,
  live: ReadonlyArray<SchemaObject>
): Effect.Effect<SchemaState, IntegrityError> => {
  const difference = differenceOf(expected, live)
  return isAccepted(difference)
    ? Effect.succeed({ fingerprint: fingerprintOf(withoutExtra(expected, live)), extra: difference.extra })
    : Effect.fail(IntegrityError.schemaDiffers(difference))
}

/** Replays migrations in a database in memory. */
export const madeBy = (migrations: ReadonlyArray<Migration>): Made =>
  migrations.length === 0 ? Effect.succeed([]) : replay(migrations)

/** Replays them once: with an object more in the file, every look has to compare. */
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

const replay = (migrations: ReadonlyArray<Migration>): Made =>
  Effect.gen(function* () {
    const sqlite = yield* openSqlite({ filename: ":memory:" })
    // No rows of anybody are in it, and a table rebuild counts on them being off.
    yield* sqlite.run("PRAGMA foreign_keys = 0")
    yield* Effect.forEach(migrations, (migration) => runMigration(sqlite, scriptOf(migration), Effect.void), {
      discard: true
    })
    return objectsOf(yield* sqlite.run(schemaStatement))
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      IntegrityError.found("SchemaDiffers", [
        `the fingerprint differs, and replaying the migrations to find out where failed: ${error.message}`
      ])
    )
  )
