/** What stands between a program and the server of the tests. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { createServer, connect as dial, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Duplex } from "node:stream"
import { type SecureContextOptions, TLSSocket } from "node:tls"
import * as Effect from "effect/Effect"

/** What a line does once a program has connected; gives what ends it. */
export type Line = (client: Socket) => void

const socketIn = (folder: string) => join(folder, ".s.PGSQL.5432")

export const toServer = (folder: string): Socket => {
  const server = dial(socketIn(folder))
  server.on("error", () => {})
  return server
}

/** Listens in a folder of its own, until the scope closes. */
export const listening = (line: Line) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = mkdtempSync(join(tmpdir(), "proxy-"))
      chmodSync(folder, 0o755)
      const clients = new Set<Socket>()
      const listener = createServer((client) => {
        clients.add(client)
        client.on("error", () => {})
        client.on("close", () => clients.delete(client))
        line(client)
      })
      await new Promise<void>((resolve) => listener.listen(socketIn(folder), resolve))
      const cut = () => {
        for (const client of clients) client.destroy()
      }
      return { folder, cut, listener }
    }),
    ({ cut, folder, listener }) =>
      Effect.promise(async () => {
        cut()
        await new Promise((resolve) => listener.close(resolve))
        rmSync(folder, { recursive: true })
      })
  )

/** A line that can be cut: both ends are closed without a farewell. */
export const cuttable = (folder: string) =>
  listening((client) => {
    const server = toServer(folder)
    client.pipe(server)
    server.pipe(client)
    server.on("close", () => client.destroy())
    client.on("close", () => server.destroy())
  })

/** A line that begins as the server of the tests would, had it a certificate. Gives its port, and how often it was encrypted. */
export const encrypted = (folder: string, certificate: SecureContextOptions | undefined) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      let times = 0
      const clients = new Set<Socket>()
      const connect = (client: Duplex) => {
        const server = toServer(folder)
        client.on("error", () => server.destroy())
        client.pipe(server)
        server.pipe(client)
        server.on("close", () => client.destroy())
        client.on("close", () => server.destroy())
      }
      const listener = createServer((client) => {
        clients.add(client)
        client.on("error", () => {})
        client.on("close", () => clients.delete(client))
        if (certificate === undefined) return connect(client)
        // What asks for encryption is one message, and the answer to it one letter.
        client.once("data", () => {
          client.write("S")
          const secured = new TLSSocket(client, { ...certificate, isServer: true })
          secured.on("secure", () => {
            times += 1
          })
          connect(secured)
        })
      })
      await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve))
      const address = listener.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      return { port, times: () => times, clients, listener }
    }),
    ({ clients, listener }) =>
      Effect.promise(async () => {
        for (const client of clients) client.destroy()
        await new Promise((resolve) => listener.close(resolve))
      })
  )
