/** Runs pending files, each checked right after it as if it were alone. */
import * as Effect from "effect/Effect"
import { millisBetween } from "../../machine/monotonic.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { atEdge } from "../edge.ts"
import { bytesOf } from "../PageCheck.ts"
import { integer, type Sqlite } from "../Sqlite.ts"
import { requireForeignKeys } from "./ForeignKeyCheck.ts"
import { foreignKeyWatch } from "./ForeignKeyWatch.ts"
import { type Completed, mirrorVersion, recordCompleted } from "./HistoryRecords.ts"
import { dropTemporary, resetCounters, runMigration, type Script } from "./MigrationRun.ts"
import { describeLoss, type RowGuard } from "./RowGuard.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"
import { few, type WorkTeller } from "./StatementProgress.ts"
import { upgradeError } from "./UpgradeError.ts"
import { notCounted, notWritten, type Room } from "./UpgradeRoom.ts"
import { mayLeaveTemporary, mayReadCounters, mayReadHistory, maySetPragmas } from "./UpgradeRuns.ts"

/** Runs the files one after the other. Each is checked right after it, as if it were alone. */
export const applyAll = Effect.fnUntraced(function* (
  { config, database: { sqlite }, pragmas }: Room,
  objects: ReadonlyArray<SchemaObject>,
  scripts: ReadonlyArray<Script>,
  { guard, teller }: { readonly guard: RowGuard; readonly teller: WorkTeller },
  { breathe, doing }: Attempt
) {
  const completed: Array<Completed> = []
  const clock = yield* Effect.clock
  const bytes = yield* bytesOf(sqlite)
  const isOneOfFew = scripts.length <= few
  const foreignKeys = foreignKeyWatch(sqlite, objects, ({ migration }) =>
    teller.begins(`checking foreign keys after ${titleOf(migration)}`, { total: bytes, isOneOfFew })
  )
  let unrecorded: Array<Completed> = []
  const record = () => {
    const some = unrecorded
    unrecorded = []
    recordCompleted(sqlite, some, config.program)
  }
  for (const [index, script] of scripts.entries()) {
    const { migration } = script
    const orNotWritten = Effect.mapError(notWritten(titleOf(migration)))
    const write = (question: () => void) => atEdge(question, notWritten(titleOf(migration)))
    // Record all at once, unless a file could see the difference.
    const last = completed.at(-1)
    if (last !== undefined && mayReadHistory(script)) {
      yield* write(() => {
        record()
        mirrorVersion(sqlite, last.migration)
      })
    }
    const title = titleOf(migration)
    const appliedAt = clock.unsafeCurrentTimeMillis()
    const begun = clock.unsafeCurrentTimeNanos()
    const { begins, ends } = teller.statementsOf(script)
    const plain = runMigration(sqlite, script, breathe, begins)
    const run = migration.body._tag === "Effect" ? teller.whileItRuns(`applying ${title}`, plain) : plain
    const alone = maySetPragmas(script) ? pragmas.restoringOthers(run) : run
    doing(`counting rows before ${title}`)
    const watched = guard.watch(
      script,
      (when) => (done, total) =>
        teller.begins(`counting rows ${when} ${title}`, {
          done,
          total,
          unit: "tables",
          isOneOfFew: isOneOfFew && done === 0
        })
    )
    const deleted = yield* Effect.mapError(watched, notCounted)
    doing(`applying ${title}`)
    if (mayReadCounters(script)) yield* orNotWritten(resetCounters(sqlite))
    const before = yield* orNotWritten(changesOn(sqlite))
    yield* alone
    const changedRows = (yield* orNotWritten(changesOn(sqlite))) - before
    yield* ends
    doing(`counting rows after ${title}`)
    const losses = yield* Effect.mapError(deleted, notCounted)
    const executionTimeMs = Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos()))
    const done = { migration, appliedAt, executionTimeMs, changedRows }
    completed.push(done)
    unrecorded.push(done)
    if (losses.length > 0) {
      const detail = losses.map(describeLoss).join("; ")
      return yield* upgradeError("RowsDeleted", { migration: titleOf(migration), detail, losses })
    }
    if (mayLeaveTemporary(script)) yield* orNotWritten(dropTemporary(sqlite))
    doing(`checking foreign keys after ${title}`)
    yield* foreignKeys.check(script, index === scripts.length - 1)
  }
  yield* atEdge(record, notWritten(scripts.map(({ migration }) => titleOf(migration)).join(", ")))
  // With nothing pending nobody but the database itself is to blame.
  if (scripts.length === 0) yield* requireForeignKeys(sqlite)
  return completed
})

const changesOn = (sqlite: Sqlite) =>
  Effect.map(sqlite.run("SELECT total_changes() AS changes"), ([row]) => integer(row, "changes"))
