/** The built service, run as its users run it. */
import type { ChildProcess } from "node:child_process"
import { join } from "node:path"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { makeClient } from "../../src/service/Client.ts"
import { type Ended, type Running, type RunOptions, spawnNode } from "./program.ts"

export const backend = join(import.meta.dirname, "../../src/service/dist/conversation-files.cjs")

export interface BackendProcess extends Pick<Running, "says"> {
  readonly process: ChildProcess
  /** Settles with the address when the process listens: from then on the probes answer. */
  readonly listening: Promise<string>
  /** Settles with the address when the API is served. */
  readonly serving: Promise<string>
  /** Settles when it was told to stop and is not ready any more, if it serves for a while yet. */
  readonly leaving: Promise<string>
  /** Settles when it was told to stop and lets nobody in any more. */
  readonly stopping: Promise<string>
  /** Settles when the process is gone. */
  readonly ended: Promise<Ended>
}

type Environment = Readonly<Record<string, string>>

/** A process of the service on its own port. */
export const spawnBackend = (env: Environment, user: Pick<RunOptions, "gid" | "uid"> = {}): BackendProcess =>
  backendOf(spawnNode([backend], { env: { PORT: "0", ...env }, ...user }))

/** What a process of the service tells. */
export const backendOf = ({ says, ...child }: Running): BackendProcess => {
  return {
    ...child,
    says,
    listening: unheard(says(/Listening on (http:\/\/[^\s"]+)/)),
    serving: unheard(says(/^serving {2}(\S+)$/m, "stdout")),
    leaving: unheard(says(/Leaving/)),
    stopping: unheard(says(/Stopping/))
  }
}

/**
 * Not every test waits for everything that a service prints. If it ends without printing it, that is not a failure then.
 */
const unheard = <A>(saying: Promise<A>): Promise<A> => {
  saying.catch(() => {})
  return saying
}

/** Runs a service that is expected not to serve, to its end. */
export const runBackend = (...args: Parameters<typeof spawnBackend>): Effect.Effect<Ended> =>
  Effect.promise(() => spawnBackend(...args).ended)

/** A process for as long as the scope lives; then it is killed. */
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
    // If a test fails because its service is gone, it shows how that ended.
    yield* Effect.promise(() => backend.ended).pipe(
      Effect.tap(({ code, stderr }) =>
        backend.process.killed ? Effect.void : Console.error(`The service at ${url} ended with ${code}:\n${stderr}`)
      ),
      Effect.forkScoped
    )
    return { ...backend, url }
  })

/** Tells it to stop, as a supervisor does, and returns how it ended. */
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

/** The same for an answer in JSON. */
export const askJson = (url: string, init: RequestInit = {}) =>
  Effect.map(ask(url, init), ({ headers, status, text }) => ({ status, headers, body: JSON.parse(text) }))

/** The typed client of a service. */
export const clientOf = (baseUrl: string, token?: string) =>
  makeClient({ baseUrl, token: token === undefined ? undefined : Redacted.make(token) }).pipe(
    Effect.provide(FetchHttpClient.layer)
  )
