/** Limits what one connection, and all of them together, may take of the server before any request is read. */
import { readFileSync } from "node:fs"
import { IncomingMessage, Server, ServerResponse } from "node:http"
import { Socket } from "node:net"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { callerOf } from "./Address.ts"
import { Beginnings } from "./Beginnings.ts"
import { continueWhenRead } from "./continueWhenRead.ts"
import { endInTurn } from "./endInTurn.ts"
import type { KeptAnswers } from "./KeptAnswers.ts"
import { gatherSmallChunks } from "./SmallChunks.ts"
import type { Strangers } from "./Strangers.ts"

/** How long a connection may wait for its first or next request, or send its head (milliseconds). */
const patience = { head: 10_000, next: 5_000, silence: 60_000 }

/**
 * How long a connection must be silent to count as idle (milliseconds). Its client may be sending the next request when
 * the connection is closed, and cannot know whether it was taken. nginx has the same limit (`keepalive_min_timeout`).
 */
const turnaround = 500

/** Requests of one connection whose answers are not sent. Those that need the HTTP layer have a lower bound there. */
const mostOpen = 32

/** What is known of a connection. */
interface Talk {
  /** Its requests whose answers are not sent. */
  readonly open: Set<ServerResponse>
  /** When it was opened, or its last answer was sent (monotonic milliseconds). */
  since: number
  /** Bytes that had arrived by then. */
  heard: number
}

/**
 * A server that ends silent connections after seconds. It keeps fewer connections than its descriptors allow: one may
 * need three, with a content and an upload. If there are too many, it closes one that has shown no valid token: the
 * oldest of the address with the most of them, and rather one that was never answered than a probe's. So a stranger
 * who opens more loses only their own.
 */
export class BoundedServer extends Server {
  private readonly strange = new Map<string, Set<Socket>>()
  private readonly strangers: Strangers["Type"]
  private readonly kept: KeptAnswers["Type"]
  private readonly beginnings = new Beginnings()
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
      // How often Node.js looks for late heads.
      connectionsCheckingInterval: 1000,
      headersTimeout: patience.head,
      keepAliveTimeout: patience.next,
      // Answer a missing `Host` as a problem, like other errors.
      requireHostHeader: false
    })
    this.strangers = strangers
    this.kept = kept
    this.most = Math.max(8, Math.min(maxConnections, Math.floor(descriptorLimit() / 3)))
    // For a connection on which nothing moves in either direction, even with a request under way.
    this.timeout = patience.silence + Duration.toMillis(lockPatience)
    this.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
      continueWhenRead(request, response, () => !this.isDraining)
      this.emit("request", request, response)
    })
  }

  /** Refuses strangers who ask too much, and repeats answers that still hold, before any listener is told. */
  override emit(event: string, ...args: ReadonlyArray<unknown>): boolean {
    const [first, second] = args
    if (event === "connection" && first instanceof Socket) this.admit(first)
    if (event === "request" && first instanceof IncomingMessage && second instanceof ServerResponse) {
      if (first.socket.destroyed) return isDropped(first)
      if (this.isBehindTheLast(first, second) || this.isTurnedAway(first, second)) return true
      if (this.kept.answer(first, second)) return true
      gatherSmallChunks(first, (error) => this.emit("clientError", error, first.socket))
      // A probe waits for nobody but earlier requests on its connection, which keep their order.
      if (second.socket !== null && this.strangers.isProbe(first)) return super.emit(event, ...args)
      this.beginnings.inTurn(() => {
        if (first.socket.destroyed) isDropped(first)
        else super.emit(event, ...args)
      })
      return true
    }
    return super.emit(event, ...args)
  }

  /**
   * From now on each answer is the last one on its connection and says so. Idle connections are closed. The server
   * still listens, for clients that have not noticed yet.
   */
  drain(): void {
    if (this.isDraining) return
    this.isDraining = true
    for (const { open } of this.talks.values()) isLastOf(open)
    // The end of the service waits only for requests that have begun.
    this.beginnings.hurry()
    this.closeIdleConnections()
    const timer = setInterval(() => this.closeIdleConnections(), turnaround / 10).unref()
    this.once("close", () => clearInterval(timer))
  }

  /**
   * Node.js' own method, which `close` calls too, treats an answer as sent while it still waits in the socket's buffer.
   */
  override closeIdleConnections(): void {
    // Wait for the event loop to read what arrived while it was blocked.
    setImmediate(() => this.closeIdle())
  }

  private closeIdle(): void {
    const now = performance.now()
    for (const [socket, talk] of this.talks) {
      // A request that has begun to arrive gets as much time as any other.
      const isIdle = talk.open.size === 0 && socket.bytesRead === talk.heard
      if (isIdle && now - talk.since >= turnaround) socket.destroy()
    }
  }

  /** Whether an earlier answer has ended its connection. Then this request is ignored. */
  private isBehindTheLast(request: IncomingMessage, response: ServerResponse): boolean {
    const { socket } = request
    const talk = this.talks.get(socket)
    if (talk === undefined) return false
    const { open } = talk
    if (this.isDraining && [...open].some((before) => before.headersSent && !before.shouldKeepAlive)) return true
    if (open.size >= mostOpen) {
      socket.destroy()
      return isDropped(request)
    }
    open.add(response)
    // If it is not sent to its end, the connection is over too.
    response.once("finish", () => {
      open.delete(response)
      hear(socket, talk)
    })
    if (this.isDraining) isLastOf(open)
    return false
  }

  /** Only HTTP/1.1 is spoken here. An offer to upgrade is answered as if there were none (RFC 9110, 7.8). */
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
    endInTurn(socket)
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
    const victim = this.firstWithoutAnswer(largest) ?? oldest
    if (victim === undefined) return
    this.forget(victim)
    victim.destroy()
  }

  private firstWithoutAnswer(sockets: ReadonlySet<Socket>): Socket | undefined {
    for (const socket of sockets) if (this.talks.get(socket)?.heard === 0) return socket
    return undefined
  }

  private forget(socket: Socket, caller = callerOf(socket.remoteAddress ?? "")): void {
    const sockets = this.strange.get(caller)
    sockets?.delete(socket)
    if (sockets?.size === 0) this.strange.delete(caller)
  }
}

/**
 * Drops a request of a connection that is over. Node.js would parse all that it has read, which may be 1,800 of them,
 * and abort each with an error and its stack.
 */
const isDropped = (request: IncomingMessage): true => {
  request.destroy()
  const parser: unknown = Reflect.get(request.socket, "parser")
  // As if what follows were another protocol. A parser that is used again gets its own function back.
  if (Predicate.hasProperty(parser, "onIncoming")) parser.onIncoming = () => otherProtocol
  return true
}

/** What Node.js' parser understands as: read no further. */
const otherProtocol = 2

const hear = (socket: Socket, talk: Talk): void => {
  talk.since = performance.now()
  talk.heard = socket.bytesRead
}

/** Of several requests on one connection the last one ends it, so that earlier ones are answered too. */
const isLastOf = (open: ReadonlySet<ServerResponse>): void => {
  const responses = [...open]
  for (const response of responses) {
    if (!response.headersSent) response.shouldKeepAlive = response !== responses.at(-1)
  }
}

/** Connections that end with the current answer. */
const refused = new WeakSet<Socket>()

/** How many files this process may open. If unknown, the usual default. */
const descriptorLimit = (): number => {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
    return soft === undefined ? 1024 : Number(soft)
  } catch {
    return 1024
  }
}
