/** What one connection, and all of them, may take of the server: before any request is looked at. */
import { readFileSync } from "node:fs"
import { IncomingMessage, Server, ServerResponse } from "node:http"
import { Socket } from "node:net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { callerOf } from "./Address.ts"
import type { KeptAnswers } from "./KeptAnswers.ts"
import type { Strangers } from "./Strangers.ts"

/** A connection that waits for a first or a next request, or sends its head, is heard for so long (milliseconds). */
const patience = { head: 10_000, next: 5_000, silence: 60_000 }

/**
 * A connection counts as idle when nothing came on it for so long (milliseconds): its client may be sending the next
 * request at the moment at which it is closed, and cannot know whether that was taken. nginx has the same
 * (`keepalive_min_timeout`).
 */
const turnaround = 500

/** What is known of a connection. */
interface Talk {
  /** Requests on it whose answers are not sent. */
  readonly open: Set<ServerResponse>
  /** When it was opened, or the last answer was sent on it (monotonic milliseconds). */
  since: number
  /** Bytes that had come by then. */
  heard: number
}

/** Requests that may wait on one connection behind the one that is under way. Browsers send none before its answer. */
const mostWaiting = 16

/**
 * A server that ends silent connections after seconds, and has no more than its descriptors allow: a connection may
 * need three, with a content and an upload. Where there are too many, one of those goes on which nobody has shown a
 * token yet: of the address that has most of them, the oldest. So a stranger who opens more drives out his own.
 */
export class BoundedServer extends Server {
  private readonly strange = new Map<string, Set<Socket>>()
  private readonly strangers: Strangers["Type"]
  private readonly kept: KeptAnswers["Type"]
  private readonly talks = new Map<Socket, Talk>()
  private readonly most: number
  private isDraining = false
  private open = 0

