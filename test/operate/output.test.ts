/** What the program writes besides its result: events for programs, progress on a terminal, questions to a person. */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { independently, notesFiles, rowsOf, temporaryFile } from "../support/database.ts"
import { program, runProgram } from "../support/program.ts"

/** Two migrations next to a database that has the first of them. */
const prepared = Effect.gen(function* () {
  const file = yield* temporaryFile
  const migrations = join(dirname(file), "migrations")
  mkdirSync(migrations, { recursive: true })
  const [first = "", second = ""] = Object.keys(notesFiles)
  const write = (name: string) =>
    writeFileSync(join(migrations, name), Object.entries(notesFiles).find(([one]) => one === name)?.[1] ?? "")
  write(first)
  const of = ["--database", file, "--migrations", migrations]
  assert.strictEqual((yield* runProgram(["init", ...of])).code, 0)
  write(second)
  return { file, migrations, of }
})

/** Enough that copies and checks tell how far they are. */
const fill = (file: string) =>
  independently(file, (connection) =>
    connection.exec(
      "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 9000) INSERT INTO notes (body) SELECT hex(randomblob(2000)) FROM n"
    )
  )

/** The lines of a stream: events, each with its name and its time, and the result. */
const streamed = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const { code, stderr, stdout } = yield* runProgram([...args, "--json=stream"])
  assert.strictEqual(stderr, "", args.join(" "))
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line): Readonly<Record<string, unknown>> => JSON.parse(line))
  const result = lines.at(-1) ?? {}
  const events = lines.slice(0, -1)
  assert.notProperty(result, "event")
  for (const { at, event } of events) {
    assert.isString(event)
    assert.match(String(at), /^20\d\d-\d\d-\d\dT[\d:.]+Z$/)
  }
  return { code, events, result, names: [...new Set(events.map(({ event }) => event))] }
})

describe("--json=stream", () => {
  it.scopedLive("writes an event in each line, with totals, and the result in the last one", () =>
    Effect.gen(function* () {
      const { file, of } = yield* prepared
      yield* fill(file)
      const rehearsed = yield* streamed("rehearse", ...of)
      assert.strictEqual(rehearsed.result["status"], "rehearsed")
      assert.includeMembers(rehearsed.names, ["started", "progress", "passed"])
      const made = yield* streamed("init", ...of)
      assert.deepStrictEqual([made.code, made.result["status"], made.result["schemaVersion"]], [0, "ready", "002"])
      const stages = ["directory", "connection", "pragmas", "migrations", "integrity", "pragmas"]
      for (const event of ["started", "passed"]) {
        const told = made.events.filter((one) => one["event"] === event)
        assert.deepStrictEqual(
          told.map(({ stage }) => stage),
          stages
        )
      }
      const copies = made.events.filter(({ doing }) => doing === "making the backup")
      assert.isNotEmpty(copies)
      for (const { done, total, unit } of copies) {
        assert.isAtMost(Number(done), Number(total))
        assert.isAbove(Number(total), 36_000_000)
        assert.strictEqual(unit, "bytes")
      }
      const backup = yield* streamed("backup", "--database", file, "--compress", "gzip")
      assert.deepStrictEqual([backup.code, backup.result["status"]], [0, "backed up"])
      assert.deepStrictEqual(backup.names, ["progress"])
      const checked = yield* streamed("check", ...of)
      assert.strictEqual(checked.code, 0)
      assert.include(
        checked.events.map(({ doing }) => doing),
        "running quick_check"
      )
      const restored = yield* streamed("restore", "--database", file)
      assert.deepStrictEqual([restored.code, restored.result["status"]], [0, "restored"])
      assert.deepStrictEqual(
        restored.events.map(({ doing }) => doing),
        ["checking the backup", "copying the backup", "keeping what was there", "writing the database"]
      )
      const proven = yield* streamed("proof", ...of)
      assert.deepStrictEqual([proven.code, proven.result["status"]], [75, "failed"])
    })
  )

  it.scopedLive(
    "ends with a refusal as with --json, also of a command line, and tells of each database of a fleet",
    () =>
      Effect.gen(function* () {
        const { file, migrations } = yield* prepared
        writeFileSync(join(dirname(file), "other.db"), "no database, but long enough to be one. ".repeat(20))
        const fleet = yield* streamed("fleet", dirname(file), "--migrations", migrations)
        assert.deepStrictEqual([fleet.code, fleet.result], [65, { status: "failed", total: 2, refused: 1 }])
        const ended = fleet.events.filter(({ event }) => event === "database")
        assert.deepStrictEqual(ended.map(({ name, total }) => [name, total]).sort(), [
          ["app", 2],
          ["other", 2]
        ])
        const passed = (name: string) =>
          fleet.events.filter((one) => one["event"] === "passed" && one["name"] === name).map(({ stage }) => stage)
        assert.include(passed("app"), "integrity")
        assert.deepStrictEqual(passed("other"), ["directory"])
        const absent = yield* streamed("status", "--database", `${file}.none`, "--migrations", migrations)
        assert.deepStrictEqual([absent.code, absent.result["status"]], [75, "failed"])
        assert.deepStrictEqual(absent.names, ["started", "passed", "failed"])
        const { code, stdout } = yield* runProgram(["check", "--no-such-flag", "--json=stream"])
        assert.deepStrictEqual([code, JSON.parse(stdout).status], [64, "failed"])
      })
  )
})

