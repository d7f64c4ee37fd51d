/**
 * Each chunk of a body is an event: 600 kB can be 100,000 of them, ten thousand in one turn of the event loop. So small
 * chunks are joined. In each turn only one of the connections that send them is read from.
 */
import type { IncomingMessage } from "node:http"

/** Bytes. A chunk from this size on is passed on at once. */
const large = 512

/** Most bytes that are joined: as many as Node.js reads from a connection at once. */
const most = 64 * 1024

/** Each passes on what one connection has gathered. The longest waiting comes first. */
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

/** Joins the small chunks of a body. Call it before anything reads the body. */
export const gatherSmallChunks = (request: IncomingMessage): void => {
  if (request.headers["transfer-encoding"] === undefined) return
  const push = request.push.bind(request)
  // Bytes are copied here: kept as they come, they would be as many objects as chunks.
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
    // False: Node.js reads no more from the connection until the reader asks for more.
    return false
  }
}
