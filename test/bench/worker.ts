/**
 * Starts one subject in this process, on one file after the other: `worker.js NAME FIXTURE FILE...`. Tells on
 * descriptor 3 how long each start took, in milliseconds, imports not counted.
 */
import { writeSync } from "node:fs"
import { fixtureIn } from "./fixture.ts"
import { startOf } from "./startOf.ts"

const [, , name = "", folder = "", ...files] = process.argv
const start = await startOf(name)
const fixture = fixtureIn(folder)
const took: Array<number> = []
for (const file of files) {
  const began = performance.now()
  const close = await start(file, fixture)
  took.push(performance.now() - began)
  await close()
}
writeSync(3, JSON.stringify(took))
