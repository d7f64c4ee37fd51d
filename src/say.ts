/**
 * Lines for whoever started the program, written at once: the streams of `process` take 6 to 10 ms of CPU to be
 * made, as much as everything that SQLite does in a start, and are only for a pipe that is full for now. The
 * bundle for plain command lines hides them from Effect, which would make one to see whether it is a terminal.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"

/** To stdout: what was asked for. */
export const say = (line: string): Effect.Effect<void> => Effect.sync(() => write(1, line))

/** To stderr: what else there is to know. */
export const tell = (line: string): Effect.Effect<void> => Effect.sync(() => write(2, line))

const write = (descriptor: 1 | 2, line: string): void => {
  const bytes = Buffer.from(`${line}\n`)
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(descriptor, bytes, written)
  } catch {
    // Nobody reads any more, or not yet: the stream knows what to do about either.
    const { stderr, stdout } = globalThis.process
    const stream = descriptor === 1 ? stdout : stderr
    stream.write(bytes.subarray(written))
  }
}
