/** Kills a program, or fails its system call, at every step that changes something on the disk. strace does it. */
import { spawnSync } from "node:child_process"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { formatBackupName } from "../sqlite/BackupNames.ts"
import { buildFrom, copyFile, expectAt, lookAt, temporaryFolder } from "./databases.ts"
import { prepare } from "./MigrationTest.ts"
import { MigrationTestError } from "./MigrationTestError.ts"
import { type Command, expectReady, initProgram, type ProgramTest, runWithin } from "./programs.ts"

/** What the checks with faults take. */
export interface FaultTest<E = never, R = never> extends ProgramTest<E, R> {
  /**
   * The system calls that are killed or failed, one after the other, each as often as the program makes it. Default
   * `faultyCalls`. Add `pwrite64` for every page that is written: hundreds of runs.
   */
  readonly calls?: ReadonlyArray<string> | undefined
}

/** The system calls after which a file, or what of it is on the disk, is another. The names differ between machines. */
export const faultyCalls: ReadonlyArray<string> = [
  ...["mkdir", "mkdirat", "fsync", "fdatasync", "ftruncate"],
  ...["unlink", "unlinkat", "rename", "renameat", "renameat2", "link", "linkat"]
]

/** Why faults cannot be injected on this machine, for the name of a test that is skipped; undefined where they can. */
export const whyNoFaults = (): string | undefined => {
  const { error, status, stderr } = spawnSync("strace", ["-qq", "-e", "trace=none", "true"], { encoding: "utf8" })
  return error?.message ?? (status === 0 ? undefined : stderr.trim())
}

/**
 * Kills the program at every step, each time on a database of its own, and starts it again. That start has to end with
 * 0, and the database must be ready, with the schema and the rows that a start without a fault gives. Gives the number
 * of kills. Fails with a `MigrationTestError`, or as the rows do; with the reason `Unavailable` where there is no strace.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { it } from "@effect/vitest"
 * import { Migrations } from "database-ready"
 * import { checkKills, whyNoFaults } from "database-ready/testing"
 * import { Effect } from "effect"
 *
 * it.skipIf(whyNoFaults() !== undefined)("survives a kill at every step", () =>
 *   checkKills({ migrations: Migrations.fromDirectory("migrations"), from: "001" }).pipe(
 *     Effect.provide(NodeContext.layer),
 *     Effect.runPromise
 *   )
 * )
 * ```
 */
export const checkKills = <E = never, R = never>(
  test: FaultTest<E, R>
): Effect.Effect<number, MigrationTestError | E, FileSystem.FileSystem | Path.Path | R> =>
  sweep(test, ["signal=SIGKILL"])

/**
 * Fails every step with each of the codes of the system, default `EIO`, as a failing disk does. The program must end
 * by itself: with 0 only where the database is ready, with the schema and the rows that a start without a fault gives.
 * The next start has to end with 0 and give them. Gives the number of failed calls, and fails as `checkKills` does.
 */
export const checkFailures = <E = never, R = never>(
  test: FaultTest<E, R>,
  codes: ReadonlyArray<string> = ["EIO"]
): Effect.Effect<number, MigrationTestError | E, FileSystem.FileSystem | Path.Path | R> =>
  sweep(
    test,
    codes.map((code) => `error=${code}`)
  )

const sweep = <E, R>(
  { calls = faultyCalls, command, from, patience, ...test }: FaultTest<E, R>,
  faults: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const why = whyNoFaults()
    if (why !== undefined) {
      return yield* new MigrationTestError({ reason: "Unavailable", during: "The injection of faults", detail: why })
    }
    const path = yield* Path.Path
    const fs = yield* FileSystem.FileSystem
    const prepared = yield* prepare(test)
    const commandFor = command ?? (yield* initProgram(prepared))
    const run = runWithin(patience)
    const origin = yield* buildFrom(prepared, from)
    const to = prepared.list.at(-1)?.version ?? ""

    /** A database of its own, in a directory that a first start has to make. */
    const fresh = Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const directory = path.join(folder, "data")
      const file = path.join(directory, "app.db")
      if (from !== undefined) {
        yield* Effect.mapError(fs.makeDirectory(directory), MigrationTestError.unreadable(directory))
        yield* copyFile(origin, file)
      }
      const backup = `${file}${formatBackupName({ from, to, number: 1 })}`
      const beside = ["-wal", "-shm", "-journal"].map((suffix) => `${file}${suffix}`)
      const copies = [backup, `${backup}.partial`, `${backup}.partial-journal`]
      return { file, trace: path.join(folder, "trace"), paths: [directory, file, ...beside, ...copies] }
    })

    const traced = (
      { file, paths, trace }: Effect.Effect.Success<typeof fresh>,
      options: ReadonlyArray<string>,
      during: string
    ) => {
      const where = paths.flatMap((one) => ["-P", one])
      const tracer: Command = ["strace", "-f", "-qq", "-o", trace, ...where, ...options, ...commandFor(file)]
      return Effect.all({
        ended: run(tracer, during),
        // strace makes it even where the program fails at once.
        seen: Effect.mapError(fs.readFileString(trace), MigrationTestError.unreadable(during))
      })
    }

    const without = yield* fresh
    const undisturbed = "A start without a fault"
    const all = `trace=${calls.map((call) => `?${call}`).join(",")}`
    const { ended, seen } = yield* traced(without, ["-e", all], undisturbed)
    yield* expectReady(ended, undisturbed)
    const expected = yield* lookAt(prepared, without.file, undisturbed)
    const made = calls.filter((call) => new RegExp(`^\\d+ +${call}\\(`, "m").test(seen))

    /** One run under a fault; whether it was reached. */
    const disturbed = (fault: string, call: string, nth: number) =>
      Effect.gen(function* () {
        const home = yield* fresh
        const during = `${fault} at ${call} ${nth}, from ${from ?? "nothing"}`
        const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:${fault}:when=${nth}`]
        const { ended, seen } = yield* traced(home, inject, during)
        const isKill = fault.startsWith("signal")
        if (!seen.includes(isKill ? "SIGKILL" : "(INJECTED)")) return false
        if (!isKill && ended.code === 0) yield* expectAt(prepared, home.file, during, expected)
        if (!isKill && typeof ended.code === "string") yield* expectReady(ended, during)
        const next = `The start after ${during}`
        yield* expectReady(yield* run(commandFor(home.file), next), next)
        yield* expectAt(prepared, home.file, next, expected)
        return true
      }).pipe(Effect.scoped)

    const counts = yield* Effect.forEach(
      faults.flatMap((fault) => made.map((call) => ({ fault, call }))),
      ({ call, fault }) =>
        Effect.iterate(
          { nth: 1, isReached: true },
          {
            while: ({ isReached }) => isReached,
            body: ({ nth }) =>
              Effect.map(disturbed(fault, call, nth), (isReached) => ({ nth: isReached ? nth + 1 : nth, isReached }))
          }
        ).pipe(Effect.map(({ nth }) => nth - 1)),
      { concurrency: 2 }
    )
    const count = counts.reduce((sum, one) => sum + one, 0)
    if (count > 0) return count
    const detail = `the program made none of the calls ${calls.join(", ")}`
    return yield* new MigrationTestError({ reason: "NothingReached", during: undisturbed, detail })
  }).pipe(Effect.scoped, Effect.withClock(Clock.make()))
