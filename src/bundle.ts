/**
 * A bundled program, compiled with what V8 remembers of an earlier run, which is a third of its start.
 * A cache that does not fit this Node.js, or is not there, costs nothing but that third.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Script } from "node:vm"
import { plainArguments } from "./arguments.ts"

/** The program that reads this command line: most need none of what explains the others. */
const name = plainArguments(process.argv.slice(2), process.env) === undefined ? "program" : "direct"
const program = join(__dirname, `${name}.cjs`)
export const cacheFile = join(__dirname, `${name}.cache`)

export const compile = (): Script =>
  new Script(`(function (exports, require, module, __filename, __dirname) {${readFileSync(program, "latin1")}\n})`, {
    filename: program,
    ...cached()
  })

export const run = (script: Script): void => {
  const module = { exports: {} }
  script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program))
}

const cached = (): { readonly cachedData?: Buffer } => {
  try {
    return { cachedData: readFileSync(cacheFile) }
  } catch {
    return {}
  }
}
