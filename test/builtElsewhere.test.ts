/** Runs the build elsewhere: it must not reveal where it was built. */
import { cpSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { backend } from "./support/backend.ts"
import { temporaryFile, temporaryFolder } from "./support/database.ts"
import { program, runProgram, spawnNode } from "./support/program.ts"

const root = join(import.meta.dirname, "..")
const dists = [dirname(program), dirname(backend)]

/** In the encodings of a text, and of a text in V8's cache. */
const spellings = [Buffer.from(root), Buffer.from(root, "utf16le"), Buffer.from(JSON.stringify(root).slice(1, -1))]

describe("the build", () => {
  it.scopedLive("never contains the directory in which it was built, even after it has run", () =>
    Effect.gen(function* () {
      // The first run saves the code cache.
      yield* runProgram(["init", "--database", yield* temporaryFile])
      const files = dists
        .flatMap((dist) => readdirSync(dist, { recursive: true, withFileTypes: true }))
        // Skips files that a running program is just saving.
        .filter((entry) => entry.isFile() && !/\.cache\.\d+$/.test(entry.name))
      const naming = files
        .map(({ name, parentPath }) => join(parentPath, name))
        .filter((file) => {
          const bytes = readFileSync(file)
          return spellings.some((spelling) => bytes.includes(spelling))
        })
      assert.isAbove(files.length, 20)
      assert.deepStrictEqual(naming, [])
    })
  )

  it.scopedLive("shows no path of the build directory in the stack of a defect", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const dist of dists) {
        cpSync(dist, join(folder, "dist"), { recursive: true, filter: (file) => !/\.cache\.\d+$/.test(file) })
      }
      symlinkSync(join(root, "node_modules"), join(folder, "node_modules"))
      cpSync(join(root, "migrations"), join(folder, "migrations"), { recursive: true })
      const preload = join(folder, "preload.cjs")
      // Once, in the middle of the start.
      writeFileSync(
        preload,
        `const { hrtime } = process
        let calls = 0
        hrtime.bigint = () => { if (calls++ === 5) throw new Error("unexpected"); return 1n }`
      )
      for (const [bundle, ...args] of [
        ["database-ready.cjs", "init"],
        ["database-ready.cjs", "init", "--json"],
        ["database-ready.cjs", "init", "--log-level", "debug"],
        ["conversation-files.cjs"]
      ]) {
        const env = { DATABASE_FILE: join(folder, "app.db"), DATA_DIRECTORY: join(folder, "data"), PORT: "0" }
        const { ended } = spawnNode(["--require", preload, join(folder, "dist", bundle ?? ""), ...args], {
          cwd: folder,
          env
        })
        const { code, stderr, stdout } = yield* Effect.promise(() => ended)
        assert.deepStrictEqual([bundle, code], [bundle, 70], stderr)
        assert.match(stderr, /A defect in this program: Error: unexpected.*\n +at /s)
        assert.notInclude(stderr + stdout, root)
      }
    })
  )
})
