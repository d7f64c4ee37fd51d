/** What can happen to a database: how each step is drawn, described, done and judged. */
import { strict as assert } from "node:assert"
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { basename, join } from "node:path"
import type Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { mostRefused, runWithout, unavailable } from "../support/faults.ts"
import { runProgram } from "../support/program.ts"
import {
  describeRelease,
  filesOfRelease,
  isOfMigrations,
  type MigrationFile,
  type Release,
  release,
  titleOf
} from "./files.ts"
import {
  type Backup,
  type Content,
  type Expectation,
  expectation,
  type HistoryRow,
  holdsNothing,
  nothing,
  type StartOptions,
  versionOf
} from "./model.ts"
import { executed, type Image, tablesIn, within } from "./reference.ts"
import {
  backupsIn,
  byHand,
  bytesIn,
  type Fault,
  faultCodes,
  fileIn,
  isHot,
  isLinked,
  moveBehindLink,
  moveToCopy,
  type Neighbour,
  type Outcome,
  parts,
  pictureIn,
  pictureOf,
  replacedIn,
  restoreOn,
  seenIn,
  sizeOf,
  startOn,
  type World
} from "./world.ts"

/** One of some values, with their own types. */
const oneOf = <const A>(...values: ReadonlyArray<A>): FastCheck.Arbitrary<A> => FastCheck.constantFrom(...values)

const journals = ["wal", "wal", "wal", "delete", "truncate", "persist"] as const

interface Settings {
  readonly integrity: StartOptions["integrity"]
  readonly backups: number
  readonly journal: (typeof journals)[number]
  readonly applicationId: number | undefined
}

const settings: FastCheck.Arbitrary<Settings> = FastCheck.record({
  integrity: oneOf("auto", "auto", "schema", "quick", "full"),
  backups: oneOf(2, 2, 1, 3, 0),
  journal: oneOf(...journals),
  applicationId: oneOf(undefined, undefined, undefined, 77)
})

const fault: FastCheck.Arbitrary<Fault> = FastCheck.record({
  kind: oneOf("kill", "fail"),
  nth: FastCheck.integer({ min: 1, max: 90 }),
  code: oneOf(...faultCodes)
})

const edits = ["forget newest", "forget oldest", "status", "checksum", "name", "newer", "twice"] as const
const others = ["junk", "empty", "one byte", "another database", "a backup", "nothing"] as const

export type Step =
  | {
      readonly _tag: "start"
      readonly release: Release
      readonly settings: Settings
      readonly fault: Fault | undefined
    }
  | {
      readonly _tag: "race"
      readonly releases: ReadonlyArray<Release>
      readonly settings: Settings
      readonly restores: boolean
    }
  | { readonly _tag: "restores"; readonly count: number }
  | { readonly _tag: "restore"; readonly which: number | undefined; readonly fault: Fault | undefined }
  | { readonly _tag: "write"; readonly pick: number; readonly rows: number }
  | { readonly _tag: "crash"; readonly pick: number; readonly rows: number }
  | { readonly _tag: "stray"; readonly isEmpty: boolean }
  | { readonly _tag: "copy"; readonly whole: boolean; readonly keepTimes: boolean }
  | { readonly _tag: "link" }
  | { readonly _tag: "times"; readonly pick: number; readonly seconds: number }
  | { readonly _tag: "mode"; readonly mode: number }
  | { readonly _tag: "journal"; readonly mode: "wal" | "delete" | "truncate" | "persist" }
  | { readonly _tag: "history"; readonly edit: (typeof edits)[number]; readonly pick: number }
  | { readonly _tag: "header"; readonly pragma: "user_version" | "application_id"; readonly value: number }
  | { readonly _tag: "replace"; readonly by: (typeof others)[number]; readonly pick: number }
  | { readonly _tag: "drift"; readonly what: "table" | "column" }
  | { readonly _tag: "orphan"; readonly pick: number }
  | { readonly _tag: "hold"; readonly how: "idle" | "writing" }
  | { readonly _tag: "move away"; readonly release: Release; readonly settings: Settings; readonly restores: boolean }
  | { readonly _tag: "no locks"; readonly release: Release; readonly nth: number }
  | { readonly _tag: "let go" }
  | { readonly _tag: "forget backups" }

const rare = <A>(arbitrary: FastCheck.Arbitrary<A>, outOf: number) =>
  FastCheck.option(arbitrary, { nil: undefined, freq: 1 }).chain((value) =>
    FastCheck.nat(outOf - 1).map((roll) => (roll === 0 ? value : undefined))
  )

const tagged = <Tag extends Step["_tag"], A extends object>(_tag: Tag, fields: FastCheck.Arbitrary<A>) =>
  fields.map((found): A & { readonly _tag: Tag } => ({ ...found, _tag }))

const pick = FastCheck.nat(9)

