/**
 * Locks that the system does not give or does not release. strace makes fcntl(2) fail; the files and the program are
 * real.
 */
import { copyFileSync, cpSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  crashAfter,
  onlyFirst,
  openConnection,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"
import { everything, limit, mostRefused, runWithout, skipped, unavailable } from "./support/faults.ts"
import { runProgram } from "./support/program.ts"

/** Whether there may be locks that `/proc/locks` does not show here. */
const elsewhere = statSync("/proc/self/ns/pid").ino !== 0xef_ff_ff_fc

const situations = ["fresh", "ready", "crashed"] as const

/** A home for each situation, copied for each run. */
const homes = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const argsIn = (home: string) => [
    "init",
    "--json",
    "--timeout",
    "40s",
    "--database",
    join(home, "app.db"),
    "--migrations",
    join(folder, "migrations")
  ]
  mkdirSync(join(folder, "migrations"))
  writeFileSync(join(folder, "migrations", "001_notes.sql"), "CREATE TABLE notes (id INTEGER PRIMARY KEY);")
  for (const situation of situations) mkdirSync(join(folder, situation))
  yield* runProgram(argsIn(join(folder, "ready")))
  yield* runProgram(argsIn(join(folder, "crashed")))
  yield* crashAfter(join(folder, "crashed", "app.db"), "INSERT INTO notes DEFAULT VALUES")
  return (situation: (typeof situations)[number], label: string) => {
    const home = join(folder, label)
    cpSync(join(folder, situation), home, { recursive: true })
    return { home, file: join(home, "app.db"), args: argsIn(home), trace: join(folder, `${label}.trace`) }
  }
})

describe("a lock of another connection of the same process", () => {
  it.scopedLive("is waited for until the deadline, and the start is ready once it is released", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const other = yield* openConnection(file)
      other.exec("BEGIN IMMEDIATE")
      const late = yield* refusal(start(file, { timeout: "4 seconds" }))
      assert.strictEqual(late._tag, "StageTimeoutError")
      const waiting = yield* Effect.fork(start(file, { timeout: "20 seconds" }))
      yield* Effect.sleep("2500 millis")
      other.exec("COMMIT")
      assert.strictEqual((yield* Fiber.join(waiting)).status, "ready")
    })
  )
})

describe.skipIf(unavailable !== undefined)(`a lock${skipped}`, () => {
  for (const situation of situations) {
    // SQLite locks nothing in the -wal.
    for (const suffix of ["", "-shm"]) {
      const all = Array.from({ length: 60 }, (_, index) => index + 1)
      const onTheShm = { fresh: [15, 22, 27], ready: [7, 15, 23], crashed: [4, 7, 14] }[situation]
      const some = suffix === "" ? [1, 4, 6] : onTheShm
      it.scopedLive(
        `that an interrupted call kept on app.db${suffix} does not block its own process, ${situation}`,
        () =>
          Effect.gen(function* () {
            const homeFor = yield* homes
            let reached = 0
            for (const nth of everything ? all : some) {
              const home = homeFor(situation, `${situation}${nth}`)
              const fault = { code: "EINTR", paths: [`${home.file}${suffix}`], when: String(nth) }
              const { ended, stdout, traced } = runWithout(home, fault)
              if (!traced.includes("(INJECTED)")) break
              reached += 1
              assert.strictEqual(ended, 0, `${nth}: ${stdout}`)
              const again = yield* runProgram(home.args)
              assert.strictEqual(again.code, 0, `${nth}: ${again.stdout}`)
              const rows = situation === "crashed" ? 1 : 0
              assert.deepStrictEqual(yield* rowsOf(home.file, "SELECT count(*) AS rows FROM notes"), [{ rows }])
            }
            assert.isAtLeast(reached, 3)
          }),
        limit
      )
    }

    it.scopedLive.skipIf(elsewhere)(
      `that the system does not give on this database is a reason of its own, ${situation}${elsewhere ? " (skipped: not in the first PID namespace)" : ""}`,
      () =>
        Effect.gen(function* () {
          const home = (yield* homes)(situation, "refused")
          const paths = ["", "-shm"].map((suffix) => `${home.file}${suffix}`)
          const { ended, stdout } = runWithout(home, { code: "ENOLCK", paths, when: "1+" })
          const { error } = JSON.parse(stdout)
          assert.deepStrictEqual([ended, error._tag, error.reason], [73, "LockError", "LocksRefused"])
          assert.strictEqual((yield* runProgram(home.args)).code, 0)
        }),
      limit
    )

    it.scopedLive(
      `that the system cannot give is a reason of its own, ${situation}`,
      () =>
        Effect.gen(function* () {
          const homeFor = yield* homes
          const counted = homeFor(situation, "counted")
          const { traced } = runWithout(counted, { code: "EINTR", paths: [], when: "1000" })
          // Node.js does not start if its own calls fail. strace counts per thread.
          const calls = traced.split("\n").filter((line) => line.startsWith(`${traced.split(" ", 1).join()} `))
          const when = `${calls.findIndex((line) => line.includes("F_SETLK")) + 1}+`
          const home = homeFor(situation, "refused")
          const { stdout } = runWithout(home, { code: "ENOLCK", paths: [], when })
          const { error } = JSON.parse(stdout)
          assert.deepStrictEqual([error._tag, error.reason, error.retryable], ["LockError", "LocksRefused", false])
          assert.include(error.message, "The filesystem refuses locks on")
          assert.deepStrictEqual(
            readdirSync(home.home).filter((name) => name.includes("locks-")),
            []
          )
          assert.strictEqual((yield* runProgram(home.args)).code, 0)
        }),
      limit
    )
  }

  for (const [command, deadline] of [
    ["init", "3s"],
    ["status", "3s"],
    ["restore", "3s"]
  ] as const) {
    it.scopedLive(
      `that the system refuses to readers does not hold ${command} for SQLite's ten seconds past its deadline`,
      () =>
        Effect.gen(function* () {
          const { args, file, trace } = (yield* homes)("ready", "standstill")
          const migrations = args.at(-1) ?? ""
          writeFileSync(join(migrations, "002_more.sql"), "CREATE TABLE more (x); INSERT INTO notes DEFAULT VALUES;")
          writeFileSync(join(migrations, "003_last.sql"), "CREATE TABLE last (x);")
          copyFileSync(file, `${file}.001-to-003.backup`)
          yield* runProgram(args)
          const flags = command === "restore" ? ["--database", file] : ["--database", file, "--migrations", migrations]
          // From the fourth lock on: SQLite takes it for a reader that is about to leave.
          const { ended, stdout, traced } = runWithout(
            { args: [command, "--json", "--timeout", deadline, ...flags], trace },
            { code: "ENOLCK", paths: [`${file}-shm`], when: "4+" }
          )
          assert.strictEqual(ended, 75, stdout)
          assert.isBelow(mostRefused(traced), 100)
          assert.isAbove(mostRefused(traced), 0)
          if (command !== "restore") assert.include(stdout, "reading the database for the first time")
        }),
      limit
    )
  }
})
