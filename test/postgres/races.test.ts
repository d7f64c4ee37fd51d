/** Real processes that start at once, and what kills them, their server or their line. RACES=20 is the long form. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { spawnProgram } from "../support/program.ts"
import { hasPostgres, makeServer, socketFolder, startServer, stopServer } from "./cluster.ts"
import { ask, newDatabase, until, urlOf } from "./databases.ts"
import { closed, ends, isSleeping, migrations, open, readyOf, sleeping } from "./gate.ts"
import { cuttable } from "./proxy.ts"

/** Started, and killed with the test whatever happens. */
const starter = (cwd: string, url: string) =>
  Effect.acquireRelease(
    Effect.sync(() => spawnProgram(["init", "--database", url, "--json"], { cwd })),
    ({ ended, process }) =>
      Effect.promise(() => {
        process.kill("SIGKILL")
        return ended
      })
  )

describe.skipIf(!hasPostgres)("starters of one PostgreSQL database", () => {
  const rounds = Number(process.env["RACES"] ?? 1)

  it.scopedLive(
    "are all ready, sixteen processes at once, none early, and each migration is applied once",
    () =>
      Effect.gen(function* () {
        const cwd = yield* migrations
        for (let round = 0; round < rounds; round += 1) {
          const url = yield* newDatabase
          yield* closed(url)
          const starters = yield* Effect.all(Array.from({ length: 16 }, () => starter(cwd, url)))
          yield* until(isSleeping(url))
          assert.isTrue(
            starters.every(({ process }) => process.exitCode === null),
            "nobody is ready early"
          )
          yield* open(url)
          const applied = yield* Effect.forEach(starters, (one) =>
            Effect.flatMap(ends(one), (ended) => readyOf(url, ended))
          )
          assert.deepStrictEqual(applied.flat().toSorted(), ["001", "002", "003"])
        }
      }),
    1_800_000
  )

  it.scopedLive("go on where one is killed in the middle of a migration", () =>
    Effect.gen(function* () {
      const cwd = yield* migrations
      const url = yield* newDatabase
      yield* closed(url)
      const first = yield* starter(cwd, url)
      yield* until(isSleeping(url))
      const [ghost] = yield* ask(url, sleeping)
      const second = yield* starter(cwd, url)
      first.process.kill("SIGKILL")
      // The backend of the killed one notices by itself, rolls back and releases the lock.
      yield* until(isSleeping(url, ghost?.pid))
      assert.strictEqual(second.process.exitCode, null)
      assert.deepStrictEqual(yield* ask(url, "SELECT relname FROM pg_class WHERE relname = 'slow'"), [])
      yield* open(url)
      assert.deepStrictEqual(yield* readyOf(url, yield* ends(second)), ["001", "002", "003"])
    })
  )

  it.scopedLive("go on where the line to the server is cut", () =>
    Effect.gen(function* () {
      const cwd = yield* migrations
      const url = yield* newDatabase
      yield* closed(url)
      const { cut, folder } = yield* cuttable(yield* Effect.promise(socketFolder))
      const [, name = ""] = /\/(\w+)\?/.exec(url) ?? []
      const first = yield* starter(cwd, urlOf(folder, name))
      yield* until(isSleeping(url))
      const [ghost] = yield* ask(url, sleeping)
      cut()
      yield* until(isSleeping(url, ghost?.pid))
      yield* open(url)
      assert.deepStrictEqual(yield* readyOf(url, yield* ends(first)), ["001", "002", "003"])
    })
  )

  it.scopedLive("go on where the server is killed and started again", () =>
    Effect.gen(function* () {
      const cwd = yield* migrations
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const folder = mkdtempSync(join(tmpdir(), "pg-"))
          makeServer(folder)
          return folder
        }),
        (folder) =>
          Effect.sync(() => {
            stopServer(folder)
            rmSync(folder, { recursive: true })
          })
      )
      const url = urlOf(folder, "postgres")
      yield* closed(url)
      const both = yield* Effect.all([starter(cwd, url), starter(cwd, url)])
      yield* until(isSleeping(url))
      const pid = Number(readFileSync(join(folder, "data/postmaster.pid"), "utf8").split("\n")[0])
      process.kill(pid, "SIGKILL")
      // Its children end once they notice, and until then have the memory that the next one needs.
      yield* Effect.retry(
        Effect.try(() => startServer(folder)),
        Schedule.intersect(Schedule.spaced("200 millis"), Schedule.recurs(50))
      )
      yield* until(isSleeping(url))
      assert.isTrue(both.every(({ process }) => process.exitCode === null))
      assert.deepStrictEqual(yield* ask(url, "SELECT relname FROM pg_class WHERE relname = 'slow'"), [])
      yield* open(url)
      const applied = yield* Effect.forEach(both, (one) => Effect.flatMap(ends(one), (ended) => readyOf(url, ended)))
      assert.deepStrictEqual(applied.flat().toSorted(), ["001", "002", "003"])
    })
  )
})
