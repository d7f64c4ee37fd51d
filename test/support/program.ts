/** The built program, run as a user runs it. */

import { type ChildProcess, spawn } from "node:child_process"
import { cpSync, mkdirSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { temporaryFolder } from "./database.ts"

const root = join(import.meta.dirname, "../..")

/** The file that package.json names as `bin`. */
export const program = join(root, packageJson.bin["database-ready"])

export interface Ended {
  /** The exit code, or the name of the signal that ended it. */
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly process: ChildProcess
  /** Settles when the process is gone. */
  readonly ended: Promise<Ended>
  /** Settles when it has printed something that matches, with its first group or all of it. */
  readonly says: (pattern: RegExp, where?: "stdout" | "stderr") => Promise<string>
}

export interface RunOptions {
  readonly cwd?: string
  /** The environment of the program, besides PATH. */
  readonly env?: Readonly<Record<string, string>>
  readonly uid?: number
  readonly gid?: number
  /** With `pipe` the process has an input to write to. Default: none. */
  readonly input?: "ignore" | "pipe"
}

export const spawnProgram = (args: ReadonlyArray<string>, options?: RunOptions): Running =>
  spawnNode([program, ...args], options)

/** Any program that Node.js runs. */
export const spawnNode = (args: ReadonlyArray<string>, options?: RunOptions): Running =>
  spawnCommand(process.execPath, args, options)

/** Any program. */
export const spawnCommand = (
  command: string,
  args: ReadonlyArray<string>,
  { cwd = root, env, input = "ignore", ...user }: RunOptions = {}
): Running => {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env["PATH"], ...env },
    stdio: [input, "pipe", "pipe"],
    ...user
  })
  const said = { stdout: "", stderr: "" }
  for (const where of ["stdout", "stderr"] as const) {
    child[where]?.setEncoding("utf8").on("data", (text: string) => {
      said[where] += text
    })
  }
  return {
    process: child,
    ended: new Promise((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "unknown", ...said }))
    }),
    says: (pattern, where = "stderr") =>
      new Promise((resolve, reject) => {
        const look = () => {
          const [whole, group = whole] = pattern.exec(said[where]) ?? []
          if (group !== undefined) resolve(group)
        }
        child[where]?.on("data", look)
        child.once("close", () => reject(new Error(`ended without saying ${pattern}: ${said.stdout}${said.stderr}`)))
        look()
      })
  }
}

/** Runs the program to its end. */
export const runProgram = (...args: Parameters<typeof spawnProgram>): Effect.Effect<Ended> =>
  Effect.promise(() => spawnProgram(...args).ended)

/** A temporary folder with parts of the build and a driver whose addon this Node.js cannot load. */
export const withBrokenDriver = (...parts: ReadonlyArray<string>) =>
  Effect.tap(temporaryFolder, (folder) =>
    Effect.sync(() => {
      for (const part of parts) cpSync(part, join(folder, basename(part)))
      const driver = join(folder, "node_modules", "better-sqlite3")
      const installed = dirname(createRequire(import.meta.url).resolve("better-sqlite3/package.json"))
      for (const part of ["package.json", "lib"]) {
        cpSync(join(installed, part), join(driver, part), { recursive: true })
      }
      mkdirSync(join(driver, "build/Release"), { recursive: true })
      writeFileSync(join(driver, "build/Release/better_sqlite3.node"), "no addon of this Node.js")
    })
  )
