/** The driver's files: where they are, and whether this process can load them safely. */
import { createRequire } from "node:module"
import { dirname, isAbsolute, join } from "node:path"
import Driver from "better-sqlite3"
import { files, unless } from "../machine/files.ts"
import { SqliteFailure } from "./Sqlite.ts"

/**
 * The driver's addon, if it would crash this process sooner or later; undefined if it is sound. better-sqlite3 before
 * 13, built with the headers of Node.js 24.19 or newer, aborts when a statement is garbage-collected while no script
 * runs: it then removes a hook from an environment that it cannot see. So check it before the first statement. Node.js
 * 20 and 22 have no such headers. Throws the system's error.
 */
export const fatalAddon = (): string | undefined => {
  if (isSound) return undefined
  const abi = Number(process.versions.modules)
  const fatal =
    abi < abiOfNode22
      ? drivers().find((path) => needsNode22(files.text(path)))
      : abi < abiOfNode24
        ? undefined
        : addonsOfDriver().find((path) => takesBackHooks(files.bytes(path)))
  isSound = fatal === undefined
  return fatal
}

/** It does not change while this process runs. */
let isSound = false

const abiOfNode22 = 127
const abiOfNode24 = 137

/** better-sqlite3 13 needs Node.js 22. On an older one it crashes with SIGSEGV when it opens its first database. */
export const needsNode22 = (packageJson: string): boolean => {
  const { version }: { readonly version?: unknown } = JSON.parse(packageJson)
  return Number.parseInt(String(version), 10) >= 13
}

/**
 * Loads the driver's addon once per process, before anything is created. Package managers that run no install scripts
 * leave the addon out, and the driver would notice only when it opens a database. Throws `SqliteFailure`.
 */
export const loadDriver = (): void => {
  if (isLoaded) return
  try {
    new Driver(":memory:").close()
  } catch (thrown) {
    throw SqliteFailure.from(thrown)
  }
  isLoaded = true
}
let isLoaded = false

/**
 * Where to look for packages. A CommonJS bundle has no `import.meta.url`, an ES module has no `__filename`; evaluated
 * code has neither.
 */
const bases = (): ReadonlyArray<string> => {
  const module: string | undefined = import.meta.url
  const script = typeof __filename === "string" ? __filename : undefined
  return [script, module, process.argv[1], join(process.cwd(), "index.js")].flatMap((base) =>
    base !== undefined && (base.startsWith("file:") || isAbsolute(base)) ? [base] : []
  )
}

/** The file of a package name, from the first base that can resolve it. */
const resolveModule = (name: string): string | undefined => {
  for (const base of bases()) {
    const found = unless("MODULE_NOT_FOUND", () => createRequire(base).resolve(name))
    if (found !== undefined) return found
  }
  return undefined
}

/** The path of the driver's module, for a child process to load. Throws if it cannot be found. */
export const driverModule = (): string => {
  const found = resolveModule("better-sqlite3")
  if (found === undefined) throw new Error("better-sqlite3 cannot be found from here")
  return found
}

/** The addons of better-sqlite3 before 13, built or downloaded: our driver's, and the client's if it is another. */
const addonsOfDriver = (): ReadonlyArray<string> =>
  drivers()
    .map((driver) => join(dirname(driver), "build/Release/better_sqlite3.node"))
    .filter((addon) => files.stat(addon) !== undefined)

/** The `package.json` of our driver, and of the client's if it is another. */
const drivers = (): ReadonlyArray<string> => {
  const loaded = loadedDrivers()
  if (loaded.length > 0) return loaded
  // A bundle contains the client, and may keep its addon anywhere.
  const client = resolveModule("@effect/sql-sqlite-node/package.json")
  const name = "better-sqlite3/package.json"
  const theirs =
    client === undefined ? undefined : unless("MODULE_NOT_FOUND", () => createRequire(client).resolve(name))
  return [...new Set([resolveModule(name), theirs].filter((found) => found !== undefined))]
}

/** Both are loaded already, unless they are in a bundle. To look for them again takes as long as a stage. */
const loadedDrivers = (): ReadonlyArray<string> => {
  const [base] = bases()
  if (base === undefined) return []
  const folders = Object.keys(createRequire(base).cache).flatMap((file) => driverFile.exec(file)?.[1] ?? [])
  return [...new Set(folders)].map((folder) => `${folder}package.json`)
}

const driverFile = /^(.*[\\/]better-sqlite3[\\/])(?:lib[\\/]index\.js|package\.json)$/

/** The binary contains the names of the functions that it calls. */
export const takesBackHooks = (addon: Buffer): boolean => addon.includes("RemoveEnvironmentCleanupHook")
