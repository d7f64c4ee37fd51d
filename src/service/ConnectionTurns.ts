/** Requests of one connection take turns: one that is pipelined waits for the answer before it. */
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"

/** How many requests may wait on one connection behind the current one. Browsers send none before its answer. */
const mostWaiting = 16

/** The requests of one connection: the end of the last one, and how many wait for it. */
interface Line {
  last: Promise<void>
  waiting: number
}

const lines = new WeakMap<Socket, Line>()

/**
 * Waits until the earlier requests on its connection are answered. Closes a connection that sends more than may wait:
 * answers that nobody reads would pile up in memory. Returns the function to call when this request is over; undefined
 * if there is nobody left to answer.
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
    // If this one is given up before its turn, the one under way is still not over.
    line.last = Promise.all([before, line.last]).then(() => {})
    // Even without an earlier request: whether a body comes is known only after this turn of the parser.
    return Effect.promise(() => before).pipe(
      Effect.as(over),
      Effect.onInterrupt(() => Effect.sync(over))
    )
  })