  constructor(
    maxConnections: number,
    lockPatience: Duration.Duration,
    strangers: Strangers["Type"],
    kept: KeptAnswers["Type"]
  ) {
    super({
      // How often Node.js looks for heads that are late.
      connectionsCheckingInterval: 1000,
      headersTimeout: patience.head,
      keepAliveTimeout: patience.next,
      // Its absence is a problem like others.
      requireHostHeader: false
    })
    this.strangers = strangers
    this.kept = kept
    this.most = Math.max(8, Math.min(maxConnections, Math.floor(descriptorLimit() / 3)))
    // Of a connection on which nothing moves in either direction, whatever is under way on it.
    this.timeout = patience.silence + Duration.toMillis(lockPatience)
    this.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      continueWhenRead(request, response, () => !this.isDraining)
      this.emit("request", request, response)
    })
  }

  /** Strangers who ask too much, and who asks what was answered before, get no further: what listens is not told. */
  override emit(event: string, ...args: ReadonlyArray<unknown>): boolean {
    const [first, second] = args
    if (event === "connection" && first instanceof Socket) this.admit(first)
    if (event === "request" && first instanceof IncomingMessage && second instanceof ServerResponse) {
      // What had come in one piece with the request that ended the connection is read to its end, for nobody.
      if (first.socket.destroyed) return true
      if (this.isBehindTheLast(first, second) || this.isTurnedAway(first, second)) return true
      if (this.kept.answer(first, second)) return true
    }
    return super.emit(event, ...args)
  }

  /**
   * From now on each answer is the last one on its connection, and says so; connections on which nothing is answered
   * are closed. It still listens: who has not heard of it yet is answered.
   */
  drain(): void {
    if (this.isDraining) return
    this.isDraining = true
    for (const { open } of this.talks.values()) isLastOf(open)
    this.closeIdleConnections()
    const timer = setInterval(() => this.closeIdleConnections(), turnaround / 10).unref()
    this.once("close", () => clearInterval(timer))
  }

  /** Node.js' own, which `close` calls too, takes an answer for sent that waits in the socket's buffer. */
  override closeIdleConnections(): void {
    // After the event loop has read what came while it was held.
    setImmediate(() => this.closeIdle())
  }

  private closeIdle(): void {
    const now = performance.now()
    for (const [socket, talk] of this.talks) {
      // A request that has begun to come is waited for as long as any other.
      const isIdle = talk.open.size === 0 && socket.bytesRead === talk.heard
      if (isIdle && now - talk.since >= turnaround) socket.destroy()
    }
  }

  /** Whether an answer that was sent before has ended its connection; this one is not looked at. */
  private isBehindTheLast({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const talk = this.talks.get(socket)
    if (talk === undefined) return false
    const { open } = talk
    if (this.isDraining && [...open].some((before) => before.headersSent && !before.shouldKeepAlive)) return true
    open.add(response)
    // Where it is not sent to its end, the connection is over as well.
    response.once("finish", () => {
      open.delete(response)
      hear(socket, talk)
    })
    if (this.isDraining) isLastOf(open)
    return false
  }

  /** Nothing else than HTTP/1.1 is spoken here: who offers to upgrade is answered as if he had not (RFC 9110, 7.8). */
  override listenerCount(event: string | symbol): number {
    return event === "upgrade" ? 0 : super.listenerCount(event)
  }

  private isTurnedAway(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    // Its last answer said that it closes.
    if (refused.has(socket)) {
      socket.destroy()
      return true
    }
    const isKnown = this.strangers.isKnown(request)
    if (isKnown) this.forget(socket)
    const isTurnedAway = this.strangers.turnAway(request, response, isKnown)
    if (isTurnedAway && !response.shouldKeepAlive) refused.add(socket)
    return isTurnedAway
  }

  private admit(socket: Socket): void {
    this.open += 1
    this.talks.set(socket, { open: new Set(), since: performance.now(), heard: 0 })
    const caller = callerOf(socket.remoteAddress ?? "")
    const others = this.strange.get(caller)
    if (others === undefined) this.strange.set(caller, new Set([socket]))
    else others.add(socket)
    socket.once("close", () => {
      this.open -= 1
      this.talks.delete(socket)
      this.forget(socket, caller)
    })
    if (this.open > this.most) this.driveOut()
  }

  private driveOut(): void {
    let largest: Set<Socket> = new Set()
    for (const sockets of this.strange.values()) if (sockets.size > largest.size) largest = sockets
    const [oldest] = largest
    if (oldest === undefined) return
    this.forget(oldest)
    oldest.destroy()
  }

  private forget(socket: Socket, caller = callerOf(socket.remoteAddress ?? "")): void {
    const sockets = this.strange.get(caller)
    sockets?.delete(socket)
    if (sockets?.size === 0) this.strange.delete(caller)
  }
}

const hear = (socket: Socket, talk: Talk): void => {
  talk.since = performance.now()
  talk.heard = socket.bytesRead
}

/** Of several requests on one connection the last one ends it: what was asked before is answered too. */
const isLastOf = (open: ReadonlySet<ServerResponse>): void => {
  const responses = [...open]
  for (const response of responses) {
    if (!response.headersSent) response.shouldKeepAlive = response !== responses.at(-1)
  }
}

/** Connections that end with the answer that is sent on them. */
const refused = new WeakSet<Socket>()

/**
 * A sender who waits to be told to send is told when somebody reads, not before: what is refused is never sent
 * (RFC 9110, 10.1.1). Where nobody reads, the connection ends with the answer, for the body may still come.
 */
const continueWhenRead = (request: IncomingMessage, response: ServerResponse, mayGoOn: () => boolean): void => {
  const keepsAlive = response.shouldKeepAlive
  response.shouldKeepAlive = false
  const read = request._read.bind(request)
  let isRead = false
  request._read = (size) => {
    if (!isRead && !response.headersSent) {
      response.shouldKeepAlive = keepsAlive && mayGoOn()
      response.writeContinue()
    }
    isRead = true
    read(size)
  }
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
    // Also where this one is given up before its turn: the one that is under way is not over by that.
    line.last = Promise.all([before, line.last]).then(() => {})
    // Also where nobody is before it: whether a request has a body to come is known after this turn of the parser.
    return Effect.promise(() => before).pipe(
      Effect.as(over),
      Effect.onInterrupt(() => Effect.sync(over))
    )
  })
