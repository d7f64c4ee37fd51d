/** Connections on which a test sends what no client would. */
import { readdirSync, watch } from "node:fs"
import { connect, type Socket } from "node:net"
import * as Effect from "effect/Effect"

/** A connection to the service, closed with the scope. */
export const connected = (port: number) =>
  Effect.acquireRelease(
    Effect.async<Socket>((resume) => {
      const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** The head of an upload, with more headers. */
export const preface = (...headers: ReadonlyArray<string>) =>
  [
    "POST /api/sessions/s1/files HTTP/1.1",
    "Host: 127.0.0.1",
    "Content-Type: multipart/form-data; boundary=X",
    ...headers,
    "\r\n"
  ].join("\r\n")

const head = `--X\r\nContent-Disposition: form-data; name="file"; filename="slow.txt"\r\n\r\n`
const rest = "\r\n--X--\r\n"

/** Bytes of an unfinished file. */
const size = 50_000

/** Sends an upload without its end. The test sends the end, or closes the connection. */
export const beginUpload = (port: number, ...headers: ReadonlyArray<string>) =>
  Effect.map(connected(port), (socket) => {
    socket.on("error", () => undefined)
    socket.write(preface(`Content-Length: ${head.length + size + rest.length}`, ...headers) + head + "x".repeat(size))
    return {
      breakOff: Effect.sync(() => socket.destroy()),
      /** Sends the end; returns the answer. */
      end: Effect.async<string>((resume) => {
        let answer = ""
        socket.setEncoding("utf8").on("data", (text: string) => {
          answer += text
          if (answer.endsWith("}")) resume(Effect.succeed(answer))
        })
        socket.once("close", () => resume(Effect.succeed(answer)))
        socket.write(rest)
      })
    }
  })

/** Waits until a directory has so many entries, looking at each of its changes. */
export const whenEntries = (directory: string, count: number) =>
  Effect.acquireUseRelease(
    Effect.sync(() => watch(directory)),
    (watcher) =>
      Effect.async<void>((resume) => {
        const look = () => {
          if (readdirSync(directory).length === count) resume(Effect.void)
        }
        watcher.on("change", look)
        look()
      }),
    (watcher) => Effect.sync(() => watcher.close())
  )
