/** What one connection, and all of them, may take of the server: before any request is looked at. */
import { readFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import type { Socket } from "node:net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** A connection that waits for a first or a next request, or sends its head, is heard for so long (milliseconds). */
const patience = { head: 10_000, next: 5_000, silence: 60_000 }

/** Requests that may wait on one connection behind the one that is under way. Browsers send none before its answer. */
const mostWaiting = 16

/**
 * A server that ends silent connections after seconds, and has no more than its descriptors allow: a connection may
 * need three, with a content and an upload.
 */
export const boundedServer = (maxConnections: number, lockPatience: Duration.Duration): Server => {
  const server = createServer({
    // How often Node.js looks for heads that are late.
    connectionsCheckingInterval: 1000,
    headersTimeout: patience.head,
    keepAliveTimeout: patience.next
  })
  server.maxConnections = Math.max(8, Math.min(maxConnections, Math.floor(descriptorLimit() / 3)))
  // Of a connection on which nothing moves in either direction, whatever is under way on it.
  server.timeout = patience.silence + Duration.toMillis(lockPatience)
  return server
}

/** What this process may open; where nobody says, what most systems begin with. */
const descriptorLimit = (): number => {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
    return soft === undefined ? 1024 : Number(soft)
  } catch {
    return 1024
  }
}

/** The requests of one connection: the end of the last one, and how many wait for it. */
interface Line {
  last: Promise<void>
  waiting: number
}

const lines = new WeakMap<Socket, Line>()

/**
 * Waits until the requests before it on its connection are answered. One that sends more than may wait is closed:
 * answers that nobody reads would pile up in memory. Gives what is to be called when this one is over; undefined
 * where there is nobody to answer any more.
 */
export const turnOf = (socket: Socket): Effect.Effect<(() => void) | undefined> =>
  Effect.suspend(() => {
    const line = lines.get(socket) ?? { last: Promise.resolve(), waiting: 0 }
    lines.set(socket, line)
    if (line.waiting >= mostWaiting) {
      socket.destroy()
      return Effect.succeed(undefined)
    }
    line.waiting += 1
    let over = () => {}
    const before = line.last
    line.last = new Promise((resolve) => {
      over = () => {
        line.waiting -= 1
        resolve()
      }
    })
    return Effect.promise(() => before).pipe(
      Effect.as(over),
      Effect.onInterrupt(() => Effect.sync(over))
    )
  })
