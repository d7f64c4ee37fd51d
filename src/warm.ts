/** Part of the build: runs the program once, as it is asked on this command line, and keeps what V8 compiled for it. */
import { writeFileSync } from "node:fs"
import { cacheFile, compile, run } from "./bundle.ts"

const script = compile()
process.once("exit", () => writeFileSync(cacheFile, script.createCachedData()))
run(script)
