/** Real processes that start on a database. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { titleOf } from "../start/MigrationSource.ts"
import { temporaryFolder } from "./databases.ts"
import type { MigrationTest, Prepared } from "./MigrationTest.ts"
import { MigrationTestError } from "./MigrationTestError.ts"

/** A command and its arguments. */
export type Command = readonly [command: string, ...args: ReadonlyArray<string>]

/** What the checks with real processes take. They use the real clock, whatever clock the test has. */
export interface ProgramTest<E = never, R = never> extends MigrationTest<E, R> {
  /** The version at which the database is when the program starts. Default: there is no database yet. */
  readonly from?: string | undefined
  /**
   * Starts on the file and ends with 0 once it is ready; with anything else it was refused. Default: `database-ready init`
   * with these migrations, `applicationId` and `backups`, which runs migrations that are SQL alone.
   */
  readonly command?: ((file: string) => Command) | undefined
  /** How long one run may take. Default 60 s. */
  readonly patience?: Duration.DurationInput | undefined
}

export interface Ended {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string
  readonly stderr: string
}

export type Run = (command: Command, during: string) => Effect.Effect<Ended, MigrationTestError>

/** Runs a command to its end. What it started ends with it, also where the test is interrupted or it takes too long. */
export const runWithin =
  (patience: Duration.DurationInput = "60 seconds"): Run =>
  ([command, ...args], during) =>
    Effect.async<Ended, MigrationTestError>((resume) => {
      // Only one other thread: strace counts calls for each.
      const env = { ...process.env, UV_THREADPOOL_SIZE: "1" }
      const child = spawn(command, args, { stdio: ["ignore", "ignore", "pipe"], detached: true, env })
      const end = () => {
        try {
          if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL")
        } catch {
          // The group has ended.
        }
      }
      let stderr = ""
      const deadline = setTimeout(() => {
        stderr += `it took longer than ${Duration.format(patience)}`
        end()
      }, Duration.toMillis(patience))
      child.stderr.setEncoding("utf8").on("data", (text: string) => {
        stderr += text
      })
      child.once("error", ({ message }) => {
        clearTimeout(deadline)
        resume(Effect.fail(new MigrationTestError({ reason: "ProgramFailed", during, detail: message })))
      })
      child.once("close", (code, signal) => {
        clearTimeout(deadline)
        resume(Effect.succeed({ code: code ?? signal ?? "unknown", stderr }))
      })
      return Effect.sync(() => {
        clearTimeout(deadline)
        end()
      })
    })

/** Fails unless the program ended with 0. */
export const expectReady = ({ code, stderr }: Ended, during: string): Effect.Effect<void, MigrationTestError> =>
  code === 0
    ? Effect.void
    : Effect.fail(
        new MigrationTestError({
          reason: "ProgramFailed",
          during,
          detail: `the program ended with ${code}: ${stderr.trim().slice(-2000)}`
        })
      )

/** The program of this package on the migrations of a test, written into a directory that goes with the scope. */
export const initProgram = <E, R>({ list, options }: Prepared<E, R>) =>
  Effect.gen(function* () {
    const path = yield* Path.Path
    const fs = yield* FileSystem.FileSystem
    const directory = yield* temporaryFolder
    for (const migration of [...list, ...(list.repeatables ?? [])]) {
      const title = titleOf(migration)
      if (migration.body._tag === "Effect") return yield* needsProgram(`${title} is an Effect`)
      yield* Effect.mapError(
        fs.writeFileString(path.join(directory, `${title}.sql`), migration.body.text),
        MigrationTestError.unreadable("The migrations")
      )
    }
    const program = yield* Effect.try(programOfPackage).pipe(Effect.catchAll(({ message }) => needsProgram(message)))
    const { applicationId, backups } = options
    const flags = [
      ...["--migrations", directory],
      ...(applicationId === undefined ? [] : ["--application-id", String(applicationId)]),
      ...(backups === undefined ? [] : ["--backups", String(backups)])
    ]
    return (file: string): Command => [process.execPath, program, "init", "--database", file, ...flags]
  })

const needsProgram = (detail: string) =>
  new MigrationTestError({ reason: "NeedsProgram", during: "The program `database-ready init`", detail })

/** What `package.json` names as `bin`. */
const programOfPackage = (): string => {
  const file = createRequire(import.meta.url).resolve("database-ready/package.json")
  const { bin }: { readonly bin: { readonly "database-ready": string } } = JSON.parse(readFileSync(file, "utf8"))
  return createRequire(file).resolve(bin["database-ready"])
}
