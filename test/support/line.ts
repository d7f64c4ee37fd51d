/** A line to a server on a Unix socket, which can be held up and cut. */
import { createServer, connect as dial, type Socket } from "node:net"
import * as Effect from "effect/Effect"

/** Listens on a port of its own on 127.0.0.1 until the scope closes. */
export const lineTo = (socket: string) =>
  Effect.gen(function* () {
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
          other.destroySoon()
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
