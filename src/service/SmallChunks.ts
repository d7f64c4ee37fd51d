/**
 * Each chunk of a body is an event: 600 kB can be 100,000 of them, ten thousand in one turn of the event loop, which
 * takes 30 to 100 ms. So small chunks are joined, and in each turn only one of the connections that send them is read
 * from. A body with thousands of tiny ones in one turn is refused: no client that sends them one by one does that.
 */
import type { IncomingMessage } from "node:http"
import * as Predicate from "effect/Predicate"

/** Bytes. A chunk from this size on is passed on at once. */
const large = 512

/** Most bytes that are joined: as many as Node.js reads from a connection at once. */
const most = 64 * 1024

/** Chunks in one turn of the event loop, and bytes that these have on average: with more of fewer it is refused. */
const mostTiny = 1000
const tiny = 16

/** Why such a body is refused. */
export class TinyChunks extends Error {
  readonly code = "ERR_TINY_CHUNKS"
  override readonly message =
    `The body has more than ${mostTiny} chunks of less than ${tiny} bytes at once. Send larger chunks.`
}

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

/**
 * Joins the small chunks of a body. Call it before anything reads the body. Calls `refuse` once for a body that is
 * refused: then nothing of it is passed on any more.
 */
export const gatherSmallChunks = (request: IncomingMessage, refuse: (error: TinyChunks) => void): void => {
  if (request.headers["transfer-encoding"] === undefined) return
  const push = request.push.bind(request)
  // Bytes are copied here: kept as they come, they would be as many objects as chunks.
  let gathered = Buffer.alloc(0)
  let length = 0
  /** What came in this turn. */
  const turn = { chunks: 0, bytes: 0 }
  let isRefused = false
  const passOn = () => {
    if (length === 0) return
    const bytes = gathered.subarray(0, length)
    length = 0
    push(bytes)
  }
  const endTurn = () => {
    turn.chunks = 0
    turn.bytes = 0
    passOn()
  }
  request.push = (chunk: unknown, encoding) => {
    if (isRefused) return false
    if (!(chunk instanceof Uint8Array)) {
      passOn()
      return push(chunk, encoding)
    }
    turn.chunks += 1
    turn.bytes += chunk.length
    if (turn.chunks > mostTiny && turn.bytes < tiny * turn.chunks) {
      isRefused = true
      length = 0
      muteBody(request)
      refuse(new TinyChunks())
      return false
    }
    if (chunk.length >= large) {
      passOn()
      return push(chunk, encoding)
    }
    if (length + chunk.length > most) passOn()
    if (length === 0) {
      gathered = Buffer.allocUnsafe(most)
      ready.push(endTurn)
      arrange()
    }
    gathered.set(chunk, length)
    length += chunk.length
    // False: Node.js reads no more from the connection until the reader asks for more.
    return false
  }
}

/** Where Node.js' parser keeps the function that it calls with each chunk (`kOnBody` in node_http_parser.cc). */
const onBody = 3

/**
 * The rest of what was read is parsed without an event for each chunk, which takes a tenth of the time. A parser that
 * is used again needs its function: no other connection is read from in this turn with it.
 */
const muteBody = ({ socket }: IncomingMessage): void => {
  const parser: unknown = Reflect.get(socket, "parser")
  if (!Predicate.isObject(parser)) return
  const own: unknown = Reflect.get(parser, onBody)
  if (!Predicate.isFunction(own)) return
  Reflect.set(parser, onBody, null)
  setImmediate(() => Reflect.set(parser, onBody, own))
}
