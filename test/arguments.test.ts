import { spawnSync } from "node:child_process"
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { plainArguments } from "../src/program/arguments.ts"
import { temporaryFolder } from "./support/database.ts"
import { program } from "./support/program.ts"

const built = dirname(program)

describe("a plain command line", () => {
  it("is init or status with whole flags, each once, and nothing that has to be explained", () => {
    const isPlain = (line: string, environment: Record<string, string> = {}) =>
      plainArguments(line === "" ? [] : line.split(" "), environment) !== undefined
    const plain = [
      "init",
      "status --json",
      "init --database a.db --migrations m --integrity full --backups 3 --timeout 20s --json",
      "init --trust-filesystem 9p,fuse.bindfs",
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

  it.scoped("means what it means to the parser that explains the others", () =>
    Effect.gen(function* () {
      const cwd = yield* temporaryFolder
      mkdirSync(join(cwd, "migrations"))
      writeFileSync(join(cwd, "migrations", "007_things.sql"), "CREATE TABLE things (x);")
      const told = (file: string, line: string, env: Record<string, string>) => {
        const { status, stdout } = spawnSync(process.execPath, [join(built, file), ...line.split(" ")], {
          cwd,
          env: { PATH: process.env["PATH"], ...env },
          encoding: "utf8"
        })
        const { database, error, integrity, schemaVersion } = JSON.parse(stdout)
        return { status, database, schemaVersion, policy: integrity?.policy, refused: error?.reason }
      }
      const cases: ReadonlyArray<[string, Record<string, string>]> = [
        ["init --json", {}],
        ["status --json", {}],
        ["status --json --database absent.db", {}],
        ["init --json --database flag.db --migrations migrations --integrity full --backups 0", {}],
        ["init --json --timeout 0ms --database late.db", {}],
        ["init --json", { DATABASE_FILE: "env.db", DATABASE_MIGRATIONS: "migrations", DATABASE_INTEGRITY: "quick" }],
        ["status --json --database flag.db", { DATABASE_FILE: "env.db", DATABASE_MIGRATIONS: "migrations" }],
        ["init --json --database env.db", { DATABASE_TIMEOUT: "20s", DATABASE_BACKUPS: "1" }]
      ]
      for (const [line, env] of cases) {
        assert.isDefined(plainArguments(line.split(" "), env), line)
        // The first start makes what the second finds, so that each goes first once.
        told("database-ready.cjs", line, env)
        assert.deepStrictEqual(told("database-ready.cjs", line, env), told("program.cjs", line, env), line)
      }
    })
  )
})

describe("the driver in the bundle", () => {
  it.scoped("gives way to another release that is installed", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const driver = join(folder, "node_modules", "better-sqlite3")
      mkdirSync(driver, { recursive: true })
      writeFileSync(join(driver, "package.json"), JSON.stringify({ version: "0.0.0", main: "index.js" }))
      writeFileSync(join(driver, "index.js"), `throw new Error("another release")`)
      for (const file of ["database-ready.cjs", "direct.cjs"]) copyFileSync(join(built, file), join(folder, file))
      const args = [join(folder, "database-ready.cjs"), "init", "--database", join(folder, "app.db")]
      assert.include(spawnSync(process.execPath, args, { encoding: "utf8" }).stderr, "another release")
    })
  )
})

describe("the code cache", () => {
  it.scoped("is ignored where it does not fit or is not there", () =>
    Effect.gen(function* () {
      // Beside the program, where its driver is found.
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(built, "cache-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
      )
      for (const file of ["database-ready.cjs", "direct.cjs"]) copyFileSync(join(built, file), join(folder, file))
      const whole = readFileSync(join(built, "direct.cache"))
      const ofAnotherV8 = Buffer.from(whole)
      ofAnotherV8.fill(0xa5, 0, 32)
      for (const cache of [undefined, Buffer.alloc(0), whole.subarray(0, 1000), ofAnotherV8, whole]) {
        if (cache !== undefined) writeFileSync(join(folder, "direct.cache"), cache)
        const args = [join(folder, "database-ready.cjs"), "init", "--database", join(folder, "app.db")]
        const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" })
        assert.deepStrictEqual([status, stderr], [0, ""], `${cache?.length} bytes`)
      }
    })
  )
})
