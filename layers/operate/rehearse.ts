/** The upgrade of a database on a copy of it, which is thrown away. */
import { dirname, resolve } from "node:path"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { millisBetween } from "../machine/monotonic.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import {
  differenceOf,
  objectsOf,
  type SchemaObject,
  schemaStatement,
  titleOf
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { AppliedMigrations, nothingDone } from "../sqlite/AppliedMigrations.ts"
import { isNoSpace } from "../sqlite/BackupError.ts"
import { CheckedIntegrity, type IntegrityReport } from "../sqlite/CheckedIntegrity.ts"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { DatabaseDirectory } from "../sqlite/DatabaseDirectory.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { withOnOpen } from "../sqlite/OnOpen.ts"
import { bytesOf } from "../sqlite/PageCheck.ts"
import { soundDriver } from "../sqlite/SoundDriver.ts"
import { isLock, type SqliteFailure } from "../sqlite/Sqlite.ts"
import { SqliteConnection } from "../sqlite/SqliteConnection.ts"
import type { LayerOptions } from "../sqlite/startInLayer.ts"
import { VerifiedPragmas } from "../sqlite/VerifiedPragmas.ts"
import { MigrationSource, type OrderedMigrations } from "../start/MigrationSource.ts"
import type { Refusal } from "../start/Refusal.ts"
import { RehearsalError } from "../start/RehearsalError.ts"
import { copyPlace, copyTo } from "./CopyPlace.ts"

/** What a rehearsal takes: what a start takes, and a place for the copy. */
export interface RehearsalOptions<R> extends LayerOptions<R> {
  /** An existing directory for the copy, which needs the size of the database, and as much again for the upgrade. Default: that of the database. */
  readonly directory?: string | undefined
}

/** A migration as it ran on the copy. */
export interface RehearsedMigration {
  /** The number as it is written, e.g. `001`. */
  readonly version: string
  /** The rest of the file's name, e.g. `add_owner`. */
  readonly name: string
  /** Milliseconds that it took, with the counting of rows before and after it. */
  readonly executionTimeMs: number
  /** Rows that it inserted, changed or deleted, with those of triggers and cascades. A DROP TABLE counts none. */
  readonly changedRows: number
}

/** How the upgrade changes the schema. */
export interface SchemaChange {
  /** Objects that were not there before. */
  readonly added: ReadonlyArray<RehearsedObject>
  /** Objects whose SQL is another one. */
  readonly changed: ReadonlyArray<
    RehearsedObject & {
      /** The SQL before. */
      readonly before: string
    }
  >
  /** Objects that are gone, with the SQL that they had. */
  readonly removed: ReadonlyArray<RehearsedObject>
}

/** An object of the schema. */
export interface RehearsedObject {
  /** Type and name: `table owners`. */
  readonly object: string
  /** Its SQL; "" for an index that SQLite makes by itself. */
  readonly sql: string
}

/** What the upgrade did on the copy. Times in milliseconds. */
export interface Rehearsal {
  /** Tells it from a refusal. */
  readonly status: "rehearsed"
  /** Absolute path of the database. It was not changed. */
  readonly database: string
  /** Where the copy was. It is gone. */
  readonly directory: string
  /** Bytes of the copy. */
  readonly bytes: number
  /** Milliseconds that it took to copy: a backup takes about as long. */
  readonly copyMs: number
  /** The newest version after the upgrade. */
  readonly schemaVersion: string | undefined
  /** The migrations that were applied, in their order. */
  readonly applied: ReadonlyArray<RehearsedMigration>
  /** Repeatable migrations that were made, as `R__name`. */
  readonly repeated: ReadonlyArray<string>
  /** Rows of the system before this library that were taken over, as `NNN_name`. */
  readonly adopted: ReadonlyArray<string>
  /** Milliseconds of each transaction: for so long the write lock would be held, and every other writer waits. */
  readonly lockedMs: ReadonlyArray<number>
  /** How the schema changes. */
  readonly schema: SchemaChange
  /** What the check of the copy afterwards looked at. It found nothing wrong. */
  readonly integrity: IntegrityReport
  /** What a rehearsal cannot show, as sentences. */
  readonly notRehearsed: ReadonlyArray<string>
}