/** Runs the program on a terminal of its own, which `script` of util-linux makes; `typed` is the answer to its question. */
const onTerminal = (args: ReadonlyArray<string>, typed = "") =>
  Effect.promise(
    () =>
      new Promise<{ readonly code: number | null; readonly said: string }>((resolve, reject) => {
        const command = [process.execPath, program, ...args].map((word) => `'${word}'`).join(" ")
        const terminal = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] })
        let said = ""
        let isAsked = false
        terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
          said += text
          if (isAsked || !said.includes("(y/N)")) return
          isAsked = true
          terminal.stdin.write(typed)
        })
        terminal.once("error", reject)
        terminal.once("close", (code) => resolve({ code, said }))
      })
  )
const hasNoTerminal = spawnSync("script", ["-qec", "true", "/dev/null"], { input: "" }).status !== 0

describe.skipIf(hasNoTerminal)(
  `on a terminal${hasNoTerminal ? " (skipped: script of util-linux makes none)" : ""}`,
  () => {
    it.scopedLive("progress is shown, with bytes; in a log it is not", () =>
      Effect.gen(function* () {
        const { file, of } = yield* prepared
        yield* fill(file)
        assert.deepStrictEqual((yield* runProgram(["rehearse", ...of])).stderr, "")
        assert.match(
          (yield* onTerminal(["rehearse", ...of])).said,
          /copying the database in the connection stage: \d+ of \d+ MB/
        )
        const { code, said } = yield* onTerminal(["init", ...of])
        assert.match(said, /making the backup in the migrations stage: \d+ of \d+ MB/)
        assert.strictEqual(code, 0)
        rmSync(`${file}.001-to-002.backup`)
      })
    )

    it.scopedLive("repair asks, and writes only after a yes", () =>
      Effect.gen(function* () {
        const { file, migrations, of } = yield* prepared
        yield* runProgram(["init", ...of])
        writeFileSync(join(migrations, "002_add_tags.sql"), `${notesFiles["002_add_tags.sql"]}\nSELECT 1;`)
        const repair = ["repair", "accept-edited", "002", ...of, "--reason", "seen by Ann"]
        const events = "SELECT count(*) AS n FROM schema_migrations WHERE events IS NOT NULL"
        for (const [typed, code, n] of [
          ["n\r", 64, 0],
          ["\r", 64, 0],
          ["\u0003", 64, 0],
          ["\u0004", 64, 0],
          ["y\r", 0, 1]
        ] as const) {
          const asked = yield* onTerminal(repair, typed)
          assert.include(asked.said, "Write this? (y/N)")
          assert.notInclude(asked.said, "\u001b[0;")
          assert.deepStrictEqual([asked.code, yield* rowsOf(file, events)], [code, [{ n }]], JSON.stringify(typed))
        }
      })
    )
  }
)
