import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { plainArguments } from "../src/program/arguments.ts"
import { temporaryFolder } from "./support/database.ts"
import { program, runProgram, spawnNode } from "./support/program.ts"

const built = dirname(program)

describe("a plain command line", () => {
  it("is init or status with whole flags, each once, and nothing that needs explaining", () => {
    const isPlain = (line: string, environment: Record<string, string> = {}) =>
      plainArguments(line === "" ? [] : line.split(" "), environment) !== undefined
    const plain = [
      "init",
      "status --json",
      "init --database a.db --migrations m --integrity full --backups 3 --timeout 20s --json",
      "init --trust-filesystem 9p,fuse.bindfs",
      "init --application-id 1096958790",
      "status --integrity auto --timeout 500ms --database a=b.db"
    ]
    const others = [
      "",
      "--help",
      "--version",
      "restore --database a.db",
      "frob",
      "init --help",
      "init extra",
      "init --database",
      "init --database=a.db",
      "init --database --json",
      "init --Database a.db",
      "init --JSON",
      "INIT",
      "init --database a.db --database b.db",
      "init --json --json",
      "init --json true",
      "init --log-level debug",
      "init --integrity banana",
      "init --backups -1",
      "init --backups two",
      "init --application-id 0x41",
      "init --timeout soon",
      "init --trust-filesystem 9p,,virtiofs",
      "status --backups 3"
    ]
    assert.deepStrictEqual(
      plain.filter((line) => !isPlain(line)),
      []
    )
    assert.deepStrictEqual(
      others.filter((line) => isPlain(line)),
      []
    )
    assert.isFalse(isPlain("init", { DATABASE_TIMEOUT: "soon" }))
    assert.isFalse(isPlain("init", { DATABASE_FILE: "" }))
    assert.isTrue(isPlain("init --timeout 20s", { DATABASE_TIMEOUT: "soon" }))
    assert.isTrue(isPlain("status", { DATABASE_BACKUPS: "many" }), "status makes no backups and asks for none")
  })

  it.scoped(
    "means the same to the full parser",
    () =>
      Effect.gen(function* () {
        const cwd = yield* temporaryFolder
        mkdirSync(join(cwd, "migrations"))
        writeFileSync(join(cwd, "migrations", "007_things.sql"), "CREATE TABLE things (x);")
        const told = Effect.fnUntraced(function* (line: string, env: Record<string, string>) {
          const { code, stdout } = yield* runProgram(line.split(" "), { cwd, env })
          const { database, error, integrity, schemaVersion } = JSON.parse(stdout)
          return { code, database, schemaVersion, policy: integrity?.policy, refused: error?.reason }
        })
        const cases: ReadonlyArray<[string, Record<string, string>]> = [
          ["init --json", {}],
          ["status --json", {}],
          ["status --json --database absent.db", {}],
          ["init --json --database flag.db --migrations migrations --integrity full --backups 0", {}],
          ["init --json --timeout 0ms --database late.db", {}],
          ["init --json", { DATABASE_FILE: "env.db", DATABASE_MIGRATIONS: "migrations", DATABASE_INTEGRITY: "quick" }],
          ["status --json --database flag.db", { DATABASE_FILE: "env.db", DATABASE_MIGRATIONS: "migrations" }],
          ["init --json --application-id 77 --database marked.db --migrations migrations", {}],
          ["init --json --database env.db", { DATABASE_TIMEOUT: "20s", DATABASE_BACKUPS: "1" }]
        ]
        for (const [line, env] of cases) {
          assert.isDefined(plainArguments(line.split(" "), env), line)
          // The first start creates what the second finds, so each goes first once.
          yield* told(line, env)
          const explained = yield* told(line.replace(" ", " --log-level warning "), env)
          assert.deepStrictEqual(yield* told(line, env), explained, line)
        }
      }),
    120_000
  )
})

describe("the driver in the bundle", () => {
  it.scoped("is replaced by another release if that is installed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const driver = join(folder, "node_modules", "better-sqlite3")
      mkdirSync(driver, { recursive: true })
      writeFileSync(join(driver, "package.json"), JSON.stringify({ version: "0.0.0", main: "index.js" }))
      writeFileSync(join(driver, "index.js"), `throw new Error("another release")`)
      for (const file of ["database-ready.cjs", "program.cjs"]) copyFileSync(join(built, file), join(folder, file))
      const args = [join(folder, "database-ready.cjs"), "init", "--database", join(folder, "app.db")]
      assert.include((yield* Effect.promise(() => spawnNode(args).ended)).stderr, "another release")
    })
  )
})

describe("the code cache of V8", () => {
  const copied = Effect.tap(temporaryFolder, (folder) =>
    Effect.sync(() => {
      for (const file of ["database-ready.cjs", "program.cjs"]) copyFileSync(join(built, file), join(folder, file))
      symlinkSync(join(built, "../node_modules"), join(folder, "node_modules"))
    })
  )
  const start = Effect.fnUntraced(function* (folder: string, ...command: ReadonlyArray<string>) {
    const args = [join(folder, "database-ready.cjs"), ...command, "--database", join(folder, "app.db")]
    const { code, stderr } = yield* Effect.promise(() => spawnNode(args).ended)
    return [code, stderr]
  })
  const caches = (folder: string) => readdirSync(folder).filter((name) => name.includes(".cache"))

  it.scoped("is saved by the first `init` that is ready, next to the program, and by nothing else", () =>
    Effect.gen(function* () {
      const folder = yield* copied
      yield* start(folder, "status")
      assert.deepStrictEqual(caches(folder), [])
      assert.deepStrictEqual(yield* start(folder, "init"), [0, ""])
      const [name = "", ...others] = caches(folder)
      assert.deepStrictEqual(others, [])
      const kept = readFileSync(join(folder, name))
      assert.deepStrictEqual(yield* start(folder, "init"), [0, ""])
      assert.isTrue(readFileSync(join(folder, name)).equals(kept))
    })
  )

  it.scoped("is not needed: a start works if it does not fit or cannot be saved", () =>
    Effect.gen(function* () {
      const folder = yield* copied
      yield* start(folder, "init")
      const file = join(folder, caches(folder)[0] ?? "")
      const whole = readFileSync(file)
      const ofAnotherV8 = Buffer.from(whole)
      ofAnotherV8.fill(0xa5, 0, 32)
      for (const cache of [Buffer.alloc(0), whole.subarray(0, 1000), ofAnotherV8, whole]) {
        writeFileSync(file, cache)
        assert.deepStrictEqual(yield* start(folder, "init"), [0, ""], `${cache.length} bytes`)
      }
      rmSync(file)
      // A directory of that name cannot be replaced by a file.
      mkdirSync(join(file, "full"), { recursive: true })
      assert.deepStrictEqual(yield* start(folder, "init"), [0, ""])
      assert.deepStrictEqual(caches(folder), [basename(file)])
    })
  )
})
