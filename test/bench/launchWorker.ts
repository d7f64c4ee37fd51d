/** Starts the bundled worker from V8's code cache, as the programs of this library start; the first run makes the cache. */
import { writeFileSync } from "node:fs"
import { bundle } from "../../src/build/bundle.ts"

const { cacheFile, compile, run } = bundle("bundledWorker")
const script = compile()
// Undefined where there is none yet.
if (script.cachedDataRejected !== false) {
  process.once("exit", () => writeFileSync(cacheFile, script.createCachedData()))
}
run(script)
