/** The program on PostgreSQL, run as a user runs it. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { addressOf } from "../../layers/postgres/DatabaseUrl.ts"
import { lockKey } from "../../layers/postgres/Session.ts"
import { withoutPassword } from "../../src/program/say.ts"
import { temporaryFolder } from "../support/database.ts"
import { type Ended, runProgram } from "../support/program.ts"
import { hasPostgres, socketFolder } from "./cluster.ts"
import { ask, askAndStay, urlOf } from "./databases.ts"

/** A folder with migrations, in which the program runs. */
const project = Effect.tap(temporaryFolder, (folder) =>
  Effect.sync(() => {
    mkdirSync(join(folder, "migrations"))
    writeFileSync(join(folder, "migrations/001_notes.sql"), "CREATE TABLE notes (id int PRIMARY KEY, note text);\n")
  })
)

const reportOf = ({ stdout }: Ended) => {
  assert.match(stdout, /^[^\n]+\n$/)
  return JSON.parse(stdout)
}

describe.skipIf(!hasPostgres)("database-ready on PostgreSQL", () => {
  it.scopedLive("plans, creates, migrates and looks, with the report and the exit codes of a file", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      const folder = yield* Effect.promise(socketFolder)
      const url = urlOf(folder, `of_the_program_${process.pid}`)
      const env = { DATABASE_URL: url }
      const absent = yield* runProgram(["init", "--json"], { cwd, env })
      assert.deepStrictEqual([absent.code, reportOf(absent).error.reason, absent.stderr], [73, "Absent", ""])
      const planned = yield* runProgram(["plan", "--create"], { cwd, env })
      assert.strictEqual(planned.code, 2)
      assert.match(planned.stdout, /^something to do {2}postgres:\/\/\/.* schema none to 001\n\nwould create\n/)
      const made = yield* runProgram(["init", "--create"], { cwd, env })
      assert.deepStrictEqual([made.code, made.stderr], [0, ""])
      assert.match(made.stdout, /^ {2}directory .*, created\n {2}connection .*PostgreSQL \d+/)
      assert.match(made.stdout, /\nready {2}postgres:\/\/\/.*\/of_the_program_\d+ {2}schema 001 {2}[\d.]+ ms\n$/)
      // `pg` would load `fetch` on Node.js 20, which takes as long as the rest of a start.
      const hook =
        "process.on('exit', () => require('node:fs').writeFileSync('loaded', [process.moduleLoadList.some((one) => one.includes('undici')), typeof Response]+''))"
      writeFileSync(join(cwd, "hook.cjs"), hook)
      const hooked = { ...env, NODE_OPTIONS: "--require ./hook.cjs" }
      const report = reportOf(yield* runProgram(["status", "--json"], { cwd, env: hooked }))
      assert.strictEqual(readFileSync(join(cwd, "loaded"), "utf8"), "false,function")
      assert.deepStrictEqual(
        [report.status, report.engine, report.schemaVersion, report.applied, report.backup],
        ["ready", "postgres", "001", [], null]
      )
      writeFileSync(join(cwd, "migrations/002_index.sql"), "CREATE INDEX notes_note ON notes (note);\n")
      const behind = yield* runProgram(["status"], { cwd, env })
      assert.deepStrictEqual([behind.code, behind.stdout], [75, ""])
      assert.match(behind.stderr, /Migrations are pending: 002_index \(.*\)\n {2}remedy .*`database-ready init`/)
      const next = reportOf(yield* runProgram(["plan", "--json"], { cwd, env }))
      assert.deepStrictEqual(
        [next.status, next.schemaVersion, next.pending[0].tables, next.earlier.length, next.error],
        ["pending", "001", ["notes"], 1, null]
      )
      assert.deepStrictEqual(next.lockedBy, [])
      const key = lockKey("public")
      const [held] = yield* askAndStay(url, `SELECT pg_backend_pid() AS pid, pg_advisory_lock(${key})`)
      const beside = reportOf(yield* runProgram(["plan", "--json"], { cwd, env }))
      assert.deepStrictEqual(
        [beside.status, beside.lockedBy.map(({ pid }: { readonly pid: number }) => pid)],
        ["pending", [held?.pid]]
      )
      // A plan has tried the statements, and left nothing.
      writeFileSync(join(cwd, "migrations/002_index.sql"), "CREATE INDEX notes_note ON notes (\n  nothing);\n")
      const wrong = yield* runProgram(["plan"], { cwd, env })
      assert.strictEqual(wrong.code, 65)
      assert.match(wrong.stdout, /002_index failed \(42703/)
      assert.deepStrictEqual(
        yield* ask(url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'database_ready%'"),
        []
      )
    })
  )

  it.scopedLive("takes the password from a file, PGPASSWORD or the password file, and shows none", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      const folder = yield* Effect.promise(socketFolder)
      const role = "keeper"
      const name = `kept_${process.pid}`
      yield* ask(urlOf(folder, "postgres"), `CREATE ROLE ${role} LOGIN PASSWORD 's3cr3t word'`)
      yield* ask(urlOf(folder, "postgres"), `CREATE DATABASE ${name} OWNER ${role}`)
      const url = urlOf(folder, name, role)
      const given = (words: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
        runProgram(["init", "--json", ...words], { cwd, env: { HOME: cwd, ...env } })
      const [file, passwords] = [join(cwd, "password"), join(cwd, ".pgpass")]
      writeFileSync(file, "s3cr3t word\n")
      writeFileSync(passwords, `*:*:${name}:${role}:s3cr3t word\n`)
      chmodSync(passwords, 0o600)
      const runs = yield* Effect.all([
        given(["--database", url, "--password-file", file]),
        given(["--database", url], { PGPASSWORD: "s3cr3t word" }),
        given(["--database", url]),
        given(["--database", url], { PGPASSWORD: "s3cr3t wrong" }),
        given(["--database", url, "--password-file", join(cwd, "absent")]),
        given(["--database", url.replace(`${role}@`, `${role}:s3cr3t%20word@`)])
      ])
      assert.deepStrictEqual(
        runs.map(({ code }) => code),
        [0, 0, 0, 77, 64, 0]
      )
      assert.notInclude(JSON.stringify(runs), "s3cr3t")
      assert.match(runs[5]?.stdout ?? "", /The password is on the command line/)
    })
  )

  it.scopedLive("refuses what is for files, and says what PostgreSQL has instead", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      const url = "postgres://app:s3cr3t@db.example.org/app"
      const refused = (...words: ReadonlyArray<string>) => runProgram([...words, "--json"], { cwd })
      const runs = yield* Effect.all(
        [
          refused("backup", "--database", url),
          refused("diff", url, "migrations"),
          refused("init", "--database", url, "--backups", "3"),
          refused("init", "--database", "mysql://app:s3cr3t@db.example.org/app"),
          refused("init", "--database", "app.db", "--create"),
          refused("init", "--database", "postgres://app:s3cr3t/x@db.example.org/app"),
          refused("init", url)
        ],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(
        runs.map((run) => [run.code, reportOf(run).error.reason]),
        [
          [64, "OnlyFiles"],
          [64, "OnlyFiles"],
          [64, "OtherEngine"],
          [64, "UnknownEngine"],
          [64, "OtherEngine"],
          [64, "InvalidUrl"],
          [64, "Usage"]
        ]
      )
      assert.include(reportOf(runs[0] ?? assert.fail()).error.remedy, "pg_dump")
      assert.notInclude(JSON.stringify(runs), "s3cr3t")
    })
  )
})

