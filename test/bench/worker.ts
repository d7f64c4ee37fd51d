/** Starts one subject in this process, imports not counted: `worker.js NAME FIXTURE FILE...`. */
import { measure } from "./measure.ts"
import { startOf } from "./startOf.ts"

const [, , name = "", folder = "", ...files] = process.argv
await measure(await startOf(name), folder, files)
