/** A Redis for a test, on a socket of its own, and a line to it that can be held up and cut. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "./database.ts"
import { lineTo } from "./line.ts"

const named = process.env["REDIS_SERVER"]

/** Undefined: tests of Redis are skipped. REDIS_SERVER names the program where it is not on the PATH. */
export const redisServer: string | undefined =
  named ??
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "redis-server"))
    .find(existsSync)

/** Ended with the scope. Gives the URL, which leads over the line. */
export const redis = (password: string) =>
  Effect.gen(function* () {
    const socket = join(yield* temporaryFolder, "redis.sock")
    const settings = ["--port", "0", "--unixsocket", socket, "--save", "", "--requirepass", password]
    yield* Effect.acquireRelease(
      Effect.sync(() => spawn(redisServer ?? "", settings, { stdio: "ignore" })),
      (server: ChildProcess) =>
        Effect.async<void>((resume) => {
          server.once("exit", () => resume(Effect.void))
          server.kill("SIGKILL")
        })
    )
    while (!existsSync(socket)) yield* Effect.sleep("10 millis")
    const line = yield* lineTo(socket)
    return { ...line, url: `redis://:${password}@127.0.0.1:${line.port}` }
  })
