/** Runs pending files, each checked right after it as if it were alone. */
import { millisBetween } from "../../machine/monotonic.ts"
import type { Attempt } from "../../start/Attempt.ts"
import { titleOf } from "../../start/MigrationSource.ts"
import { atOnce, orRefused, outcomeOf, verdictOf } from "../edge.ts"
import { IntegrityError } from "../IntegrityError.ts"
import { sizeOf } from "../PageCheck.ts"
import { integer, type Sqlite } from "../Sqlite.ts"
import { requireForeignKeys } from "./ForeignKeyCheck.ts"
import { foreignKeyWatch } from "./ForeignKeyWatch.ts"
import { type Completed, mirrorVersion, recordCompleted } from "./HistoryRecords.ts"
import { beginMigration, dropTemporary, resetCounters, type Script } from "./MigrationRun.ts"
import { describeLoss, type RowGuard } from "./RowGuard.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"
import { few, type WorkTeller } from "./StatementProgress.ts"
import { upgradeError } from "./UpgradeError.ts"
import { notCounted, notWritten, type Room } from "./UpgradeRoom.ts"
import { mayLeaveTemporary, mayReadCounters, mayReadHistory, maySetPragmas } from "./UpgradeRuns.ts"

/** Runs the files one after the other. Each is checked right after it, as if it were alone. */
export const applyAll = (
  { config, database: { sqlite }, pragmas }: Room,
  objects: ReadonlyArray<SchemaObject>,
  scripts: ReadonlyArray<Script>,
  { guard, teller }: { readonly guard: RowGuard; readonly teller: WorkTeller },
  { breathe, clock, doing }: Attempt
) =>
  atOnce(function* () {
    const completed: Array<Completed> = []
    const bytes = yield* outcomeOf(() => sizeOf(sqlite), IntegrityError.unreadable)
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
      const title = titleOf(migration)
      const write = <A>(question: () => A) => outcomeOf(question, notWritten(title))
      // Record all at once, unless a file could see the difference.
      const last = completed.at(-1)
      if (last !== undefined && mayReadHistory(script)) {
        yield* write(() => {
          record()
          mirrorVersion(sqlite, last.migration)
        })
      }
      const appliedAt = clock.unsafeCurrentTimeMillis()
      const begun = clock.unsafeCurrentTimeNanos()
      const { begins, ends } = teller.statementsOf(script)
      const begin = () => beginMigration(sqlite, script, breathe, begins)
      const run = () => (migration.body._tag === "Effect" ? teller.whileItRuns(`applying ${title}`, begin()) : begin())
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
      const deleted = yield* orRefused(watched, notCounted)
      doing(`applying ${title}`)
      const before = yield* write(() => {
        if (mayReadCounters(script)) resetCounters(sqlite)
        return changesOn(sqlite)
      })
      yield* maySetPragmas(script) ? pragmas.restoringOthers(run) : run()
      const changedRows = (yield* write(() => changesOn(sqlite))) - before
      yield* ends()
      doing(`counting rows after ${title}`)
      const losses = deleted === undefined ? [] : yield* orRefused(deleted(changedRows), notCounted)
      const executionTimeMs = Math.round(millisBetween(begun, clock.unsafeCurrentTimeNanos()))
      const done = { migration, appliedAt, executionTimeMs, changedRows }
      completed.push(done)
      unrecorded.push(done)
      if (losses.length > 0) {
        const detail = losses.map(describeLoss).join("; ")
        return yield* upgradeError("RowsDeleted", { migration: titleOf(migration), detail, losses })
      }
      if (mayLeaveTemporary(script)) yield* write(() => dropTemporary(sqlite))
      doing(`checking foreign keys after ${title}`)
      yield* foreignKeys.check(script, index === scripts.length - 1)
    }
    yield* outcomeOf(record, notWritten(scripts.map(({ migration }) => titleOf(migration)).join(", ")))
    // With nothing pending nobody but the database itself is to blame.
    if (scripts.length === 0) yield* verdictOf(requireForeignKeys(sqlite))
    return completed
  })

const changesOn = ({ all }: Sqlite): number => integer(all("SELECT total_changes() AS changes")[0], "changes")
