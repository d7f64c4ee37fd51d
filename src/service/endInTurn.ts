/**
 * What ends with a connection, such as an answer under way with its file, ends in its turn: somebody may close a hundred
 * connections at once.
 */
import type { Socket } from "node:net"
import { Beginnings } from "./Beginnings.ts"

/** The ends of all connections of this process. */
const ends = new Beginnings()

/** Call it before anything listens for the end of the connection. */
export const endInTurn = (socket: Socket): void => {
  const emit = socket.emit.bind(socket)
  socket.emit = (event: string | symbol, ...args: ReadonlyArray<unknown>) => {
    if (event !== "close") return emit(event, ...args)
    ends.inTurn(() => emit(event, ...args))
    return true
  }
}
