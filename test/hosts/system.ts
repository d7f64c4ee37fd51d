/** The machines of the service's system, each on a host of its own. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { backend, backendOf } from "../support/backend.ts"
import { temporaryFolder } from "../support/database.ts"
import { lineTo } from "../support/line.ts"
import { program, type Running } from "../support/program.ts"
import { redisServer } from "../support/redis.ts"
import type { Environment, System } from "../support/sixMachines.ts"
import { addressOf, type HostName, hostNames, type Network } from "./network.ts"

const port = 3000

/** A program on a host, for as long as the scope lives. */
export const programOn = (
  network: Network,
  name: HostName,
  env: Environment,
  ...command: readonly [string, ...ReadonlyArray<string>]
) =>
  Effect.acquireRelease(
    Effect.sync((): Running => network.startOn(name, env, ...command)),
    (running) => Effect.promise(() => network.end(running, "SIGKILL"))
  )

/** The users have no host: each of their connections goes through the frontend's. */
const throughTheFrontend = (network: Network, name: HostName) =>
  Effect.gen(function* () {
    const socket = join(yield* temporaryFolder, "relay.sock")
    const relay = [process.execPath, join(import.meta.dirname, "relay.mjs"), socket, name, `${port}`] as const
    const { says } = yield* programOn(network, "frontend", {}, ...relay)
    yield* Effect.promise(() => says(/relays/, "stdout"))
    return `http://127.0.0.1:${(yield* lineTo(socket)).port}`
  })

export const systemOn = (network: Network): System => ({
  serve: (env, number = 0) =>
    Effect.gen(function* () {
      const name = hostNames[number] ?? "backend"
      const settings = { HOST: addressOf(name), PORT: `${port}`, ...env }
      const running = yield* programOn(network, name, settings, process.execPath, backend)
      yield* Effect.promise(() => backendOf(running).serving)
      return {
        url: yield* throughTheFrontend(network, name),
        at: `http://${name}:${port}`,
        end: (signal) => Effect.promise(() => network.end(running, signal))
      }
    }),
  // All processes see one file, as those of containers with one volume do.
  atOnce: { services: 2, inits: hostNames.length },
  runProgram: (number, ...args) => {
    const inRoot = ["env", `--chdir=${join(import.meta.dirname, "../..")}`, process.execPath, program, ...args] as const
    return Effect.flatMap(programOn(network, hostNames[number] ?? "backend", {}, ...inRoot), ({ ended }) =>
      Effect.promise(() => ended)
    )
  },
  run: (name, env, ...args) => programOn(network, name, env, process.execPath, ...args)
})

export const redisPassword = "s3cr3t-of-redis"

export const redisUrl = `redis://:${redisPassword}@database:6379`

/** A real Redis on the host of the database. */
export const redisOn = (network: Network) =>
  Effect.gen(function* () {
    const settings = ["--bind", addressOf("database"), "--save", "", "--requirepass", redisPassword]
    const running = yield* programOn(network, "database", {}, redisServer ?? "", ...settings)
    yield* Effect.promise(() => running.says(/Ready to accept connections/, "stdout"))
    return running
  })