/**
 * Copies a database, does with the copy what a start would do, and throws the copy away, however it ends. The copy holds
 * one moment, also while others write, and only its owner can read it. The next rehearsal removes what a killed one
 * left. Only one runs at a time for a database and directory.
 *
 * Fails with what the start would be refused with, or with `RehearsalError` where no copy can be made. Migrations that are
 * Effects run too: what they do outside the database really happens.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { rehearsalLines, rehearseUpgrade } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const program = rehearseUpgrade({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(
 *   Effect.flatMap((rehearsal) => Console.log(rehearsalLines(rehearsal).join("\n"))),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const rehearseUpgrade = <R = never>(
  options: RehearsalOptions<R>
): Effect.Effect<Rehearsal, InitializationError | RehearsalError, FileSystem.FileSystem | Path.Path | R> =>
  Effect.flatMap(MigrationSource.make(options.migrations), (source) => Effect.scoped(rehearse(options, source))).pipe(
    withOnOpen(options.onOpen),
    Effect.mapError((error) => ofOriginal(absoluteName(options.filename), error))
  )

const rehearse = Effect.fnUntraced(function* (
  options: Omit<RehearsalOptions<never>, "migrations">,
  source: OrderedMigrations
) {
  const config = DatabaseConfig.from({ ...options, access: "inspect" })
  if (config.inMemory) {
    return yield* new RehearsalError({ reason: "NoFile", directory: "", detail: "", code: "", retryable: false })
  }
  yield* soundDriver(config.filename)
  const looking = yield* Initialization.make(config)
  const found = yield* DatabaseDirectory.make(config, looking)
  const directory = options.directory === undefined ? dirname(found.file) : resolve(options.directory)
  const orRefuse = Effect.mapError(notCopied(directory))
  const outer = yield* Effect.scope
  const clock = yield* Effect.clock
  // The original is open only while it is copied: longer, it would keep the WAL from starting over.
  const { copy, copyMs } = yield* Effect.scoped(
    Effect.gen(function* () {
      const original = yield* SqliteConnection.make(config, looking, found)
      const copy = yield* orRefuse(Scope.extend(copyPlace(original.file, directory, "rehearsal"), outer))
      const begun = clock.unsafeCurrentTimeNanos()
      yield* orRefuse(copyTo(copy, original, config))
      return { copy, copyMs: Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos())) }
    })
  )

  const onCopy = DatabaseConfig.from({ ...options, filename: copy, permissions: "owner", backups: 0 })
  const start = yield* Initialization.make(onCopy)
  const there = yield* DatabaseDirectory.make(onCopy, start)
  const connection = yield* SqliteConnection.make(onCopy, start, there)
  const { sqlite } = connection
  const objects = Effect.catchAll(Effect.map(sqlite.run(schemaStatement), objectsOf), historyFailure)
  const before = yield* objects
  const bytes = yield* bytesOf(sqlite)
  const pragmas = yield* VerifiedPragmas.make(onCopy, start, connection)
  const done = nothingDone()
  const migrations = yield* AppliedMigrations.make(onCopy, start, source, connection, pragmas, done)
  const after = yield* objects
  const integrity = yield* CheckedIntegrity.make(onCopy, start, connection, migrations)
  const hasEffect = done.completed.some(({ migration }) => migration.body._tag === "Effect")
  const rehearsal: Rehearsal = {
    status: "rehearsed",
    database: found.file,
    directory,
    bytes,
    copyMs,
    schemaVersion: migrations.version,
    applied: done.completed.map(({ changedRows, executionTimeMs, migration: { name, version } }) => ({
      version,
      name,
      executionTimeMs,
      changedRows
    })),
    repeated: migrations.repeated,
    adopted: migrations.adopted,
    lockedMs: done.lockedMs,
    schema: changeOf(before, after),
    integrity,
    notRehearsed: [
      "other processes: here nobody waits for a lock, and nobody writes meanwhile",
      "the load of the machine at the time of the upgrade, and what the system has in memory then",
      ...(directory === dirname(found.file) ? [] : [`the disk of the database: the copy was in ${directory}`]),
      "the backup before the upgrade: with a rollback journal the write lock is held while it is made too",
      hasEffect
        ? "what migrations that are Effects do outside the database: it has really happened"
        : "migrations that are Effects of another program: only the files are known here"
    ]
  }
  return rehearsal
})

const notCopied =
  (directory: string) =>
  ({ code, detail, retryable }: SqliteFailure | SystemFailure): RehearsalError => {
    const reason = isNoSpace(code) ? "NoSpace" : isLock(code) || code === "EBUSY" ? "Busy" : "NotCopied"
    return new RehearsalError({ reason, directory, code, detail, retryable: retryable || reason === "Busy" })
  }

/** What was committed was committed to the copy. */
const ofOriginal = <E extends InitializationError | RehearsalError>(database: string, error: E): E => {
  const refusal: Refusal = error
  refusal.database = database
  if (error._tag === "UpgradeError") error.applied = []
  return error
}

const changeOf = (before: ReadonlyArray<SchemaObject>, after: ReadonlyArray<SchemaObject>): SchemaChange => {
  const { changed, extra, missing } = differenceOf(before, after)
  const sqlOf = (objects: ReadonlyArray<SchemaObject>) =>
    new Map(objects.map((object) => [titleOf(object), object.sql]))
  const [sqlBefore, sqlAfter] = [sqlOf(before), sqlOf(after)]
  return {
    added: extra.map((object) => ({ object, sql: sqlAfter.get(object) ?? "" })),
    changed: changed.map(({ expected, found, object }) => ({ object, before: expected, sql: found })),
    removed: missing.map((object) => ({ object, sql: sqlBefore.get(object) ?? "" }))
  }
}
