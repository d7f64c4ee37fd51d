/** What a database holds by now, as the model has it, and how the files are compared with that. */
import { strict as assert } from "node:assert"
import { existsSync, readFileSync } from "node:fs"
import { basename, join } from "node:path"
import { filesOfRelease, type MigrationFile, type Release } from "./files.ts"
import { type Backup, type Content, nothing, type StartOptions, versionOf } from "./model.ts"
import type { Settings } from "./Step.ts"
import {
  backupsIn,
  byHand,
  fileIn,
  isHot,
  type Neighbour,
  type Outcome,
  pictureIn,
  pictureOf,
  seenIn,
  sizeOf,
  type World
} from "./world.ts"

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

export const fileOf = ({ world }: State): string => fileIn(world.home)

/** Reads the files that are there; the model says what is in them. */
export const observe = (state: State): void => {
  const file = fileOf(state)
  const size = sizeOf(file)
  state.isWal = size >= 100 && readFileSync(file)[18] === 2
  const hasTransaction = existsSync(`${file}-journal`) && isHot(`${file}-journal`)
  const hasWal = existsSync(`${file}-wal`)
  state.leftover = hasTransaction ? (hasWal ? "hot beside wal" : "hot") : hasWal ? "wal" : "none"
  if (state.leftover === "none") state.base = state.content
}

/** The files hold what the model says. */
export const verify = (state: State, label: string): void => {
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

export const optionsOf = (
  state: State,
  { release, settings }: { readonly release: Release; readonly settings: Settings }
) => {
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

export const said = (outcome: Outcome): string =>
  outcome._tag === "ready" ? "ready" : `${outcome.refusal}: ${outcome.message}`

export const isOneOf = (outcome: Outcome, refusals: ReadonlyArray<string>): boolean =>
  outcome._tag === "ready" ? refusals.includes("ready") : refusals.includes(outcome.refusal)

export const expected = (outcome: Outcome, refusals: ReadonlyArray<string>, label: string): void =>
  assert.ok(isOneOf(outcome, refusals), `${label} says ${said(outcome)}; it should be one of: ${refusals.join(", ")}`)

/** If the versions alone give no order, a number does. */
export const nameOf = (backup: Backup | undefined): RegExp =>
  backup === undefined ? /^$/ : new RegExp(`^app\\.db\\.${backup.from}-to-${backup.to}(\\.\\d+)?\\.backup$`)

export const backupOf = (outcome: Outcome): string | undefined =>
  outcome._tag === "ready" && outcome.backup !== undefined ? basename(outcome.backup) : undefined

/** After an upgrade its copy is the newest, and others stay as the settings say. */
export const keepBackups = (state: State, made: Backup, count: number, isPruned: boolean): void => {
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
export const adopt = (state: State, states: ReadonlyArray<Content>, label: string): void => {
  const seen = seenIn(state.world, pictureOf)
  const found = states.findLast((content) => pictureIn(content) === seen)
  assert.ok(found !== undefined, `${label}: what is in the file is none of the states that were committed: ${seen}`)
  state.content = found
  state.base = undefined
  state.kind = existsSync(fileOf(state)) ? "database" : "absent"
  observe(state)
}

/** The same for the backups too. */
export const adoptAll = (state: State, states: ReadonlyArray<Content>, label: string): void => {
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
export const adoptBackup = (state: State, name: string, states: ReadonlyArray<Content>): void => {
  const seen = byHand(join(state.world.home, name), pictureOf)
  const found = states.find((content) => pictureIn(content) === seen)
  assert.ok(found !== undefined, `what is in ${name} was never committed: ${seen}`)
  state.backups.set(name, found)
}

export const isSame = (one: object, other: object): boolean => JSON.stringify(one) === JSON.stringify(other)