export const step: FastCheck.Arbitrary<Step> = FastCheck.oneof(
  {
    weight: 18,
    arbitrary: tagged("start", FastCheck.record({ release, settings, fault: rare(fault, 2) }))
  },
  {
    weight: 2,
    arbitrary: tagged(
      "race",
      FastCheck.record({
        releases: FastCheck.array(release, { minLength: 2, maxLength: 3 }),
        settings,
        restores: FastCheck.nat(3).map((roll) => roll === 0)
      })
    )
  },
  {
    weight: 4,
    arbitrary: tagged(
      "restore",
      FastCheck.record({ which: FastCheck.option(pick, { nil: undefined }), fault: rare(fault, 2) })
    )
  },
  { weight: 1, arbitrary: tagged("restores", FastCheck.record({ count: FastCheck.integer({ min: 2, max: 3 }) })) },
  { weight: 5, arbitrary: tagged("write", FastCheck.record({ pick, rows: FastCheck.integer({ min: 1, max: 3 }) })) },
  { weight: 4, arbitrary: tagged("crash", FastCheck.record({ pick, rows: FastCheck.integer({ min: 1, max: 3 }) })) },
  { weight: 2, arbitrary: tagged("stray", FastCheck.record({ isEmpty: FastCheck.boolean() })) },
  {
    weight: 3,
    arbitrary: tagged("copy", FastCheck.record({ whole: FastCheck.boolean(), keepTimes: FastCheck.boolean() }))
  },
  { weight: 1, arbitrary: FastCheck.constant<Step>({ _tag: "link" }) },
  {
    weight: 2,
    arbitrary: tagged("times", FastCheck.record({ pick, seconds: FastCheck.integer({ min: 0, max: 4_000_000_000 }) }))
  },
  {
    weight: 1,
    arbitrary: tagged("mode", FastCheck.record({ mode: oneOf(0o600, 0o640, 0o660, 0o644) }))
  },
  {
    weight: 2,
    arbitrary: tagged("journal", FastCheck.record({ mode: oneOf("wal", "delete", "truncate", "persist") }))
  },
  { weight: 2, arbitrary: tagged("history", FastCheck.record({ edit: oneOf(...edits), pick })) },
  {
    weight: 1,
    arbitrary: tagged(
      "header",
      FastCheck.record({
        pragma: oneOf("user_version", "application_id"),
        value: oneOf(0, 1, 2, 77, 1000)
      })
    )
  },
  { weight: 2, arbitrary: tagged("replace", FastCheck.record({ by: oneOf(...others), pick })) },
  { weight: 1, arbitrary: tagged("drift", FastCheck.record({ what: oneOf("table", "column") })) },
  { weight: 1, arbitrary: tagged("orphan", FastCheck.record({ pick })) },
  { weight: 1, arbitrary: tagged("hold", FastCheck.record({ how: oneOf("idle", "writing") })) },
  {
    weight: 1,
    arbitrary: tagged("move away", FastCheck.record({ release, settings, restores: FastCheck.boolean() }))
  },
  {
    weight: 2,
    arbitrary: FastCheck.oneof(
      { weight: 7, arbitrary: FastCheck.constant<Step>({ _tag: "let go" }) },
      // It takes two seconds, a hundred times longer than others.
      {
        weight: 1,
        arbitrary: tagged("no locks", FastCheck.record({ release, nth: FastCheck.integer({ min: 1, max: 4 }) }))
      }
    )
  },
  { weight: 1, arbitrary: FastCheck.constant<Step>({ _tag: "forget backups" }) }
)

export interface State {
  readonly world: World
  readonly files: ReadonlyArray<MigrationFile>
  readonly neighbour: Neighbour
  kind: "absent" | "junk" | "database"
  content: Content
  /** The content of the main file without the files next to it, if known. */
  base: Content | undefined
  /** What is next to the file: a WAL that was not taken in, or a rollback journal of an unfinished transaction. */
  leftover: "none" | "wal" | "hot" | "hot beside wal"
  isWal: boolean
  held: "no" | "idle" | "writing"
  readonly backups: Map<string, Content>
  /** Backups of upgrades that were never committed: the next start may delete them. */
  readonly uncommitted: Set<string>
}

export const newState = (world: World, files: ReadonlyArray<MigrationFile>, neighbour: Neighbour): State => ({
  world,
  files,
  neighbour,
  kind: "absent",
  content: nothing,
  base: nothing,
  leftover: "none",
  isWal: false,
  held: "no",
  backups: new Map(),
  uncommitted: new Set()
})

const fileOf = ({ world }: State): string => fileIn(world.home)

/** Reads the files that are there; the model says what is in them. */
const observe = (state: State): void => {
  const file = fileOf(state)
  const size = sizeOf(file)
  state.isWal = size >= 100 && readFileSync(file)[18] === 2
  const hasTransaction = existsSync(`${file}-journal`) && isHot(`${file}-journal`)
  const hasWal = existsSync(`${file}-wal`)
  state.leftover = hasTransaction ? (hasWal ? "hot beside wal" : "hot") : hasWal ? "wal" : "none"
  if (state.leftover === "none") state.base = state.content
}

