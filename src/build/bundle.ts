/**
 * A bundled program, compiled with what V8 remembers of an earlier run, which is a third of its start.
 * A cache that does not fit this Node.js, or is not there, costs nothing but that third.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Script } from "node:vm"

/** The bundle of that name beside this file. */
export const bundle = (name: string) => {
  const program = join(__dirname, `${name}.cjs`)
  const cacheFile = join(__dirname, `${name}.cache`)
  return {
    cacheFile,
    compile: (): Script =>
      new Script(
        `(function (exports, require, module, __filename, __dirname) {${readFileSync(program, "latin1")}\n})`,
        {
          // Kept in the cache, and shown in stacks by whoever runs it: a path would be the one of the build.
          filename: `database-ready/dist/${name}.cjs`,
          ...cachedIn(cacheFile)
        }
      ),
    run: (script: Script): void => {
      const module = { exports: {} }
      script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program))
    }
  }
}

const cachedIn = (cacheFile: string): { readonly cachedData?: Buffer } => {
  try {
    return { cachedData: readFileSync(cacheFile) }
  } catch {
    return {}
  }
}
