/** Processes whose wall clock a test sets while they run; the clock that is never set is not changed. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "./database.ts"
import type { Running } from "./program.ts"

const hours = 3_600_000

/**
 * The environment for a process, and what sets its clock so many hours wrong. SQLite's own clock and the times of files
 * stay right.
 */
export const wrongClock = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const [preload, file] = [join(folder, "clock.cjs"), join(folder, "offset")]
  writeFileSync(
    preload,
    `const { readFileSync, writeSync } = require("node:fs")
    const Right = Date
    let offset = 0
    globalThis.Date = class extends Right {
      constructor(...given) {
        if (given.length === 0) super(Right.now() + offset)
        else super(...given)
      }
      static now() {
        return Right.now() + offset
      }
    }
    process.on("SIGUSR2", () => {
      offset = Number(readFileSync(${JSON.stringify(file)}, "utf8"))
      writeSync(2, "clock set to " + offset + "\\n")
    })`
  )
  return {
    env: { NODE_OPTIONS: `--require ${preload}` },
    set: ({ process: child, says }: Pick<Running, "process" | "says">, off: number) =>
      Effect.promise(() => {
        writeFileSync(file, String(off * hours))
        child.kill("SIGUSR2")
        return says(new RegExp(`clock set to ${off * hours}\\n`))
      })
  }
})