describe("database-ready on a file", () => {
  it.scopedLive("loads not a line of pg; without pg a URL is refused with how to get it", () =>
    Effect.gen(function* () {
      const cwd = yield* project
      const hook = join(cwd, "hook.cjs")
      writeFileSync(
        hook,
        `const Module = require("node:module"), load = Module._load
Module._load = function (name, ...more) {
  if (/^pg([-/]|$)/.test(name)) throw Object.assign(new Error("Cannot find module 'pg'\\nRequire stack:"), { code: "MODULE_NOT_FOUND" })
  return load.call(this, name, ...more)
}`
      )
      const env = { NODE_OPTIONS: `--require ${hook}` }
      const file = yield* runProgram(["init", "--database", "app.db"], { cwd, env })
      assert.deepStrictEqual([file.code, file.stderr], [0, ""])
      const planned = yield* runProgram(["plan", "--database", "app.db"], { cwd, env })
      assert.strictEqual(planned.code, 0)
      const url = yield* runProgram(["init", "--database", "postgres://app@db.example.org/app"], { cwd, env })
      assert.strictEqual(url.code, 70)
      assert.match(url.stderr, /package pg is needed .*Cannot find module 'pg'\)\n {2}remedy {2}Run `npm install pg@8`/)
    })
  )
})

describe("a URL that cannot be understood", () => {
  const urls = [
    "postgres://app:s3cr3t@pa@db.example.org/app",
    "postgres://app:s3cr3t/pa@db.example.org/app",
    "postgres://app:s3cr3t?pa=s3cr3t@db.example.org/app",
    "postgres://app:1/s3cr3t@db.example.org/app",
    "postgres://app:1?s3cr3t=1@db.example.org/app",
    "postgres://app:1?s3cr3t=1",
    "postgres://app:s3cr3t",
    "POSTGRES://app:s3cr3t@db.example.org/app",
    "postgres://db.example.org/app?password=s3cr3t"
  ]

  it.each(urls)("is refused without a part of the password: %s", (url) => {
    const told = addressOf(url)
    assert.isString(told)
    assert.notInclude(told, "s3cr3t")
  })

  it("is shown without what may be a password", () => {
    const shown = [
      ...urls.filter((url) => !url.endsWith("?s3cr3t=1")),
      "postgres://app:s3cr3t pa\"'\n@db.example.org/app"
    ].map(withoutPassword)
    assert.notInclude(shown.join("\n"), "s3cr3t")
    const plain = [
      "postgres://app@db.example.org:5432/app?sslmode=require",
      "postgres://db.example.org:5432",
      "data/app.db",
      "file:data/app.db?mode=ro"
    ]
    assert.deepStrictEqual(plain.map(withoutPassword), plain)
  })
})
