/**
 * Lines for whoever started the program, written at once: the streams of `process` take 6 to 10 ms of CPU to be
 * made, as much as everything that SQLite does in a start, and are only for a pipe that is full for now.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Predicate from "effect/Predicate"
import { Ended, exitCode } from "./exitCode.ts"

/** To stdout: what was asked for. A reader that has gone away wants no more; any other failure ends the program. */
export const say = (line: string): Effect.Effect<void, Ended> =>
  Effect.suspend(() => {
    const { failure, rest } = write(1, line)
    return failure === undefined ? Effect.void : isFull(failure) ? drained(rest) : Effect.fail(failure)
  }).pipe(Effect.catchAll((failure) => (isGone(failure) ? Effect.void : unsaid(failure))))

/** To stderr: what else there is to know. Whether anybody can be told changes nothing. */
export const tell = (line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const { failure, rest } = write(2, line)
    if (isFull(failure)) send(2, rest, constVoid)
  })

const unsaid = (failure: unknown): Effect.Effect<never, Ended> => {
  const detail = failure instanceof Error ? failure.message : String(failure)
  return Effect.zipRight(tell(`stdout cannot be written (${detail})`), new Ended({ code: exitCode.inputOutput }))
}

/** What kept a line from being written, and the part of it that is still to be written. */
interface Written {
  readonly failure: unknown
  readonly rest: Uint8Array
}

const write = (descriptor: 1 | 2, line: string): Written => {
  const bytes = Buffer.from(`${line}\n`)
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(descriptor, bytes, written)
    return { failure: undefined, rest: bytes.subarray(written) }
  } catch (failure) {
    return { failure, rest: bytes.subarray(written) }
  }
}

/** Over the stream, which waits until there is room; a failure without a listener would end the process. */
const send = (descriptor: 1 | 2, bytes: Uint8Array, whenWritten: (failure: unknown) => void): void => {
  const { stderr, stdout } = globalThis.process
  const stream = descriptor === 1 ? stdout : stderr
  if (stream.listenerCount("error") === 0) stream.on("error", constVoid)
  stream.write(bytes, whenWritten)
}

/** Waited for: the process ends with what is left in its stream. */
const drained = (bytes: Uint8Array): Effect.Effect<void, unknown> =>
  Effect.async((resume) =>
    send(1, bytes, (failure) => resume(Predicate.isNullable(failure) ? Effect.void : Effect.fail(failure)))
  )

const isFull = (failure: unknown): boolean => codeOf(failure) === "EAGAIN"
/** A pipe's other end is closed, or a socket's with something in it that was not read. */
const isGone = (failure: unknown): boolean => ["EPIPE", "ECONNRESET"].includes(codeOf(failure))

const codeOf = (failure: unknown): string => (Predicate.hasProperty(failure, "code") ? String(failure.code) : "")
