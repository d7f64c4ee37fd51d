/** Processes that the library starts for its checks, and how to make them stand still. */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "./database.ts"

/** Running processes that this one or another has started. */
export const childrenOf = (parent: number | undefined): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        // The name in parentheses may have spaces; after it come the state and the parent.
        const [state, of] = readFileSync(`/proc/${pid}/stat`, "latin1")
          .replace(/^.*\) /s, "")
          .split(" ")
        return Number(of) === parent && state !== "Z" ? [Number(pid)] : []
      } catch {
        // It ended while we looked.
        return []
      }
    })

/**
 * Makes every new check stand still before it asks SQLite, until it is released or killed: its thread first reads from
 * a fifo. `env` is for another program; this process has that environment until `release`.
 */
export const standstill = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const [fifo, preload] = [join(folder, "fifo"), join(folder, "preload.cjs")]
  spawnSync("mkfifo", [fifo])
  writeFileSync(
    preload,
    `if (!require("node:worker_threads").isMainThread) require("node:fs").readFileSync(${JSON.stringify(fifo)})`
  )
  const before = process.env["NODE_OPTIONS"]
  const end = Effect.sync(() => {
    if (before === undefined) delete process.env["NODE_OPTIONS"]
    else process.env["NODE_OPTIONS"] = before
  })
  const env = { NODE_OPTIONS: `--require ${preload}` }
  yield* Effect.acquireRelease(
    Effect.sync(() => Object.assign(process.env, env)),
    () => end
  )
  return { env, end, release: Effect.tap(end, () => writeFileSync(fifo, "")) }
})
