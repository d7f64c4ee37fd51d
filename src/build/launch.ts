/**
 * Runs a bundled program with V8's code cache from an earlier run, which saves a third of the start. The first run that
 * may write next to the bundle saves the cache. If none may, or the cache does not fit this Node.js, each start takes
 * that third longer.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import { Script } from "node:vm"
import * as identity from "./identity.ts"

interface Launched {
  /** The bundle of that name next to this file. It exports `main`. */
  readonly name: string
  /** Whether this run loads what most runs load. Only such a run saves the cache. */
  readonly isTypical: boolean
  /** Whether this run imports a module that is not in the bundle: code from the cache cannot. */
  readonly isImporting?: boolean
}

export const launch = ({ isImporting = false, isTypical, name }: Launched): void => {
  const program = join(__dirname, `${name}.cjs`)
  if (isImporting) {
    const { main }: { readonly main: () => void } = createRequire(program)(program)
    main()
    return
  }
  // V8 checks its own version and the length of the text, not the text.
  const cacheFile = join(__dirname, `${name}-${identity.version}-${process.version}-${process.arch}.cache`)
  const cachedData = readIfThere(cacheFile)
  const script = new Script(
    `(function (exports, require, module, __filename, __dirname) {${readFileSync(program, "latin1")}\n})`,
    // V8 keeps this name in the cache and shows it in stacks wherever the cache is used: put no path of this machine
    // here.
    { filename: `${identity.name}/${name}.cjs`, ...(cachedData === undefined ? {} : { cachedData }) }
  )
  const module: { readonly exports: { readonly main?: () => void } } = { exports: {} }
  const show = hideStreams()
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

/** Others may start at this moment, so the file gets its name only when it is whole. */
const keep = (script: Script, cacheFile: string): void => {
  const partial = `${cacheFile}.${process.pid}`
  try {
    writeFileSync(partial, script.createCachedData())
    renameSync(partial, cacheFile)
  } catch {
    // This user may not write to the directory, or the disk is full: the next start takes as long as this one.
    rmSync(partial, { force: true })
  }
}

/**
 * Hides the streams of `process` and `performance` from modules that use them while they are evaluated. Node.js creates
 * each on first use, which takes 6 to 10 ms of CPU: as much as all of SQLite's work in a start. Returns the function
 * that shows them again.
 */
const hideStreams = (): (() => void) => {
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
