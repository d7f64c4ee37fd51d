/** The start by hand as a program: what a whole `init` is measured beside. */
import { byHand } from "./postgresByHand.ts"

const close = await byHand(process.argv[2] ?? "")
await close()
console.log("ready")
