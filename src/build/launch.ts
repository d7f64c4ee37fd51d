/**
 * A bundled program, compiled with what V8 remembers of an earlier run, which is a third of its start. The first run
 * that may write beside the bundle keeps it; where none may, and where it does not fit this Node.js, a start takes
 * that third longer.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Script } from "node:vm"
import packageJson from "../../package.json" with { type: "json" }

interface Launched {
  /** The bundle of that name beside this file. It exports `main`. */
  readonly name: string
  /** Whether this run uses what most runs use. */
  readonly isTypical: boolean
}

export const launch = ({ isTypical, name }: Launched): void => {
  const program = join(__dirname, `${name}.cjs`)
  // V8 knows its own version and the length of the text, not the text.
  const cacheFile = join(__dirname, `${name}-${packageJson.version}-${process.version}-${process.arch}.cache`)
  const cachedData = readIfThere(cacheFile)
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${readFileSync(program, "latin1")}\n})`,
    // V8 keeps this name in the cache, and stacks show it wherever the cache is used: no path of this machine.
    { filename: `${packageJson.name}/${name}.cjs`, ...(cachedData === undefined ? {} : { cachedData }) }
  )
  const module: { readonly exports: { readonly main?: () => void } } = { exports: {} }
  const show = hidden()
  script.runInThisContext()(module.exports, createRequire(program), module, program, dirname(program))
  show()
  if (isTypical && cachedData === undefined) {
    process.once("exit", (code) => {
      if (code === 0) keep(script, cacheFile)
    })
  }
  module.exports.main?.()
}

const readIfThere = (file: string): Buffer | undefined => {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

/** Others may start at this moment: the file gets its name when it is whole. */
const keep = (script: Script, cacheFile: string): void => {
  const partial = `${cacheFile}.${process.pid}`
  try {
    writeFileSync(partial, script.createCachedData())
    renameSync(partial, cacheFile)
  } catch {
    // A directory that this user may not write to, or a full disk: the next start takes as long as this one.
    rmSync(partial, { force: true })
  }
}

/**
 * Hides the streams of `process` and `performance` from modules that would ask for them while they are evaluated:
 * Node.js makes each when it is first asked for, which takes 6 to 10 ms of CPU, as much as everything that SQLite
 * does in a start. Gives what shows them again.
 */
const hidden = (): (() => void) => {
  const shown = [
    [process, "stdout"],
    [process, "stderr"],
    [globalThis, "performance"]
  ] as const
  const undo = shown.map(([owner, name]) => {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name)
    Object.defineProperty(owner, name, { value: undefined, configurable: true, writable: true })
    return () => {
      if (descriptor !== undefined) Object.defineProperty(owner, name, descriptor)
    }
  })
  return () => {
    for (const show of undo) show()
  }
}
