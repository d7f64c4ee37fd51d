/** The library inside another program's bundle, with the driver outside. */
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import * as PlatformError from "@effect/platform/Error"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { buildSync, type Format } from "esbuild"
import * as inTheProgram from "../src/build/platformError.ts"
import { temporaryFolder } from "./support/database.ts"

const layers = join(import.meta.dirname, "../layers")

/** A start, then one question in a process of its own, like the page check of a large file. */
const source = `
import { NodeContext } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { DatabaseReady, Migrations } from ${JSON.stringify(join(layers, "index.ts"))}
import { askBeside } from ${JSON.stringify(join(layers, "sqlite/PageCheck/SqliteBeside.ts"))}
const [, , filename] = process.argv
const migrations = Migrations.fromRecord({ "001_notes.sql": "CREATE TABLE notes (body);" })
const database = DatabaseReady.layer({ filename, migrations }).pipe(Layer.provide(NodeContext.layer))
const program = Effect.gen(function* () {
  const { report } = yield* DatabaseReady
  const [row] = yield* Effect.flatMap(askBeside({ file: filename, sql: "PRAGMA quick_check" }), ({ rows }) => rows)
  console.log(JSON.stringify([report.status, row.quick_check]))
})
Effect.runPromise(program.pipe(Effect.scoped, Effect.provide(database), Effect.provide(Layer.empty)))
`

describe("a bundle of another program", () => {
  for (const format of ["cjs", "esm"] satisfies ReadonlyArray<Format>) {
    it.scopedLive(`starts in the format ${format}, from any directory, and checks pages in a process of its own`, () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const elsewhere = yield* temporaryFolder
        const bundle = join(folder, `bundle.${format === "cjs" ? "cjs" : "mjs"}`)
        buildSync({
          stdin: { contents: source, resolveDir: import.meta.dirname, loader: "ts" },
          bundle: true,
          platform: "node",
          target: "node20",
          format,
          external: ["better-sqlite3"],
          outfile: bundle,
          logLevel: "error",
          ...(format === "esm"
            ? {
                banner: { js: 'import { createRequire as r } from "node:module";const require = r(import.meta.url);' }
              }
            : {})
        })
        const installed = join(dirname(layers), "node_modules/better-sqlite3")
        assert.isTrue(existsSync(installed))
        mkdirSync(join(folder, "node_modules"))
        symlinkSync(installed, join(folder, "node_modules/better-sqlite3"))
        const ended = spawnSync(process.execPath, [bundle, join(folder, "app.db")], {
          cwd: elsewhere,
          encoding: "utf8"
        })
        assert.include(ended.stdout, JSON.stringify(["ready", "ok"]), ended.stderr)
      })
    )
  }
})

describe("the platform's errors in the bundle of the program", () => {
  const module = "FileSystem"
  const [method, description, cause] = ["open", "no such file", new Error("ENOENT")]
  const seen = (error: Error & { readonly _tag: string }) => [
    error._tag,
    error.name,
    error.message,
    { ...error },
    error.cause,
    PlatformError.isPlatformError(error),
    inTheProgram.isPlatformError(error)
  ]

  it("say what those of the platform say", () => {
    const system = { reason: "NotFound", module, method } as const
    for (const more of [
      {},
      { description },
      { pathOrDescriptor: "a.db", syscall: "open", cause },
      { pathOrDescriptor: 0 }
    ]) {
      const facts = { ...system, ...more }
      assert.deepStrictEqual(seen(new inTheProgram.SystemError(facts)), seen(new PlatformError.SystemError(facts)))
    }
    for (const facts of [{ module, method } as const, { module, method, description, cause } as const]) {
      assert.deepStrictEqual(seen(new inTheProgram.BadArgument(facts)), seen(new PlatformError.BadArgument(facts)))
    }
  })

  it("are the base of those of @effect/sql", () => {
    const id = Symbol.for("test")
    const one = new (inTheProgram.TypeIdError(id, "Made"))()
    const other = new (PlatformError.TypeIdError(id, "Made"))({})
    assert.deepStrictEqual([one.name, one._tag, id in one], [other.name, other._tag, id in other])
    assert.strictEqual(one.name, "Made")
  })

  it("are all that the platform has", () => {
    assert.sameMembers(
      [...Object.keys(inTheProgram), "Module", "PlatformError", "SystemErrorReason"],
      Object.keys(PlatformError)
    )
  })
})
