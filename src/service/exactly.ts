/** A part of an open file, as a stream or in memory. */
import { read } from "node:fs"
import { Readable } from "node:stream"
import * as Effect from "effect/Effect"
import { Beginnings } from "./Beginnings.ts"

/**
 * What is done with the bytes that were read, of all contents: they are hashed, packed and sent. Thirty contents whose
 * bytes came at once would be one long wait for probes.
 */
const uses = new Beginnings()

/**
 * Exactly so many bytes of a file, or an error that ends the connection. A shorter answer than announced would be taken
 * for whole, or joined with the next one.
 */
export const exactly = (
  fd: number,
  start: number,
  length: number,
  seen: (bytes: Buffer) => void = () => {},
  /** Asked before the last bytes leave. If it is false, the stream fails instead. */
  isWhole: () => boolean = () => true
): Readable => {
  let sent = 0
  return new Readable({
    highWaterMark: 128 * 1024,
    read(size) {
      const left = length - sent
      if (left === 0) return void this.push(null)
      const buffer = Buffer.allocUnsafe(Math.min(size, left))
      read(fd, buffer, 0, buffer.length, start + sent, (error, count) => {
        if (error !== null) return void this.destroy(error)
        if (count === 0) return void this.destroy(new Error(`The file ended after ${sent} of ${length} bytes.`))
        uses.inTurn(() => {
          if (this.destroyed) return
          sent += count
          const bytes = count === buffer.length ? buffer : buffer.subarray(0, count)
          seen(bytes)
          if (sent === length && !isWhole())
            return void this.destroy(new Error("The bytes are not those that were stored."))
          this.push(bytes)
        })
      })
    }
  })
}

/** The same in memory, read with one call; undefined if that returns less. */
export const atOnce = (fd: number, start: number, length: number): Effect.Effect<Buffer | undefined> =>
  Effect.async((resume) => {
    const buffer = Buffer.allocUnsafe(length)
    read(fd, buffer, 0, length, start, (error, count) => {
      uses.inTurn(() => resume(Effect.succeed(error === null && count === length ? buffer : undefined)))
    })
  })
