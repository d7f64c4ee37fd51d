/** The restores of backups. */
import { strict as assert } from "node:assert"
import { existsSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { runProgram } from "../support/program.ts"
import { adopt, backupOf, expected, fileOf, isSame, observe, type State, said } from "./State.ts"
import type { Step } from "./Step.ts"
import { backupsIn, byHand, bytesIn, pictureIn, pictureOf, replacedIn, restoreOn, sizeOf } from "./world.ts"

export const restore = Effect.fnUntraced(function* (
  state: State,
  { fault, which }: Extract<Step, { _tag: "restore" }>
) {
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
export const restores = Effect.fnUntraced(function* (state: State, { count }: Extract<Step, { _tag: "restores" }>) {
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