/** The files hold what the model says. */
const verify = (state: State, label: string): void => {
  const { backups, content, kind, world } = state
  if (kind === "absent") assert.equal(existsSync(fileIn(world.home)), false, `${label}: there is a file`)
  if (kind === "database") {
    assert.equal(seenIn(world, pictureOf), pictureIn(content), `${label}: what is in the file`)
    assert.equal(
      seenIn(world, (connection) => connection.pragma("integrity_check", { simple: true })),
      "ok",
      label
    )
  }
  assert.deepEqual(backupsIn(world.home), [...backups.keys()].sort(), `${label}: the backups`)
}

/** A backup is a database on its own, and holds what the model says. */
const verifyBackup = (state: State, name: string, label: string): void => {
  const content = state.backups.get(name)
  const seen = byHand(join(state.world.home, name), pictureOf)
  assert.equal(seen, content && pictureIn(content), `${label}: what is in ${name}`)
}

const optionsOf = (state: State, { release, settings }: { readonly release: Release; readonly settings: Settings }) => {
  const options: StartOptions = { ...settings, files: filesOfRelease(state.files, release) }
  return {
    options,
    run: {
      files: options.files,
      integrity: settings.integrity,
      backups: settings.backups,
      applicationId: settings.applicationId,
      pragmas: { journalMode: settings.journal }
    }
  }
}

const said = (outcome: Outcome): string =>
  outcome._tag === "ready" ? "ready" : `${outcome.refusal}: ${outcome.message}`

const isOneOf = (outcome: Outcome, refusals: ReadonlyArray<string>): boolean =>
  outcome._tag === "ready" ? refusals.includes("ready") : refusals.includes(outcome.refusal)

const expected = (outcome: Outcome, refusals: ReadonlyArray<string>, label: string): void =>
  assert.ok(isOneOf(outcome, refusals), `${label} says ${said(outcome)}; it should be one of: ${refusals.join(", ")}`)

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

