/**
 * A body in chunks of a few bytes would be as many events: 100,000 in 600 kB, ten thousand of them in one turn of the
 * event loop. They are gathered, and in one turn only one connection that sends such a body is read from.
 */
import type { IncomingMessage } from "node:http"

/** A chunk of so many bytes is passed on at once. */
const large = 512

/** Bytes that are gathered at once: as many as Node.js reads from a connection. */
const most = 64 * 1024

/** Those that have gathered something, the first to come first. */
const ready: Array<() => void> = []
let isArranged = false

const arrange = () => {
  if (isArranged || ready.length === 0) return
  isArranged = true
  setImmediate(() => {
    isArranged = false
    ready.shift()?.()
    arrange()
  })
}

/** Call it before anybody reads the body. */
export const gatherSmallChunks = (request: IncomingMessage): void => {
  if (request.headers["transfer-encoding"] === undefined) return
  const push = request.push.bind(request)
  // Copied: as many small objects would have to wait.
  let gathered = Buffer.alloc(0)
  let length = 0
  const passOn = () => {
    if (length === 0) return
    const bytes = gathered.subarray(0, length)
    length = 0
    push(bytes)
  }
  request.push = (chunk: unknown, encoding) => {
    if (!(chunk instanceof Uint8Array) || chunk.length >= large) {
      passOn()
      return push(chunk, encoding)
    }
    if (length + chunk.length > most) passOn()
    if (length === 0) {
      gathered = Buffer.allocUnsafe(most)
      ready.push(passOn)
      arrange()
    }
    gathered.set(chunk, length)
    length += chunk.length
    // Node.js stops reading from the connection, until the reader wants more than what is passed on.
    return false
  }
}
