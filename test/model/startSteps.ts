/** The starts of this program. */
import { strict as assert } from "node:assert"
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { mostRefused, runWithout, unavailable } from "../support/faults.ts"
import { releaseFile } from "./fileSteps.ts"
import { titleOf } from "./files.ts"
import { type Expectation, expectation, holdsNothing, nothing } from "./model.ts"
import {
  adoptAll,
  backupOf,
  expected,
  fileOf,
  keepBackups,
  nameOf,
  observe,
  optionsOf,
  type State,
  said
} from "./State.ts"
import type { Settings, Step } from "./Step.ts"
import { bytesIn, isLinked, sizeOf, startOn } from "./world.ts"

/** What `status` may say of what `init` will do. */
const statusExpectation = (state: State, { journal }: Settings, expect: Expectation): ReadonlyArray<string> => {
  if (state.kind === "absent") return ["ConnectionError.Absent"]
  if (state.leftover === "hot" || state.leftover === "hot beside wal") return ["ConnectionError.NotRecovered"]
  if (state.kind === "junk") return ["ConnectionError.NotADatabase"]
  // Next to an empty file even a finished journal would be deleted.
  const hasJournal = sizeOf(fileOf(state)) === 0 && sizeOf(`${fileOf(state)}-journal`) > 0
  if (expect.isPending) return ["UpgradeError.Pending", ...(hasJournal ? ["ConnectionError.NotRecovered"] : [])]
  const differs = state.isWal !== (journal === "wal")
  if (expect.refusals.length > 0) return [...expect.refusals, ...(differs ? ["PragmaError.Mismatch"] : [])]
  // Next to a WAL, SQLite reads a file in WAL mode, whatever its header says.
  const isWalByItsWal = !state.isWal && state.leftover === "wal"
  return [
    ...(differs || isWalByItsWal ? ["PragmaError.Mismatch"] : []),
    ...(!differs || isWalByItsWal ? ["ready"] : []),
    ...(hasJournal ? ["ConnectionError.NotRecovered"] : [])
  ]
}

