/** What is published: the library and the program, and nothing else of this repository. */
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { libraryVersion } from "../layers/operate/proof/libraryVersion.ts"
import * as identity from "../src/build/identity.ts"
import { readDocument, targetOf } from "./support/documents.ts"

const root = join(import.meta.dirname, "..")

interface Packed {
  readonly unpackedSize: number
  readonly files: ReadonlyArray<{ readonly path: string }>
}

const packed = (): Packed => {
  const told: ReadonlyArray<Packed> = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: root, encoding: "utf8" })
  )
  const [first] = told
  if (first === undefined) throw new Error("npm packs nothing")
  return first
}

/** Everything that may be in it. */
const published = [
  /^(package\.json|README\.md|LICENSE)$/,
  /^dist\/(database-ready|program)\.cjs$/,
  /^dist\/layers\/(index|operate|postgres|testing|layers\/)?[\w-]*\.js$/,
  /^dist\/layers\/([\w-]+\/)*[\w-]+\.d\.ts$/
]

describe("the package", () => {
  const { files, unpackedSize } = packed()
  const paths = files.map(({ path }) => path)

  it("has the library with its types, and the program: no service, no tests, no sources, no caches, no maps", () => {
    assert.deepStrictEqual(
      paths.filter((path) => !published.some((pattern) => pattern.test(path))),
      []
    )
    assert.includeMembers(paths, [
      "dist/database-ready.cjs",
      "dist/program.cjs",
      "dist/layers/index.js",
      "dist/layers/index.d.ts",
      "dist/layers/testing.js",
      "dist/layers/testing.d.ts"
    ])
  })

  it("is called in the bundles as in package.json", () => {
    const { name, version }: Record<string, unknown> = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))
    assert.deepStrictEqual({ ...identity }, { name, version })
    assert.strictEqual(libraryVersion, version)
  })

  it("has a README whose links are absolute or lead to files in it", () => {
    const readme = readDocument("README.md")
    const relative = readme.links.filter(({ target }) => !target.startsWith("https://"))
    const missing = relative.filter((link) => !paths.includes(targetOf(readme, link).path))
    assert.deepStrictEqual(missing, [])
  })

  // 0.89 MB of it is the program in one file with all that it needs.
  // What operates databases (`database-ready/operate`) is in it twice: for the library, and for the program.
  // PostgreSQL (`database-ready/postgres`) took 0.1 MB, half of it types.
  it("takes at most 1.66 MB", () => {
    assert.isAtMost(unpackedSize, 1_660_000)
  })
})
