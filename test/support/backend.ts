/** The built service, run as its users run it. */
import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { makeClient } from "../../src/backend/Client.ts"
import type { Ended } from "./program.ts"

const program = join(import.meta.dirname, "../../dist/conversation-files.cjs")

export interface BackendProcess {
  readonly process: ChildProcess
  /** Settles with the address when the process listens: the probes answer from then on. */
  readonly listening: Promise<string>
  /** Settles with the address when the API is served. */
  readonly serving: Promise<string>
  /** Settles when it was told to stop and is not ready any more, where it serves for a while yet. */
  readonly leaving: Promise<string>
  /** Settles when it was told to stop and nothing is let in any more. */
  readonly stopping: Promise<string>
  /** Settles when the process is gone. */
  readonly ended: Promise<Ended>
}

type Environment = Readonly<Record<string, string>>

interface User {
  readonly uid?: number
  readonly gid?: number
}

/** A process of the service on a port of its own. */
export const spawnBackend = (env: Environment, user: User = {}): BackendProcess => {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"], PORT: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
    ...user
  })
  let stdout = ""
  let stderr = ""
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code, signal) => resolve({ code: code ?? signal ?? "unknown", stdout, stderr }))
  })
  const says = (stream: NodeJS.ReadableStream, pattern: RegExp) => {
    const said = new Promise<string>((resolve, reject) => {
      const look = () => {
        const [, address] = pattern.exec(`${stdout}\n${stderr}`) ?? []
        if (address !== undefined) resolve(address)
      }
      stream.on("data", look)
      child.once("close", () => reject(new Error(`ended without saying ${pattern}: ${stdout}${stderr}`)))
    })
    // Not every test waits for it.
    said.catch(() => {})
    return said
  }
  return {
    process: child,
    listening: says(child.stderr, /Listening on (http:\/\/[^\s"]+)/),
    serving: says(child.stdout, /^serving {2}(\S+)$/m),
    leaving: says(child.stderr, /(Leaving)/),
    stopping: says(child.stderr, /(Stopping)/),
    ended
  }
}

/** Runs a service that is not expected to serve to its end. */
export const runBackend = (...args: Parameters<typeof spawnBackend>): Effect.Effect<Ended> =>
  Effect.promise(() => spawnBackend(...args).ended)

/** The same for as long as the scope lives; then it is told to stop, and is gone. */
export const backendProcess = (env: Environment) =>
  Effect.acquireRelease(
    Effect.sync(() => spawnBackend(env)),
    ({ ended, process: child }) =>
      Effect.promise(() => {
        child.kill("SIGKILL")
        return ended
      })
  )

/** A service that serves, and its address. */
export const runningBackend = (env: Environment) =>
  Effect.gen(function* () {
    const backend = yield* backendProcess(env)
    const url = yield* Effect.promise(() => backend.serving)
    // A test that fails because its service is gone says how it went.
    yield* Effect.promise(() => backend.ended).pipe(
      Effect.tap(({ code, stderr }) =>
        backend.process.killed ? Effect.void : Console.error(`The service at ${url} ended with ${code}:\n${stderr}`)
      ),
      Effect.forkScoped
    )
    return { ...backend, url }
  })

/** Tells it to stop, as a supervisor does, and gives how it ended. */
export const stopped = (
  { ended, process: child }: Pick<BackendProcess, "ended" | "process">,
  signal: NodeJS.Signals = "SIGTERM"
): Effect.Effect<Ended> =>
  Effect.promise(() => {
    child.kill(signal)
    return ended
  })

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** One request, and the whole answer. */
export const ask = (url: string, init: RequestInit = {}): Effect.Effect<Answer> =>
  Effect.promise(async () => {
    const response = await fetch(url, init)
    return { status: response.status, headers: response.headers, text: await response.text() }
  })

/** The same, where the answer is JSON. */
export const askJson = (url: string, init: RequestInit = {}) =>
  Effect.map(ask(url, init), ({ headers, status, text }) => ({ status, headers, body: JSON.parse(text) }))

/** The typed client of a service. */
export const clientOf = (baseUrl: string, token?: string) =>
  makeClient({ baseUrl, token: token === undefined ? undefined : Redacted.make(token) }).pipe(
    Effect.provide(FetchHttpClient.layer)
  )
