/** What the migrations stage hands on, and how the schema is proven again later. */
import * as Effect from "effect/Effect"
import type { AppliedMigration } from "../../start/AppliedMigration.ts"
import type { HistoryEvent } from "../../start/HistoryEvents.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { atOnce, outcomeOf } from "../edge.ts"
import type { IntegrityError } from "../IntegrityError.ts"
import { integer, type Sqlite } from "../Sqlite.ts"
import { look, lookAtSnapshot, requireRecorded, type Seen } from "./DatabaseLook.ts"
import { type HistoryError, historyFailure } from "./HistoryError.ts"
import type { Verdict } from "./HistoryJudgement.ts"
import type { SchemaState } from "./SchemaJudgement.ts"
import { proveSchema } from "./SchemaProof.ts"
import type { Done, Room } from "./UpgradeRoom.ts"

/** @internal The schema at a moment after the start; a newer program may have added to it. */
export interface LiveSchema extends SchemaState {
  readonly version: string | undefined
  /** Whether it is proven already that each view and trigger compiles. */
  readonly isCompiled?: boolean
}

/** What the migrations stage found and did. Here, and not in the class, TypeScript leaves out of the declarations what is marked internal. */
export interface MigrationsEvidence {
  /** The newest version in the database, as in its file's name; undefined where there are no migrations. */
  readonly version: string | undefined
  /** What a newer program applied that lets this one run, as `NNN_name`. */
  readonly ahead: ReadonlyArray<string>
  /** What this start applied. */
  readonly applied: ReadonlyArray<AppliedMigration>
  /** Repeatable migrations that this start made, as `R__name`: those with a new text, or all after numbered ones. */
  readonly repeated: ReadonlyArray<string>
  /** Absolute path of the copy that this start made before it applied anything; undefined where it made none. */
  readonly backup: string | undefined
  /** Rows of the system before this library that this start took over, as `NNN_name`. */
  readonly adopted: ReadonlyArray<string>
  /** What declared something else when it was applied, as `NNN_name`: it is not run again, and no edit. */
  readonly redeclared: ReadonlyArray<string>
  /** Repairs and restores of this database, from its history, in the order of time. */
  readonly events: ReadonlyArray<HistoryEvent>
  /** What somebody should know, such as that the database is older than a backup of it. */
  readonly warnings: ReadonlyArray<string>
  /**
   * @internal
   * History and schema once this start is through with them. What its first look found is not read again
   * where it was all there was to do and no other connection has committed anything since. Looks when it is called; an
   * `Exit` where nothing has to be waited for.
   */
  readonly schema: () => Effect.Effect<LiveSchema, IntegrityError | HistoryError>
  /** @internal Reads the history and the live schema through a connection, and compares them with what the migrations make. */
  readonly schemaOn: (sqlite: Sqlite) => Effect.Effect<LiveSchema, IntegrityError | HistoryError>
}

/** From what the stage has seen last, and what it did. */
export const evidence = (
  room: Room,
  { adopted, backup, completed, repeated, warnings }: Done,
  seen: Seen
): MigrationsEvidence => ({
  version: versionOf(room, seen.verdict),
  ahead: seen.verdict.ahead,
  backup,
  applied: completed.map(({ executionTimeMs, migration: { name, version } }) => ({ version, name, executionTimeMs })),
  adopted: adopted.map(titleOf),
  repeated: repeated.map(titleOf),
  redeclared: seen.verdict.redeclared,
  events: seen.verdict.events,
  warnings,
  schema: unlessChanged(room, seen),
  schemaOn: (sqlite) => Effect.suspend(() => checkApplied(room, sqlite))
})

/** The database's version if a newer program wrote it, else our newest. */
const versionOf = ({ source }: Room, { ahead, version }: Verdict): string | undefined =>
  ahead.length > 0 ? version : source.at(-1)?.version

const unlessChanged =
  (room: Room, seen: Seen): MigrationsEvidence["schema"] =>
  () => {
    const { sqlite } = room.database
    return atOnce(function* () {
      const [row] = yield* outcomeOf(() => sqlite.all("PRAGMA data_version"), historyFailure)
      return yield* integer(row, "data_version") === seen.dataVersion
        ? proveLiveSchema(room, seen)
        : checkApplied(room, sqlite)
    })
  }

const proveLiveSchema = (
  room: Room,
  { isCompiled = false, objects, verdict }: Seen
): Effect.Effect<LiveSchema, IntegrityError> =>
  atOnce(function* () {
    const state = yield* proveSchema(verdict, objects, room.made)
    return { ...state, version: versionOf(room, verdict), isCompiled }
  })

/**
 * In one snapshot, because a newer program may commit between two reads. In memory there is no other program, and the
 * service may already be in a transaction.
 */
const checkApplied = (room: Room, sqlite: Sqlite): Effect.Effect<LiveSchema, IntegrityError | HistoryError> => {
  const { config, source } = room
  return atOnce(function* () {
    const read = config.inMemory ? look : lookAtSnapshot
    const seen = yield* outcomeOf(() => requireRecorded(read(config, source, sqlite)), historyFailure)
    return yield* proveLiveSchema(room, seen)
  })
}
