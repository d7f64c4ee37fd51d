/**
 * A pooler in transaction mode, for machines that have no PgBouncer: each transaction of a client goes to the backend
 * whose turn it is. It speaks as much of the protocol as that takes
 * (https://www.postgresql.org/docs/current/protocol-message-formats.html).
 */
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import { listening, toServer } from "./proxy.ts"

interface Backend {
  readonly socket: Socket
  /** The parameters and the key that the server told it. */
  readonly told: ReadonlyArray<Buffer>
  client: Socket | undefined
}

const encryption = 80_877_103
const [ready, key, parameter, terminate] = ["Z", "K", "S", "X"]

const frame = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head.write(type, "latin1")
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

const int32 = (...values: ReadonlyArray<number>): Buffer => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeInt32BE(value, 4 * index)
  return bytes
}

/** Cuts what comes into messages. */
const messages = (take: (type: string, message: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0)
  return (data: Buffer) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 5 && rest.length > rest.readInt32BE(1)) {
      const end = rest.readInt32BE(1) + 1
      const message = rest.subarray(0, end)
      rest = rest.subarray(end)
      take(message.toString("latin1", 0, 1), message)
    }
  }
}

export interface PoolerOptions {
  /** Whether it tells its clients the process id of a backend, as if there were no pooler. Default false. */
  readonly isHidden?: boolean
}

/** Gives the folder of its socket, and how many transactions each backend had. */
export const pooling = (folder: string, { isHidden = false }: PoolerOptions = {}) =>
  Effect.gen(function* () {
    const backends: Array<Backend> = []
    const waiting: Array<(backend: Backend) => void> = []
    const turns = new Map<Backend, number>()
    const free = (backend: Backend) => {
      backend.client = undefined
      const next = waiting.shift()
      if (next === undefined) backends.push(backend)
      else next(backend)
    }
    const taken = (use: (backend: Backend) => void) => {
      const counted = (backend: Backend) => {
        turns.set(backend, (turns.get(backend) ?? 0) + 1)
        use(backend)
      }
      const backend = backends.shift()
      if (backend === undefined) waiting.push(counted)
      else counted(backend)
    }
    /** The start of a session is as the client asked for it: user and database. */
    const open = (startup: Buffer, use: () => void) => {
      const socket = toServer(folder)
      const told: Array<Buffer> = []
      const backend: Backend = { socket, told, client: undefined }
      let isOpen = false
      socket.write(startup)
      socket.on(
        "data",
        messages((type, message) => {
          if (!isOpen) {
            if (type === key || type === parameter) told.push(message)
            if (type !== ready) return
            isOpen = true
            free(backend)
            return use()
          }
          backend.client?.write(message)
          if (type === ready && message.toString("latin1", 5) === "I") free(backend)
        })
      )
    }
    const greet = (client: Socket) => {
      const [first] = backends
      const told = (first?.told ?? []).filter((message) => isHidden || message.toString("latin1", 0, 1) !== key)
      const own = frame("K", int32(1 + Math.floor(Math.random() * 1e9), 1))
      client.write(
        Buffer.concat([frame("R", int32(0)), ...told, ...(isHidden ? [] : [own]), frame("Z", Buffer.from("I"))])
      )
    }
    const { folder: own } = yield* listening((client) => {
      let backend: Backend | undefined
      let isWaiting = false
      let queued: Array<Buffer> = []
      const send = (message: Buffer): void => {
        if (backend?.client === client) {
          backend.socket.write(message)
          return
        }
        queued.push(message)
        if (isWaiting) return
        isWaiting = true
        taken((mine) => {
          isWaiting = false
          backend = mine
          mine.client = client
          for (const one of queued) mine.socket.write(one)
          queued = []
        })
      }
      const cut = messages((type, message) => (type === terminate ? client.end() : send(message)))
      let isGreeted = false
      client.on("data", (data: Buffer) => {
        if (isGreeted) cut(data)
        else if (data.readInt32BE(4) === encryption) client.write("N")
        else {
          isGreeted = true
          if (backends.length + turns.size > 0) greet(client)
          else open(data, () => open(data, () => greet(client)))
        }
      })
      // Nobody else gets a transaction that was left open.
      client.on("close", () => {
        if (backend?.client === client) backend.socket.destroy()
      })
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        for (const { socket } of [...backends, ...turns.keys()]) socket.destroy()
      })
    )
    return { folder: own, transactions: () => [...turns.values()] }
  })
