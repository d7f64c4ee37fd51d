/**
 * Writes lines at once for the person or program that started us. Creating the streams of `process` takes 6 to 10 ms of
 * CPU, as much as all of SQLite's work in a start. So they are used only when a pipe is full.
 */
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Predicate from "effect/Predicate"
import { exitCode } from "../../layers/index.ts"
import { ExitWith } from "./ExitWith.ts"

/** Writes the result to stdout. A reader that has gone away is not a failure; any other failure ends the program. */
export const say = (line: string): Effect.Effect<void, ExitWith> =>
  Effect.catchAll(writeWhole(line), (failure) => (isGone(failure) ? Effect.void : exitUnwritten(failure)))

/** The same for a program that only writes, again and again: it ends well once nobody reads any more. */
export const sayWhileRead = (line: string): Effect.Effect<void, ExitWith> =>
  Effect.catchAll(writeWhole(line), (failure) =>
    isGone(failure) ? new ExitWith({ code: exitCode.ready }) : exitUnwritten(failure)
  )

const writeWhole = (line: string): Effect.Effect<void, unknown> =>
  Effect.suspend(() => {
    const { failure, rest } = write(1, line)
    return failure === undefined ? Effect.void : isFull(failure) ? drain(rest) : Effect.fail(failure)
  })

/** Writes everything else to stderr. A failure to write there changes nothing. */
export const tell = (line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    const { failure, rest } = write(2, line)
    if (isFull(failure)) send(2, rest, constVoid)
  })

const exitUnwritten = (failure: unknown): Effect.Effect<never, ExitWith> => {
  const detail = failure instanceof Error ? failure.message : String(failure)
  return Effect.zipRight(tell(`Cannot write to stdout (${detail})`), new ExitWith({ code: exitCode.inputOutput }))
}

/** What stopped a line from being written, and the part that is still to be written. */
interface Written {
  readonly failure: unknown
  readonly rest: Uint8Array
}

/**
 * A URL as it may be shown: without its password. Everything up to the last @ counts as the password, because people
 * forget to encode an @ in it. So does anything after the host that is not a port.
 */
export const withoutPassword = (url: string): string => {
  const [, scheme, user = "", rest = ""] = /^([a-z][a-z0-9+.-]*:\/\/)([^:@/]*)(.*)$/is.exec(url) ?? []
  if (scheme === undefined) return url
  const end = rest.lastIndexOf("@")
  const isSecret = end >= 0 ? rest.startsWith(":") : /^:(?!\d*(\/|\?|$))/.test(rest)
  const shown = isSecret ? `:***${end < 0 ? "" : rest.slice(end)}` : rest
  return `${scheme}${user}${shown}`.replace(/([?&]\w*password=)[^&]*/gi, "$1***")
}

/** The URLs that we were given, whole: a message may repeat one that could not be understood. */
const secrets = [...process.argv.slice(2), process.env["DATABASE_FILE"] ?? "", process.env["DATABASE_URL"] ?? ""]
  .map((word) => word.replace(/^--[\w-]+=/, ""))
  .filter((word) => withoutPassword(word) !== word)

/** Whether a password is on the command line, where every user of the machine can read it (ps). */
export const isPasswordInArguments = process.argv
  .slice(2)
  .some((word) => secrets.includes(word.replace(/^--[\w-]+=/, "")))

/** What is written anywhere has no password in it. */
export const hidePasswords = (text: string): string =>
  secrets.reduce((hidden, url) => {
    const shown = withoutPassword(url)
    return hidden
      .replaceAll(url, shown)
      .replaceAll(JSON.stringify(url).slice(1, -1), JSON.stringify(shown).slice(1, -1))
  }, text)

const write = (descriptor: 1 | 2, line: string): Written => {
  const bytes = Buffer.from(`${hidePasswords(line)}\n`)
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(descriptor, bytes, written)
    return { failure: undefined, rest: bytes.subarray(written) }
  } catch (failure) {
    return { failure, rest: bytes.subarray(written) }
  }
}

/** Writes over the stream, which waits until there is room. Without a listener a failure would end the process. */
const send = (descriptor: 1 | 2, bytes: Uint8Array, whenWritten: (failure: unknown) => void): void => {
  const { stderr, stdout } = globalThis.process
  const stream = descriptor === 1 ? stdout : stderr
  if (stream.listenerCount("error") === 0) stream.on("error", constVoid)
  stream.write(bytes, whenWritten)
}

/** Waits for the write: the process ends with what is left in its stream. */
const drain = (bytes: Uint8Array): Effect.Effect<void, unknown> =>
  Effect.async((resume) =>
    send(1, bytes, (failure) => resume(Predicate.isNullable(failure) ? Effect.void : Effect.fail(failure)))
  )

const isFull = (failure: unknown): boolean => codeOf(failure) === "EAGAIN"
/** The other end of a pipe is closed, or of a socket that still held unread data. */
const isGone = (failure: unknown): boolean => ["EPIPE", "ECONNRESET"].includes(codeOf(failure))

const codeOf = (failure: unknown): string => (Predicate.hasProperty(failure, "code") ? String(failure.code) : "")
