/** What stands between a program and the server of the tests. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs"
import { createServer, connect as dial, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
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