export const start = Effect.fnUntraced(function* (state: State, step: Extract<Step, { _tag: "start" }>) {
  const { content, kind, world } = state
  const { options, run } = optionsOf(state, step)
  const { fault } = step
  const expect = expectation(content, options)
  const waits =
    state.held === "writing" &&
    (expect.states.length > 1 || expect.refusals.some((r) => /Upgrade|SchemaDiffers/.test(r)))
  // In WAL mode and used by others, a file cannot be switched to a rollback journal.
  const isStuck = state.held !== "no" && step.settings.journal !== "wal"
  if (isStuck) return "skipped"

  const before = bytesIn(world.home)
  const inspected = yield* startOn(world, { ...run, access: "inspect", timeout: "20 seconds" })
  expected(inspected.outcome, statusExpectation(state, step.settings, expect), "status")
  assert.deepEqual(bytesIn(world.home), before, "status changed the files")

  const timeout = waits ? "150 millis" : "20 seconds"
  const mode = kind === "absent" ? 0o600 : statSync(fileOf(state)).mode
  const { isReached, outcome } = yield* startOn(world, { ...run, timeout }, fault)
  const done = said(outcome)
  const wasHot = state.leftover === "hot" || state.leftover === "hot beside wal"

  if (fault !== undefined && isReached) {
    const label = `init under a fault (${done})`
    assert.ok(!done.startsWith("Defect"), label)
    if (kind === "junk") {
      assert.deepEqual(bytesIn(world.home), before, `${label} changed what is no database`)
      return done
    }
    // The files of a killed start are a copy, which the neighbour does not have open.
    if (fault.kind === "kill") yield* releaseFile(state)
    // A fault in the trial of pending files ends only the trial.
    const untried = expectation(content, options, nothing)
    adoptAll(state, fault.kind === "fail" ? [...expect.states, ...untried.states] : expect.states, label)
    if (fault.kind === "fail" && outcome._tag === "ready")
      expected(outcome, expect.refusals.length === 0 ? ["ready"] : expect.refusals, "init")
    return done
  }
  if (waits) {
    expected(
      outcome,
      ["StageTimeoutError.Start", "StageTimeoutError.Stage", "UpgradeError.Busy", ...expect.refusals],
      "init beside a writer"
    )
    assert.deepEqual(bytesIn(world.home), before, "a start that gave up waiting changed the files")
    return done
  }
  if (kind === "junk") {
    expected(outcome, ["ConnectionError.NotADatabase", "ConnectionError.Damaged"], "init")
    assert.deepEqual(bytesIn(world.home), before, "a refused start changed what is no database")
    return done
  }
  expected(outcome, expect.refusals.length === 0 ? ["ready"] : expect.refusals, "init")
  state.kind = "database"
  state.content = expect.after
  for (const name of state.uncommitted) {
    const isGone = !existsSync(join(world.home, name))
    if (isGone || expect.backup !== undefined) state.backups.delete(name)
  }
  state.uncommitted.clear()
  if (outcome._tag === "ready") {
    assert.deepEqual(outcome.applied, expect.applied, "what init says that it applied")
    assert.match(backupOf(outcome) ?? "", nameOf(expect.backup), "the backup that init tells of")
  } else if (expect.after === content && !wasHot && !holdsNothing(content)) {
    assert.deepEqual(bytesIn(world.home), before, `a refused start (${done}) changed the files`)
  }
  if (expect.backup !== undefined) keepBackups(state, expect.backup, options.backups, outcome._tag === "ready")
  if (kind !== "absent") assert.equal(statSync(fileOf(state)).mode, mode, "the mode of the file")
  observe(state)
  if (outcome._tag === "ready" && state.held === "no") {
    // An empty WAL next to a file in another journal mode belongs to nobody, and SQLite ignores it.
    const isNobodys = !state.isWal && state.leftover === "wal" && sizeOf(`${fileOf(state)}-wal`) === 0
    if (!wasHot && !isNobodys) assert.equal(state.leftover, "none", "what a start leaves beside the file")
    assert.equal(state.isWal, step.settings.journal === "wal", "the journal mode")
  }
  return done
})

/**
 * Runs the program while the system refuses every lock on the `-shm` from one of the first read's locks on. SQLite
 * would try for ten seconds, but a start must end at its deadline. Nothing is promised for later locks.
 */
export const withoutLocks = (state: State, { nth, release }: Extract<Step, { _tag: "no locks" }>): string => {
  const { kind, world } = state
  const isQuiet = kind === "database" && state.isWal && state.leftover === "none" && state.held === "no"
  if (unavailable !== undefined || !isQuiet || isLinked(world)) return "skipped"
  const settings: Settings = { integrity: "auto", backups: 2, journal: "wal", applicationId: undefined }
  const { options } = optionsOf(state, { release, settings })
  const migrations = join(world.folder, "migrations")
  rmSync(migrations, { recursive: true, force: true })
  mkdirSync(migrations)
  for (const file of options.files) writeFileSync(join(migrations, `${titleOf(file)}.sql`), file.text)
  const args = ["init", "--json", "--timeout", "1s", "--database", fileOf(state), "--migrations", migrations]
  const { ended, stdout, traced } = runWithout(
    { args, trace: join(world.folder, "trace") },
    { code: "ENOLCK", paths: [`${fileOf(state)}-shm`], when: `${nth}+` }
  )
  assert.ok(typeof ended === "number" && ended !== 70, `init without locks ended with ${ended}: ${stdout}`)
  assert.ok(mostRefused(traced) < 100, `SQLite stood still past the deadline of a start: ${stdout}`)
  adoptAll(state, expectation(state.content, options).states, `init without locks (${stdout.trim()})`)
  return String(ended)
}
