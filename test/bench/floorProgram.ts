/** The floor as a program of its own: one file of CommonJS, which starts faster than a module. */
import { open } from "./subjects/floor.ts"

const [, , file = "", migrations = ""] = process.argv
open(file, migrations).close()
