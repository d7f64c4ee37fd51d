/** What happens while a process has the database open, and several processes at once. */
import { strict as assert } from "node:assert"
import { renameSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { hold, releaseFile } from "./fileSteps.ts"
import { type Content, type Expectation, expectation, holdsNothing, type StartOptions } from "./model.ts"
import { adoptBackup, expected, fileOf, isOneOf, observe, optionsOf, type State, said } from "./State.ts"
import type { Settings, Step } from "./Step.ts"
import {
  backupsIn,
  bytesIn,
  isLinked,
  type Outcome,
  pictureIn,
  pictureOf,
  restoreOn,
  seenIn,
  startOn
} from "./world.ts"

/** Moves the file away and back while a process has it open: meanwhile no new file may appear in its place. */
export const moveAway = Effect.fnUntraced(function* (
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

export const race = Effect.fnUntraced(function* (
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
