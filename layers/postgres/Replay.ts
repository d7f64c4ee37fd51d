/** What migrations make, seen in a schema of their own that is rolled back: nothing of it stays, and no other database is needed. */
import { randomUUID } from "node:crypto"
import type { SqlError } from "@effect/sql/SqlError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import pg from "pg"
import type { Migration } from "../start/MigrationSource.ts"
import { IntegrityError } from "./IntegrityError.ts"
import { runMigration } from "./MigrationRun.ts"
import { objectsOf, objectsStatement, type SchemaObject } from "./SchemaFingerprint.ts"
import type { Session } from "./Session.ts"
import type { UpgradeError } from "./UpgradeError.ts"

/** Ends the transaction with what it has made. */
class Replayed extends Data.TaggedError("Replayed")<{ readonly objects: ReadonlyArray<SchemaObject> }> {}

/** Needs the right to create schemas (42501 without it). */
export const replay = (
  session: Session,
  migrations: ReadonlyArray<Migration>
): Effect.Effect<ReadonlyArray<SchemaObject>, SqlError | IntegrityError> =>
  Effect.catchTag(replayed(session, migrations), "UpgradeError", ({ sentence }) => {
    const detail = `what differs is not known, because the migrations cannot be replayed: ${sentence}`
    return new IntegrityError({ reason: "SchemaDiffers", difference: undefined, detail, code: "", retryable: false })
  })

/** The same, failing with what the migration fails with. */
export const replayed = (
  { client, query, transactions }: Session,
  migrations: ReadonlyArray<Migration>
): Effect.Effect<ReadonlyArray<SchemaObject>, SqlError | UpgradeError> =>
  transactions
    .transaction()(
      Effect.gen(function* () {
        const schema = pg.escapeIdentifier(`database_ready_${randomUUID()}`)
        // A text that names a schema reaches the tables of others, who must not wait for a replay.
        yield* query(`SET LOCAL lock_timeout = 200; CREATE SCHEMA ${schema}`)
        for (const migration of migrations) {
          yield* query(`RESET ROLE; SET LOCAL search_path TO ${schema}`)
          yield* runMigration(query, client, migration)
        }
        yield* query(`RESET ROLE; SET LOCAL search_path TO ${schema}`)
        const objects = objectsOf(yield* query(objectsStatement))
        return yield* new Replayed({ objects })
      })
    )
    .pipe(Effect.catchTag("Replayed", ({ objects }) => Effect.succeed(objects)))
