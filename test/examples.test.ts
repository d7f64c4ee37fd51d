/** The examples run, each by its command. */
import { symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { rowsOf, temporaryFolder } from "./support/database.ts"
import { spawnNode } from "./support/program.ts"

const example = (name: string) => join(import.meta.dirname, "examples", `${name}.mjs`)

/** Runs to its end and gives the lines. */
const run = (script: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(async () => {
    const { code, stderr, stdout } = await spawnNode([script, ...args]).ended
    assert.strictEqual(code, 0, stderr)
    return stdout.trim().split("\n")
  })

describe("an example", () => {
  it.scopedLive("http: serves once the database is ready, and writes", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "notes.db")
      const service = yield* Effect.acquireRelease(
        Effect.sync(() => spawnNode([example("http"), file, "0"])),
        ({ ended, process }) =>
          Effect.promise(() => {
            process.kill()
            return ended
          })
      )
      const url = yield* Effect.promise(() => service.says(/http:\/\/127\.0\.0\.1:\d+/, "stdout"))
      const ask = (path: string, options?: { readonly method: string; readonly body: string }) =>
        Effect.promise(async () => {
          const response = await fetch(`${url}${path}`, options)
          return [response.status, await response.text()]
        })
      assert.deepStrictEqual(yield* ask("/notes", { method: "POST", body: "tea" }), [201, ""])
      assert.deepStrictEqual(yield* ask("/notes"), [200, '[{"id":1,"text":"tea"}]'])
      assert.deepStrictEqual(yield* ask("/readyz"), [200, "ready"])
    })
  )

  it.scopedLive("cli, and bundle: keeps notes, as it is and as one file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "notes.db")
      const bundle = join(folder, "notes.cjs")
      yield* run(example("cli"), file, "add", "tea")
      symlinkSync(join(import.meta.dirname, "../node_modules"), join(folder, "node_modules"))
      yield* run(example("bundle"), bundle)
      yield* run(bundle, file, "add", "milk")
      assert.deepStrictEqual(yield* run(bundle, file, "list"), ["1 tea", "2 milk"])
    })
  )

  it.scopedLive("tenants: opens one file for each, and goes on where one is refused", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* run(example("tenants"), folder, "ada")
      const lines = yield* run(example("tenants"), folder, "ada", "../eve", "ben")
      assert.sameMembers([...lines], ["ada 2", "../eve refused: no name of a tenant: ../eve", "ben 1"])
    })
  )

  it.scopedLive("workers: takes each job once", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "jobs.db")
      const lines = yield* run(example("workers"), file, "2", "10")
      const counts = lines.map((line) => Number(line.split(" ")[1]))
      assert.strictEqual(counts.length, 2)
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count, 0),
        10
      )
      const left = yield* rowsOf(file, "SELECT count(*) AS jobs FROM jobs WHERE worker IS NULL")
      assert.deepStrictEqual(left, [{ jobs: 0 }])
    })
  )
})
