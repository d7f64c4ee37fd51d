/** A peer as a whole program: `program.js NAME FILE FIXTURE`. */
import { fixtureIn } from "./fixture.ts"
import { startOf } from "./startOf.ts"

const [, , name = "", file = "", folder = ""] = process.argv
const start = await startOf(name)
const close = await start(file, fixtureIn(folder))
await close()
