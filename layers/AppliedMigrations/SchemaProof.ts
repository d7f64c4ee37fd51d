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

/**
 * Compares the live schema with the one that the applied migrations make: by the fingerprint that was
 * kept with the newest of them, and by replaying them where it differs or was never kept. Fails with
 * `IntegrityError` where an object is missing or changed.
 */
export const proveSchema = (
  { ahead, applied, fingerprint }: Pick<Verdict, "ahead" | "applied" | "fingerprint">,
  live: ReadonlyArray<SchemaObject>
): Effect.Effect<SchemaState, IntegrityError> => {
  const found = fingerprintOf(live)
  if (found === fingerprint) return Effect.succeed({ fingerprint: found, extra: [] })
  if (ahead.length === 0) return compareWithReplay(applied, live)
  return Effect.fail(
    IntegrityError.found("SchemaDiffers", [
      `it is not as the newer program left it, whose migrations ${ahead.join(", ")} are not here to compare with`
    ])
  )
}

const compareWithReplay = Effect.fnUntraced(function* (
  applied: ReadonlyArray<Migration>,
  live: ReadonlyArray<SchemaObject>
) {
  const expected = applied.length === 0 ? [] : yield* replay(applied)
  const difference = differenceOf(expected, live)
  if (!isAccepted(difference)) return yield* IntegrityError.schemaDiffers(difference)
  return { fingerprint: fingerprintOf(withoutExtra(expected, live)), extra: difference.extra }
})

/** The objects that migrations make on their own, in a database in memory. */
const replay = (migrations: ReadonlyArray<Migration>): Effect.Effect<ReadonlyArray<SchemaObject>, IntegrityError> =>
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
