/** Tries a repair on a copy of the history in memory. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { judge } from "../sqlite/AppliedMigrations/HistoryJudgement.ts"
import { recordFingerprint } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { type History, newestOf, readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { fingerprintOf, namesOf, objectsOf, schemaStatement } from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { atEdge } from "../sqlite/edge.ts"
import type { Sqlite } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import { idOf } from "../start/historyComparison.ts"
import type { OrderedMigrations } from "../start/MigrationSource.ts"
import type { OpenedRooms } from "./openRooms.ts"
import type { Repair, Wanted } from "./RepairOptions.ts"
import { changesBetween, copyHistory, rowsIn } from "./repairChanges.ts"
import { prove, requireFault, withoutSchema } from "./repairProof.ts"
import { applicationIdIn, userVersionIn, writeCase } from "./repairRows.ts"

interface Plan {
  readonly shown: Repair
  /** What the newest row keeps of the schema. */
  readonly schema: { readonly fingerprint: string; readonly ours: string }
}

/** Tries the repair on a copy of the history in memory, and judges what comes out as a start does. */
export const planOf = Effect.fnUntraced(function* (
  { config, database: { file, sqlite }, source }: OpenedRooms,
  wanted: Wanted,
  attempt: Attempt
) {
  const live = yield* reading(() => ({
    history: readHistory(sqlite),
    objects: objectsOf(sqlite.all(schemaStatement)),
    userVersion: userVersionIn(sqlite),
    applicationId: applicationIdIn(sqlite)
  }))
  const { history, objects } = live
  if (history instanceof HistoryError) return yield* history
  const at = yield* Clock.currentTimeMillis
  return yield* Effect.acquireUseRelease(
    reading(() => sqlite.inMemory()),
    (memory) =>
      Effect.gen(function* () {
        const before = yield* reading(() => copyHistory(sqlite, memory))
        yield* reading(() => writeCase(memory, source, wanted, { at, program: config.program }))
        const written = yield* reading(() => readHistory(memory))
        if (wanted.repair === "remove-record") yield* requireFault(source, history, objects, wanted, attempt)
        attempt.doing("replaying the migrations in memory")
        const { extra, ours } = yield* prove(source, written, objects, attempt)
        const unproven =
          wanted.repair === "record-applied" ? yield* withoutSchema(source, written, wanted, attempt) : []
        const schema = { fingerprint: fingerprintOf(ours), ours: namesOf(ours) }
        yield* reading(() => recordNewest(memory, written.rows, schema))
        const judged = yield* reading(() => ({
          verdict: verdictOn(memory, source),
          userVersion: userVersionIn(memory),
          applicationId: applicationIdIn(memory),
          rows: rowsIn(memory)
        }))
        const shown: Repair = {
          database: file,
          isWritten: false,
          repair: wanted.repair,
          versions: wanted.versions,
          changes: changesBetween(before, judged.rows),
          userVersion: { before: live.userVersion, after: judged.userVersion },
          applicationId: { before: live.applicationId, after: judged.applicationId },
          extra,
          unproven,
          remaining: judged.verdict,
          reason: wanted.reason,
          backup: undefined
        }
        const plan: Plan = { shown, schema }
        return plan
      }),
    (memory) => Effect.sync(() => memory.database.close())
  )
})

export const recordNewest = (sqlite: Sqlite, rows: History["rows"], schema: Plan["schema"]): void => {
  const newest = newestOf(rows)
  if (newest !== undefined) recordFingerprint(sqlite, { id: idOf(newest.version) }, schema)
}

const verdictOn = (sqlite: Sqlite, source: OrderedMigrations): HistoryError | undefined => {
  const history = readHistory(sqlite)
  const verdict = history instanceof HistoryError ? history : judge(source, history, userVersionIn(sqlite))
  return verdict instanceof HistoryError ? verdict : undefined
}

const reading = <A>(step: () => A) => atEdge(step, historyFailure)
