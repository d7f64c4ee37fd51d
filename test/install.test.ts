/** Somebody who reads the README alone gets its example: from the packed tarball, in a new folder, with its lines. */
import { execFileSync, spawnSync } from "node:child_process"
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
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

/** `name@version` as it is written behind the tarball. */
const packagesIn = (line: string): ReadonlyArray<string> => line.split(" ").filter((word) => /.@\d/.test(word))

/** Where there is no registry to ask. */
const isUnreachable =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|network/

describe("the install line of the README", () => {
  it("names every peer in a version that the package asks for, and the same for npm and pnpm", () => {
    const told = packagesIn(lineOf("npm install ./"))
    const wanted = Object.entries(packageJson.peerDependencies).map(([name, range]) => `${name}@${range.slice(1, -2)}`)
    assert.includeMembers([...told], wanted)
    assert.deepStrictEqual(packagesIn(lineOf("pnpm add")), told)
    for (const line of [lineOf("npm install ./"), lineOf("pnpm add")]) {
      assert.include(line, `./database-ready-${packageJson.version}.tgz`)
    }
  })

  it.scopedLive("gives the ready service of its example in a new folder", ({ skip }) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      execFileSync("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root, stdio: "pipe" })
      const [command = "", ...words] = lineOf("npm install ./").split(" ")
      // To build the driver takes a compiler and over a minute where no build of it can be had: it is copied below.
      const quick = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--fetch-retries=1"]
      const installed = spawnSync(command, [...words, ...quick], { cwd: folder, encoding: "utf8" })
      if (installed.status !== 0 && isUnreachable.test(installed.stderr)) {
        skip("the registry cannot be reached")
      }
      assert.strictEqual(installed.status, 0, installed.stderr)

      const driver = join("node_modules", "better-sqlite3")
      const versionIn = (of: string): string =>
        JSON.parse(readFileSync(join(of, driver, "package.json"), "utf8")).version
      if (versionIn(folder) !== versionIn(root)) skip("the registry has a newer driver than the one that is built here")
      cpSync(join(root, driver, "build"), join(folder, driver, "build"), { recursive: true, dereference: true })

      const migration = join(folder, "migrations/001_create_notes.sql")
      mkdirSync(dirname(migration))
      writeFileSync(migration, example("sql"))
      writeFileSync(join(folder, "main.mjs"), example("ts"))
      const ended = spawnSync(process.execPath, ["main.mjs"], { cwd: folder, encoding: "utf8" })
      assert.include(ended.stdout, "ready, schema 001", ended.stderr)
      assert.isTrue(existsSync(join(folder, "data/app.db")))

      const told = spawnSync("npx", ["database-ready", "status", "--database", "data/app.db"], {
        cwd: folder,
        encoding: "utf8"
      })
      assert.include(told.stdout, "ready  ", told.stderr)
    })
  )
})
