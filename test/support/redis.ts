/** A Redis for a test, on a socket of its own, and a line to it that can be held up and cut. */
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createServer, connect as dial, type Socket } from "node:net"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "./database.ts"

const named = process.env["REDIS_SERVER"]
const program =
  named ??
  (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "redis-server"))
    .find(existsSync)

/** False: tests of Redis are skipped. REDIS_SERVER names the program where it is not on the PATH. */
export const hasRedis = program !== undefined

/** Ended with the scope. Gives the URL, which leads over the line. */
export const redis = (password: string) =>
  Effect.gen(function* () {
    const socket = join(yield* temporaryFolder, "redis.sock")
    const settings = ["--port", "0", "--unixsocket", socket, "--save", "", "--requirepass", password]
    yield* Effect.acquireRelease(
      Effect.sync(() => spawn(program ?? "", settings, { stdio: "ignore" })),
      (server: ChildProcess) =>
        Effect.async<void>((resume) => {
          server.once("exit", () => resume(Effect.void))
          server.kill("SIGKILL")
        })
    )
    while (!existsSync(socket)) yield* Effect.sleep("10 millis")
    let isHeld = false
    const lines = new Set<Socket>()
    const listener = createServer((client) => {
      const server = dial(socket)
      for (const [one, other] of [
        [client, server],
        [server, client]
      ] as const) {
        lines.add(one)
        one.on("error", () => {})
        one.on("data", (data) => {
          other.write(data)
        })
        if (isHeld) one.pause()
        one.on("close", () => {
          lines.delete(one)
          other.destroy()
        })
      }
    })
    const cut = () => {
      for (const line of lines) line.destroy()
    }
    const port = yield* Effect.acquireRelease(
      Effect.async<number>((resume) => {
        listener.listen(0, "127.0.0.1", () => {
          const address = listener.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () =>
        Effect.async<void>((resume) => {
          cut()
          listener.close(() => resume(Effect.void))
        })
    )
    return {
      url: `redis://:${password}@127.0.0.1:${port}`,
      port,
      /** As where a cable was pulled: nothing arrives, and nothing is closed. */
      hold: Effect.sync(() => {
        isHeld = true
        for (const one of lines) one.pause()
      }),
      /** What was sent meanwhile arrives late. */
      letGo: Effect.sync(() => {
        isHeld = false
        for (const one of lines) one.resume()
      }),
      cut: Effect.sync(cut)
    }
  })
