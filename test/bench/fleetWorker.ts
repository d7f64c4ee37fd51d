/**
 * Opens the databases of a fleet in this process, one after the other: `fleetWorker.js NAME LOOK DIRECTORY MIGRATIONS
 * COUNT`. Writes to descriptor 3: milliseconds of wall and of CPU time for each, and megabytes of memory after a tenth
 * of them, at the end, and at the peak. The first two are what is left after a collection of garbage: when V8 collects
 * by itself says nothing about what grows. Fails unless exactly the damaged one was refused.
 */
import { writeSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { damagedIn, type Look, namesOf, type OpenFleet } from "./fleet.ts"

const [, , name = "", look = "", directory = "", migrations = "", count = ""] = process.argv
const names = namesOf(Number(count))
const asked: Look = look === "pages" ? "pages" : "schema"
const { openFleet }: { readonly openFleet: OpenFleet } = await import(
  pathToFileURL(join(import.meta.dirname, "fleets", `${name}.js`)).href
)
const fleet = await openFleet(directory, migrations, asked)

setFlagsFromString("--expose-gc")
const collect: unknown = runInNewContext("gc")
const megabytes = () => {
  if (typeof collect === "function") collect()
  return process.memoryUsage.rss() / 1e6
}
const refused = new Map<string, string>()
let early = Number.NaN
const began = performance.now()
const used = process.cpuUsage()
for (const [at, one] of names.entries()) {
  const why = await fleet.open(one)
  if (why !== undefined) refused.set(one, why)
  if (at + 1 === Math.ceil(names.length / 10)) early = megabytes()
}
const { system, user } = process.cpuUsage(used)
const took = performance.now() - began
const late = megabytes()
await fleet.close()
const damaged = damagedIn(names)
if (refused.size !== 1 || !refused.has(damaged)) {
  const [[name = "none", why = ""] = []] = refused
  throw new Error(`${refused.size} were refused, not ${damaged} alone; the first is ${name}: ${why}`)
}
writeSync(
  3,
  JSON.stringify([
    took / names.length,
    (user + system) / 1e3 / names.length,
    early,
    late,
    process.resourceUsage().maxRSS / 1e3
  ])
)
