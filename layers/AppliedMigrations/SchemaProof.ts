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
  { applied, fingerprint }: Pick<Verdict, "applied" | "fingerprint">,
  live: ReadonlyArray<SchemaObject>
): Effect.Effect<SchemaState, IntegrityError> => {
  const found = fingerprintOf(live)
  return found === fingerprint ? Effect.succeed({ fingerprint: found, extra: [] }) : compareWithReplay(applied, live)
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