const start = Effect.fnUntraced(function* (state: State, step: Extract<Step, { _tag: "start" }>) {
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
    assert.deepEqual(bytesIn(world.home), before, "a start that waited in vain changed the files")
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

/** If the versions alone give no order, a number does. */
const nameOf = (backup: Backup | undefined): RegExp =>
  backup === undefined ? /^$/ : new RegExp(`^app\\.db\\.${backup.from}-to-${backup.to}(\\.\\d+)?\\.backup$`)
const backupOf = (outcome: Outcome): string | undefined =>
  outcome._tag === "ready" && outcome.backup !== undefined ? basename(outcome.backup) : undefined

/** After an upgrade its copy is the newest, and others stay as the settings say. */
const keepBackups = (state: State, made: Backup, count: number, isPruned: boolean): void => {
  const { backups, world } = state
  const left = backupsIn(world.home)
  const added = left.filter((name) => !backups.has(name))
  assert.equal(added.length, 1, `backups that an upgrade adds: ${added.join(", ")}`)
  const name = added[0] ?? ""
  assert.match(name, nameOf(made))
  backups.set(name, made.content)
  verifyBackup(state, name, "after the upgrade")
  if (isPruned) {
    assert.deepEqual(left, [...backups.keys()].slice(-count).sort(), "backups that are kept")
    for (const other of [...backups.keys()]) if (!left.includes(other)) backups.delete(other)
  }
}

/** The file has one of some states, which is the state from here on. */
const adopt = (state: State, states: ReadonlyArray<Content>, label: string): void => {
  const seen = seenIn(state.world, pictureOf)
  const found = states.findLast((content) => pictureIn(content) === seen)
  assert.ok(found !== undefined, `${label}: what is in the file is none of the states that were committed: ${seen}`)
  state.content = found
  state.base = undefined
  state.kind = existsSync(fileOf(state)) ? "database" : "absent"
  observe(state)
}

/** The same for the backups too. */
const adoptAll = (state: State, states: ReadonlyArray<Content>, label: string): void => {
  adopt(state, states, label)
  const { home } = state.world
  const there = backupsIn(home)
  for (const name of there) if (!state.backups.has(name)) adoptBackup(state, name, states)
  const from = versionOf(state.content.history ?? [])
  for (const name of there) {
    if (name.startsWith(`app.db.${from}-`) && existsSync(join(home, `${name}.uncommitted`))) state.uncommitted.add(name)
  }
  for (const name of [...state.backups.keys()]) if (!there.includes(name)) state.backups.delete(name)
}

/** A backup holds one of some states. */
const adoptBackup = (state: State, name: string, states: ReadonlyArray<Content>): void => {
  const seen = byHand(join(state.world.home, name), pictureOf)
  const found = states.find((content) => pictureIn(content) === seen)
  assert.ok(found !== undefined, `what is in ${name} was never committed: ${seen}`)
  state.backups.set(name, found)
}

const restore = Effect.fnUntraced(function* (state: State, { fault, which }: Extract<Step, { _tag: "restore" }>) {
  const { backups, content, kind, world } = state
  const names = backupsIn(world.home)
  const named = which === undefined ? undefined : names[which % Math.max(1, names.length)]
  const before = bytesIn(world.home)
  const mode = kind === "absent" ? undefined : statSync(fileOf(state)).mode
  const wasWal = state.isWal
  const kept = replacedIn(world.home)
  const { isReached, outcome } = yield* restoreOn(
    world,
    named === undefined ? undefined : join(world.home, named),
    fault
  )
  const done = said(outcome)
  const from = backupOf(outcome)
  if (fault !== undefined && isReached) {
    assert.ok(!done.startsWith("Defect"), `restore under a fault (${done})`)
    if (outcome._tag === "refused" && fault.kind === "fail" && state.leftover === "none") {
      // Switching the journal mode and back is counted in the header, and a WAL without a frame may stay.
      const besides = (bytes: ReturnType<typeof bytesIn>) =>
        Object.entries(bytes).filter(([name]) => name !== "app.db" && name !== "app.db-wal")
      assert.deepEqual(besides(bytesIn(world.home)), besides(before), `a refused restore (${done}) changed the files`)
      assert.equal(sizeOf(`${fileOf(state)}-wal`), 0, `a refused restore (${done}) left a WAL`)
      assert.equal(
        readFileSync(fileOf(state))[18] === 2,
        wasWal,
        `a refused restore (${done}) changed the journal mode`
      )
    }
    // If it says that all is as it was, it must be.
    const states = /is as it was/.test(done) ? [content] : [content, ...backups.values()]
    if (kind === "database") adopt(state, states, `restore under a fault (${done})`)
    else if (existsSync(fileOf(state)) && !isSame(before, bytesIn(world.home)))
      adopt(state, [...backups.values()], "restore under a fault")
    return done
  }
  if (names.length === 0) {
    expected(outcome, ["RestoreError.NoBackup"], "restore")
  } else if (state.held !== "no") {
    expected(outcome, ["RestoreError.InUse"], "restore")
  } else {
    expected(outcome, ["ready"], "restore")
  }
  if (outcome._tag === "refused") {
    assert.deepEqual(bytesIn(world.home), before, `a refused restore (${done}) changed the files`)
    return done
  }
  assert.equal(from, named ?? [...backups.keys()].at(-1), "which backup is restored")
  const put = backups.get(from ?? "")
  assert.ok(put !== undefined, `restore took ${from}`)
  const added = replacedIn(world.home).filter((name) => !kept.includes(name))
  assert.equal(added.length, kind === "absent" ? 0 : 1, "what was there is kept once")
  for (const name of added) {
    if (kind === "database") {
      assert.equal(byHand(join(world.home, name), pictureOf), pictureIn(content), "what was there before the restore")
    } else {
      assert.equal(bytesIn(world.home)[name], before["app.db"], "what was there before the restore")
    }
  }
  state.kind = "database"
  state.content = put
  state.uncommitted.clear()
  if (mode !== undefined) assert.equal(statSync(fileOf(state)).mode, mode, "the mode of the file after the restore")
  observe(state)
  assert.equal(state.leftover, "none", "what a restore leaves beside the file")
  if (kind === "database") assert.equal(state.isWal, wasWal, "the journal mode after a restore")
  return `${done} from ${from}`
})

/** Several restores at once: at least one succeeds, and the others say that it is under way. */
const restores = Effect.fnUntraced(function* (state: State, { count }: Extract<Step, { _tag: "restores" }>) {
  const { backups, kind, world } = state
  const newest = [...backups.values()].at(-1)
  if (newest === undefined || state.held !== "no") return "skipped"
  const kept = replacedIn(world.home)
  const all = Array.from({ length: count }, () => runProgram(["restore", "--json", "--database", world.opened]))
  const ended = yield* Effect.all(all, { concurrency: "unbounded" })
  const told = ended.map(({ code, stdout }) => `${code}: ${stdout.trim()}`).join("; ")
  for (const { code, stdout } of ended) assert.ok(code === 0 || (code === 75 && stdout.includes('"InUse"')), told)
  const done = ended.filter(({ code }) => code === 0).length
  assert.ok(done > 0, `none of the restores has restored: ${told}`)
  const added = replacedIn(world.home).length - kept.length
  assert.equal(added, kind === "absent" ? done - 1 : done, `what was there is kept: ${told}`)
  state.kind = "database"
  state.content = newest
  observe(state)
  assert.equal(state.leftover, "none", "what restores leave beside the file")
  return told
})

/**
 * Runs the program while the system refuses every lock on the `-shm` from one of the first read's locks on. SQLite
 * would try for ten seconds, but a start must end at its deadline. Nothing is promised for later locks.
 */
const withoutLocks = (state: State, { nth, release }: Extract<Step, { _tag: "no locks" }>): string => {
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

/** Moves the file away and back while a process has it open: meanwhile no new file may appear in its place. */
const moveAway = Effect.fnUntraced(function* (
  state: State,
  { release, restores, settings }: Extract<Step, { _tag: "move away" }>
) {
  const { world } = state
  if (isLinked(world)) return "skipped"
  const isOurs = state.held === "no"
  if (isOurs && (yield* hold(state, { _tag: "hold", how: "idle" })) !== "done") return "skipped"
  const away = join(world.folder, "away.db")
  renameSync(fileOf(state), away)
  const before = bytesIn(world.home)
  const { run } = optionsOf(state, { release, settings })
  const { outcome } = yield* restores ? restoreOn(world, undefined) : startOn(world, { ...run, timeout: "20 seconds" })
  expected(
    outcome,
    restores
      ? ["RestoreError.InUse", ...(state.backups.size === 0 ? ["RestoreError.NoBackup"] : [])]
      : ["ConnectionError.Moved"],
    "beside a process whose file was moved away"
  )
  assert.deepEqual(bytesIn(world.home), before, `refused (${said(outcome)}), and the files are changed`)
  renameSync(away, fileOf(state))
  if (isOurs) yield* releaseFile(state)
  return said(outcome)
})

const isSame = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other)

/** Orders backups of one step: by the numbers in their names, and the versions. */
const inOrder = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const keyOf = (name: string) => {
    const [, to = "", number = "1"] = /-to-(\d+)(?:\.(\d+))?\.backup$/.exec(name) ?? []
    return Number(number) * 1000 + Number(to)
  }
  return names.toSorted((one, other) => keyOf(one) - keyOf(other))
}

/** All orders of some things. */
const ordersOf = <A>(things: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  things.length < 2
    ? [things]
    : things.flatMap((thing, index) => ordersOf(things.toSpliced(index, 1)).map((rest) => [thing, ...rest]))

const race = Effect.fnUntraced(function* (
  state: State,
  { releases, restores, settings }: Extract<Step, { _tag: "race" }>
) {
  if (state.kind === "junk" || state.held !== "no") return "skipped"
  const { backups, content, world } = state
  // One different setting is enough for a race.
  const wal: Settings = { ...settings, journal: "wal" }
  const racers = releases.map((release) => optionsOf(state, { release, settings: wal }))
  const newest = [...backups.values()]
  const isRestoring = restores && newest.length > 0
  const [outcomes, restored] = yield* Effect.all(
    [
      Effect.forEach(racers, ({ run }) => startOn(world, { ...run, timeout: "20 seconds" }), {
        concurrency: "unbounded"
      }),
      isRestoring ? Effect.asSome(restoreOn(world, undefined)) : Effect.succeedNone
    ],
    { concurrency: "unbounded" }
  )
  const told = outcomes.map(({ outcome }) => said(outcome))
  const wasRestored = restored._tag === "Some" && restored.value.outcome._tag === "ready"
  const seen = seenIn(world, pictureOf)
  const everything: Array<Content> = [content, ...newest]
  // The result is as if they had run one after the other, in some order, with the restore at some moment. Between two
  // transactions of one start, another may have looked and left without a change.
  type Turn = { readonly options: StartOptions; readonly outcome: Outcome } | "restore"
  const turns = racers.flatMap(({ options }, index): ReadonlyArray<Turn> => {
    const { outcome } = outcomes[index] ?? {}
    return outcome === undefined ? [] : [{ options, outcome }]
  })
  const leadsTo = (states: ReadonlyArray<Content>, [turn, ...rest]: ReadonlyArray<Turn>): ReadonlyArray<Content> => {
    const now = states.at(-1) ?? content
    if (turn === undefined) return [now]
    if (turn === "restore") return newest.flatMap((put) => leadsTo([...states, put], rest))
    const fits = ({ refusals }: Expectation) => isOneOf(turn.outcome, refusals.length === 0 ? ["ready"] : refusals)
    const isIdle = states.some((state) => {
      const expect = expectation(state, turn.options)
      return expect.after === state && fits(expect)
    })
    // A start that looked before the first write has seen a new database.
    const looked = holdsNothing(content) && now !== content ? [now, content] : [now]
    const ended = looked.flatMap((lookedAt) => {
      const expect = expectation(now, turn.options, lookedAt)
      everything.push(...expect.states)
      return fits(expect) ? leadsTo([...states, ...expect.states], rest) : []
    })
    return isIdle ? [...ended, ...leadsTo(states, rest)] : ended
  }
  const found = ordersOf<Turn>(wasRestored ? [...turns, "restore"] : turns)
    .flatMap((order) => leadsTo([content], order))
    .find((reached) => pictureIn(reached) === seen)
  const label = `a race (${told.join("; ")}${restored._tag === "Some" ? `; restore: ${said(restored.value.outcome)}` : ""})`
  assert.ok(found !== undefined, `${label}: no order of the racers leads here: ${seen}`)
  if (restored._tag === "Some") {
    expected(restored.value.outcome, ["ready", "RestoreError.InUse", "RestoreError.TimedOut"], `restore in ${label}`)
  }
  state.content = found
  state.kind = "database"
  state.base = undefined
  const there = backupsIn(world.home)
  for (const name of [...backups.keys()]) if (!there.includes(name)) backups.delete(name)
  for (const name of inOrder(there)) if (!backups.has(name)) adoptBackup(state, name, everything)
  observe(state)
  return label
})

/** SQL by hand; if SQLite refuses it, nothing has happened. */
const edited = (
  state: State,
  sql: string,
  change: (content: Content) => Content,
  pragmas = "foreign_keys = 1"
): string => {
  if (state.kind !== "database") return "skipped"
  try {
    byHand(fileOf(state), (connection) => {
      connection.pragma(pragmas)
      connection.exec(`BEGIN IMMEDIATE; ${sql}; COMMIT`)
    })
  } catch (error) {
    observe(state)
    return `skipped: ${error instanceof Error ? error.message : ""}`
  }
  state.content = change(state.content)
  if (state.held !== "no") state.base = undefined
  observe(state)
  return "done"
}

const madeByMigrations = (image: Image): ReadonlyArray<string> => tablesIn(image).filter(isOfMigrations)

const insertInto = (image: Image, pick: number, rows: number): string | undefined => {
  const tables = madeByMigrations(image)
  const table = tables[pick % Math.max(1, tables.length)]
  return table === undefined
    ? undefined
    : `INSERT INTO ${table} (body) VALUES ${Array.from({ length: rows }, (_, index) => `('by hand ${index}')`).join(", ")}`
}

const write = (state: State, { pick, rows }: Extract<Step, { _tag: "write" }>): string => {
  const sql = insertInto(state.content.image, pick, rows)
  if (sql === undefined) return "skipped"
  return edited(state, sql, (content) => ({ ...content, image: executed(content.image, sql) }))
}

/** Puts the files as they are at one moment of `use` in place of the database: what a kill there would leave. */
const leavingAsKilled = (state: State, use: (connection: Sqlite.Database, freeze: () => void) => void): void => {
  const file = fileOf(state)
  const frozen = join(state.world.folder, "frozen")
  rmSync(frozen, { recursive: true, force: true })
  mkdirSync(frozen)
  byHand(file, (connection) =>
    use(connection, () => {
      for (const part of parts) if (existsSync(file + part)) copyFileSync(file + part, fileIn(frozen) + part)
    })
  )
  for (const part of parts) {
    rmSync(file + part, { force: true })
    if (existsSync(fileIn(frozen) + part)) renameSync(fileIn(frozen) + part, file + part)
  }
}

const crash = (state: State, { pick, rows }: Extract<Step, { _tag: "crash" }>): string => {
  if (state.kind !== "database" || state.held !== "no" || state.leftover.startsWith("hot")) return "skipped"
  const mode = statSync(fileOf(state)).mode
  const sql = insertInto(state.content.image, pick, rows)
  const { base, isWal } = state
  if (isWal && sql === undefined) return "skipped"
  try {
    leavingAsKilled(state, (connection, freeze) => {
      if (isWal) {
        connection.pragma("foreign_keys = 1")
        connection.exec(sql ?? "")
      } else {
        // More than the cache holds is written to the file before the commit that never comes.
        connection.pragma("cache_size = 1")
        connection.exec(`BEGIN; CREATE TABLE never (x);
WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 60) INSERT INTO never SELECT zeroblob(4000) FROM n`)
      }
      freeze()
      if (!isWal) connection.exec("ROLLBACK")
    })
  } catch (error) {
    observe(state)
    return `skipped: ${error instanceof Error ? error.message : ""}`
  }
  chmodSync(fileOf(state), mode)
  if (isWal && sql !== undefined) state.content = { ...state.content, image: executed(state.content.image, sql) }
  observe(state)
  state.base = base
  return state.leftover
}

/** A WAL next to a rollback journal: SQLite itself rolls back, and then reads the WAL. */
const stray = (state: State, { isEmpty }: Extract<Step, { _tag: "stray" }>): string => {
  if (state.leftover !== "hot") return "skipped"
  const file = fileOf(state)
  if (isEmpty) writeFileSync(`${file}-wal`, "")
  else {
    const sql = insertInto(state.content.image, 0, 1)
    if (sql === undefined) return "skipped"
    const scratch = join(state.world.folder, "frozen")
    rmSync(scratch, { recursive: true, force: true })
    mkdirSync(scratch)
    for (const part of ["", "-journal"]) copyFileSync(file + part, fileIn(scratch) + part)
    byHand(fileIn(scratch), (connection) => {
      connection.pragma("journal_mode = wal")
      connection.exec(sql)
      copyFileSync(`${fileIn(scratch)}-wal`, `${file}-wal`)
    })
    const seen = seenIn(state.world, pictureOf)
    const after = { ...state.content, image: executed(state.content.image, sql) }
    if (seen === pictureIn(after)) state.content = after
  }
  observe(state)
  state.base = undefined
  return state.leftover
}

const copy = (state: State, { keepTimes, whole }: Extract<Step, { _tag: "copy" }>): string => {
  if (state.held !== "no") return "skipped"
  // Without its journal, half a transaction is in the file.
  const takeAll = whole || state.leftover.startsWith("hot") || state.base === undefined
  moveToCopy(state.world, takeAll ? parts : [""], keepTimes)
  if (!takeAll && state.base !== undefined) state.content = state.base
  observe(state)
  return takeAll ? "with all that lies beside it" : "the file alone"
}

const header = (state: State, { pragma, value }: Extract<Step, { _tag: "header" }>): string =>
  edited(state, `PRAGMA ${pragma} = ${value}`, (content) =>
    pragma === "user_version" ? { ...content, userVersion: value } : { ...content, applicationId: value }
  )

const history = (state: State, { edit, pick }: Extract<Step, { _tag: "history" }>): string => {
  const rows = state.content.history?.toSorted((one, other) => Number(one.version) - Number(other.version)) ?? []
  const row =
    { "forget newest": rows.at(-1), "forget oldest": rows[0] }[String(edit)] ?? rows[pick % Math.max(1, rows.length)]
  if (row === undefined) return "skipped"
  const changed = (sql: string, change: (rows: ReadonlyArray<HistoryRow>) => ReadonlyArray<HistoryRow>) =>
    edited(state, sql, (content) => ({ ...content, history: change(content.history ?? []) }))
  const replaced = (set: string, by: Partial<HistoryRow>) =>
    changed(`UPDATE schema_migrations SET ${set} WHERE version = '${row.version}'`, (all) =>
      all.map((one) => (one.version === row.version ? { ...one, ...by } : one))
    )
  const inserted = (version: string) =>
    changed(
      `INSERT INTO schema_migrations (version, description, status, name, checksum, compatible_from) SELECT '${version}', description, status, name, checksum, compatible_from FROM schema_migrations WHERE version = '${row.version}'`,
      (all) => [...all, { ...row, version }]
    )
  switch (edit) {
    case "forget newest":
    case "forget oldest":
      return changed(`DELETE FROM schema_migrations WHERE version = '${row.version}'`, (all) =>
        all.filter(({ version }) => version !== row.version)
      )
    case "status":
      return replaced("status = 'failed'", { status: "failed" })
    case "checksum":
      return replaced("checksum = 'another'", { text: undefined })
    case "name":
      return replaced("name = 'another'", { name: "another" })
    case "newer":
      return inserted(`90${pick}`)
    case "twice":
      return inserted(`0${row.version}`)
  }
}

const replace = (state: State, { by, pick }: Extract<Step, { _tag: "replace" }>): string => {
  if (state.held !== "no") return "skipped"
  const file = fileOf(state)
  const names = backupsIn(state.world.home)
  const name = names[pick % Math.max(1, names.length)]
  if (by === "a backup" && name === undefined) return "skipped"
  // A link that leads nowhere is refused.
  if (by === "nothing" && isLinked(state.world)) return "skipped"
  for (const part of parts) rmSync(file + part, { force: true })
  state.content = nothing
  state.kind = "database"
  if (by === "junk") writeFileSync(file, "no database. ".repeat(200))
  if (by === "one byte") writeFileSync(file, "x")
  if (by === "junk" || by === "one byte") state.kind = "junk"
  if (by === "empty") writeFileSync(file, "")
  if (by === "nothing") state.kind = "absent"
  if (by === "another database") {
    const sql = `CREATE TABLE other (x); INSERT INTO other VALUES (${pick})`
    byHand(file, (connection) => connection.exec(sql))
    state.content = { ...nothing, image: executed(undefined, sql) }
  }
  if (by === "a backup" && name !== undefined) {
    copyFileSync(join(state.world.home, name), file)
    state.content = state.backups.get(name) ?? nothing
  }
  state.base = state.content
  observe(state)
  return "done"
}

const drift = (state: State, { what }: Extract<Step, { _tag: "drift" }>): string => {
  const [table] = madeByMigrations(state.content.image)
  if (what === "column") {
    if (table === undefined) return "skipped"
    const sql = `ALTER TABLE ${table} ADD COLUMN by_hand`
    return edited(state, sql, (content) => ({ ...content, image: executed(content.image, sql), isDrifted: true }))
  }
  const sql = `CREATE TABLE by_hand (x); INSERT INTO by_hand VALUES (1)`
  return edited(state, sql, (content) => ({ ...content, image: executed(content.image, sql) }))
}

const orphan = (state: State, { pick }: Extract<Step, { _tag: "orphan" }>): string => {
  const children = within(state.content.image, (connection) =>
    madeByMigrations(state.content.image).filter((name) =>
      connection.prepare("SELECT 1 FROM pragma_foreign_key_list(?)").get(name)
    )
  )
  const table = children[pick % Math.max(1, children.length)]
  if (table === undefined) return "skipped"
  const sql = `INSERT INTO ${table} (body, parent) VALUES ('orphan', 9999)`
  const done = (image: Image) =>
    within(image, (connection) => {
      connection.pragma("foreign_keys = 0")
      connection.exec(sql)
      return connection.serialize()
    })
  return edited(state, sql, (content) => ({ ...content, image: done(content.image) }), "foreign_keys = 0")
}

const hold = Effect.fnUntraced(function* (state: State, { how }: Extract<Step, { _tag: "hold" }>) {
  if (state.kind !== "database" || !state.isWal || state.leftover !== "none" || state.held !== "no") return "skipped"
  const answer = yield* state.neighbour.hold(
    fileOf(state),
    how === "idle" ? "SELECT count(*) FROM sqlite_schema" : "BEGIN IMMEDIATE; SELECT count(*) FROM sqlite_schema"
  )
  if (answer !== "done") return `skipped: ${answer}`
  state.held = how
  state.base = undefined
  observe(state)
  return "done"
})

const releaseFile = Effect.fnUntraced(function* (state: State) {
  if (state.held === "no") return "skipped"
  yield* state.neighbour.release
  state.held = "no"
  observe(state)
  return "done"
})

const journal = (state: State, { mode }: Extract<Step, { _tag: "journal" }>): string => {
  if (state.kind !== "database") return "skipped"
  try {
    const now = byHand(fileOf(state), (connection) => connection.pragma(`journal_mode = ${mode}`, { simple: true }))
    return String(now)
  } catch {
    return "skipped"
  } finally {
    observe(state)
  }
}

const times = (state: State, { pick, seconds }: Extract<Step, { _tag: "times" }>): string => {
  const files = [...backupsIn(state.world.home), "app.db"].filter((name) => existsSync(join(state.world.home, name)))
  const name = files[pick % Math.max(1, files.length)]
  if (name === undefined) return "skipped"
  utimesSync(join(state.world.home, name), seconds, seconds)
  return name
}

/** Does a step and judges the result; returns a word for the script. */
export const take = (state: State, step: Step): Effect.Effect<string> =>
  Effect.suspend((): Effect.Effect<string> => {
    switch (step._tag) {
      case "start":
        return start(state, step)
      case "race":
        return race(state, step)
      case "restore":
        return restore(state, step)
      case "restores":
        return restores(state, step)
      case "move away":
        return moveAway(state, step)
      case "no locks":
        return Effect.sync(() => withoutLocks(state, step))
      case "write":
        return Effect.succeed(write(state, step))
      case "crash":
        return Effect.succeed(crash(state, step))
      case "stray":
        return Effect.succeed(stray(state, step))
      case "copy":
        return Effect.succeed(copy(state, step))
      case "link":
        if (state.held !== "no" || state.kind === "absent") return Effect.succeed("skipped")
        moveBehindLink(state.world)
        return Effect.succeed("done")
      case "times":
        return Effect.succeed(times(state, step))
      case "mode":
        if (state.kind === "absent" || state.held !== "no") return Effect.succeed("skipped")
        chmodSync(fileOf(state), step.mode)
        return Effect.succeed("done")
      case "journal":
        return Effect.succeed(journal(state, step))
      case "history":
        return Effect.succeed(history(state, step))
      case "header":
        return Effect.succeed(header(state, step))
      case "replace":
        return Effect.succeed(replace(state, step))
      case "drift":
        return Effect.succeed(drift(state, step))
      case "orphan":
        return Effect.succeed(orphan(state, step))
      case "hold":
        return hold(state, step)
      case "let go":
        return releaseFile(state)
      case "forget backups":
        for (const name of backupsIn(state.world.home)) rmSync(join(state.world.home, name))
        state.backups.clear()
        return Effect.succeed("done")
    }
  }).pipe(Effect.tap((done) => Effect.sync(() => verify(state, `after ${step._tag} (${done})`))))

/** A step as a line of a script. */
export const describeStep = (files: ReadonlyArray<MigrationFile>, step: Step): string => {
  const withFault = (fault: Fault | undefined) =>
    fault === undefined
      ? ""
      : fault.kind === "kill"
        ? `, killed at call ${fault.nth}`
        : `, call ${fault.nth} fails with ${fault.code}`
  const withSettings = ({ applicationId, backups, integrity, journal }: Settings) =>
    `integrity ${integrity}, backups ${backups}, journal ${journal}${applicationId === undefined ? "" : `, application_id ${applicationId}`}`
  const { _tag, ...fields } = step
  switch (step._tag) {
    case "start":
      return `status and init of [${describeRelease(files, step.release)}], ${withSettings(step.settings)}${withFault(step.fault)}`
    case "race":
      return `at once: ${step.releases.map((release) => `init of [${describeRelease(files, release)}]`).join(" and ")}${step.restores ? " and a restore" : ""}, ${withSettings(step.settings)}`
    case "no locks":
      return `init of [${describeRelease(files, step.release)}] with a deadline of 1 s, without locks on the -shm from the ${step.nth}th on`
    case "restores":
      return `${step.count} restores at once`
    case "move away":
      return `moved away while it is open, then ${step.restores ? "a restore" : `init of [${describeRelease(files, step.release)}], ${withSettings(step.settings)}`}, then put back`
    case "restore":
      return `restore ${step.which === undefined ? "the newest backup" : `backup ${step.which}`}${withFault(step.fault)}`
    default:
      return `${_tag} ${JSON.stringify(fields).replace(/["{}]/g, "").replaceAll(":", " ").replaceAll(",", ", ")}`
  }
}
