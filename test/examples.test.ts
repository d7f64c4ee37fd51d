/** The examples run, each by its command. */
import { readdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCode } from "../layers/index.ts"
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

/** The first lines of each say the command that starts it. */
const commandOf = (name: string): ReadonlyArray<string> => {
  const [, command = ""] = /`node (test\/examples\/[^`]*)`/.exec(readFileSync(example(name), "utf8")) ?? []
  return command.split(" ").filter((word) => word.startsWith("test/"))
}

describe("an example", () => {
  it.scopedLive("of a program that ends starts by the command in its first lines, with nothing else given", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      const root = join(import.meta.dirname, "..")
      symlinkSync(join(root, "node_modules"), join(cwd, "node_modules"))
      const said: Record<string, string> = {}
      for (const name of ["cli", "tenants", "workers", "bundle"]) {
        const [script = ""] = commandOf(name)
        const { code, stderr, stdout } = yield* Effect.promise(() => spawnNode([join(root, script)], { cwd }).ended)
        assert.deepStrictEqual([name, code, stderr], [name, 0, ""])
        said[name] = stdout
      }
      assert.deepInclude(said, { cli: "", tenants: "acme 1\n", bundle: "" })
      // Each job is taken once.
      const counts = [...(said["workers"] ?? "").matchAll(/^worker-\d (\d+)$/gm)].map(([, count]) => Number(count))
      assert.strictEqual(counts.length, 2)
      assert.strictEqual(
        counts.reduce((sum, count) => sum + count, 0),
        100
      )
      const left = yield* rowsOf(join(cwd, "data/jobs.db"), "SELECT count(*) AS jobs FROM jobs WHERE worker IS NULL")
      assert.deepStrictEqual(left, [{ jobs: 0 }])
      assert.sameMembers(readdirSync(cwd), ["node_modules", "data", "dist"])

      // The bundle is the command line, with the same database.
      const bundle = join(cwd, "dist/notes.cjs")
      const file = join(cwd, "data/notes.db")
      yield* run(bundle, file, "add", "tea")
      assert.deepStrictEqual(yield* run(bundle, file, "list"), ["1 tea"])
      const refused = yield* Effect.promise(() => spawnNode([bundle, join(file, "no"), "list"]).ended)
      assert.strictEqual(refused.code, exitCode.cannotCreate)
      assert.match(refused.stderr, /^not ready {2}\S*notes\.db\/no .*DirectoryError\.NotADirectory/s)
    })
  )

  it.scopedLive("http: serves once the database is ready, and writes", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryFolder, "notes.db")
      const service = yield* Effect.acquireRelease(
        Effect.sync(() => spawnNode([example("http"), file, "0"])),
        ({ ended, process }) =>
          Effect.promise(() => {
            process.kill("SIGKILL")
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
      const [status, body] = yield* ask("/readyz")
      assert.deepStrictEqual([status, JSON.parse(String(body))], [200, { status: "pass", phase: "open", checks: {} }])
      service.process.kill("SIGTERM")
      assert.strictEqual((yield* Effect.promise(() => service.ended)).code, 0)
    })
  )

  it.scopedLive("tenants: opens one file for each, and goes on where one is refused", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const lines = yield* run(example("tenants"), folder, "ada", "../eve", "ben", "ada")
      assert.includeMembers([...lines], ["ada 1", "ada 2", "ben 1"])
      assert.match(lines.join("\n"), /^\.\.\/eve refused: "\.\.\/eve" cannot be the name of a database of the fleet/m)
    })
  )
})
