/** The driver's files: where they are, and whether this process can load them without harm. */
import { createRequire } from "node:module"
import { dirname, isAbsolute, join } from "node:path"
import Driver from "better-sqlite3"
import * as Effect from "effect/Effect"
import { files, trySync, unless } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { SqliteFailure } from "./Sqlite.ts"

/**
 * The driver's addon, where it would end this process sooner or later; undefined where it is sound. Built with the
 * headers of Node.js 24.19 or newer, better-sqlite3 before 13 aborts when a statement is collected at a moment
 * at which no script runs: it takes back a hook from an environment that it cannot see then. So it is looked at
 * before there is a first statement. Node.js 20 and 22 have no such headers, and need not be asked.
 */
export const fatalAddon: Effect.Effect<string | undefined, SystemFailure> = Effect.suspend(() => {
  if (isSound) return Effect.succeed(undefined)
  return trySync(() => {
    const abi = Number(process.versions.modules)
    const fatal =
      abi < abiOfNode22
        ? drivers().find((path) => needsNode22(files.text(path)))
        : abi < abiOfNode24
          ? undefined
          : addonsOfDriver().find((path) => takesBackHooks(files.bytes(path)))
    isSound = fatal === undefined
    return fatal
  })
})

/** It does not change while this process runs. */
let isSound = false

const abiOfNode22 = 127
const abiOfNode24 = 137

/** better-sqlite3 13 asks for Node.js 22, and ends an older one with SIGSEGV when it opens its first database. */
export const needsNode22 = (packageJson: string): boolean => {
  const { version }: { readonly version?: unknown } = JSON.parse(packageJson)
  return Number.parseInt(String(version), 10) >= 13
}

/**
 * Loads the driver's addon, once in a process, before anything is created. Package managers that run no install
 * scripts leave it out, and the driver notices when it opens its first database.
 */
export const loadDriver: Effect.Effect<void, SqliteFailure> = Effect.suspend(() => {
  if (isLoaded) return Effect.void
  return Effect.try({
    try: () => {
      new Driver(":memory:").close()
      isLoaded = true
    },
    catch: SqliteFailure.from
  })
})
let isLoaded = false

/**
 * From where packages are looked for. A CommonJS bundle has no `import.meta.url`, an ES module has no `__filename`;
 * one that is evaluated has neither.
 */
const bases = (): ReadonlyArray<string> => {
  const module: string | undefined = import.meta.url
  const script = typeof __filename === "string" ? __filename : undefined
  return [script, module, process.argv[1], join(process.cwd(), "index.js")].flatMap((base) =>
    base !== undefined && (base.startsWith("file:") || isAbsolute(base)) ? [base] : []
  )
}

/** The file that a name leads to, from the first base from which it leads anywhere. */
const resolveModule = (name: string): string | undefined => {
  for (const base of bases()) {
    const found = unless("MODULE_NOT_FOUND", () => createRequire(base).resolve(name))
    if (found !== undefined) return found
  }
  return undefined
}

/** The driver's module, for another process to load. Throws where it cannot be found. */
export const driverModule = (): string => {
  const found = resolveModule("better-sqlite3")
  if (found === undefined) throw new Error("better-sqlite3 cannot be found from here")
  return found
}

/** Where better-sqlite3 before 13 builds it or puts what it fetched: the client's driver and, where that is another, ours. */
const addonsOfDriver = (): ReadonlyArray<string> =>
  drivers()
    .map((driver) => join(dirname(driver), "build/Release/better_sqlite3.node"))
    .filter((addon) => files.stat(addon) !== undefined)

/** The `package.json` of the driver, ours and the client's. */
const drivers = (): ReadonlyArray<string> => {
  // A bundled program has the client inside, and one that is bundled whole has its addon wherever it put it.
  const client = resolveModule("@effect/sql-sqlite-node/package.json")
  const name = "better-sqlite3/package.json"
  const theirs =
    client === undefined ? undefined : unless("MODULE_NOT_FOUND", () => createRequire(client).resolve(name))
  return [...new Set([resolveModule(name), theirs].filter((found) => found !== undefined))]
}

/** A function that is called is named in the binary. */
export const takesBackHooks = (addon: Buffer): boolean => addon.includes("RemoveEnvironmentCleanupHook")
