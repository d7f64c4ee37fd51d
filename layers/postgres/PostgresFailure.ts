/** What PostgreSQL, or the way to it, failed with. */
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

export class PostgresFailure extends Data.TaggedError("PostgresFailure")<{
  /**
   * A SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), the system's code such as
   * `ECONNREFUSED`, or "" where `pg` gives none.
   */
  readonly code: string
  /** The message, with PostgreSQL's own detail and hint. */
  readonly detail: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Where in the text that was sent the error is, counted in characters from 1; 0 where PostgreSQL does not say. */
  readonly position: number
  readonly cause: unknown
}> {
  static from(thrown: unknown): PostgresFailure {
    // A SqlError has the driver's error within; a name with several addresses gives several errors at once.
    const cause =
      Predicate.isTagged(thrown, "SqlError") && Predicate.hasProperty(thrown, "cause") ? thrown.cause : thrown
    const first = cause instanceof AggregateError ? (cause.errors[0] ?? cause) : cause
    const code = textIn(first, "code")
    const message = textIn(first, "message") || String(first)
    const detail = [message, textIn(first, "detail"), textIn(first, "hint")].filter((part) => part !== "").join("; ")
    const position = Number(textIn(first, "position") || 0)
    return new PostgresFailure({ code, detail, retryable: mayPass(code, message), position, cause })
  }
}

const textIn = (value: unknown, name: string): string =>
  Predicate.hasProperty(value, name) && typeof value[name] === "string" ? value[name] : ""

/**
 * What passes by itself: a server that starts, stops, fails over or has no place left, a line that is cut, and a lock
 * of another session. `pg` has no code for some of it.
 */
const mayPass = (code: string, message: string): boolean =>
  passing.test(code) ||
  (code === "08P01" && isServerGone(message)) ||
  (code === "" && (/^timeout e/.test(message) || isCut(message)))

/** Whether PgBouncer says that the server behind it does not answer: it has one code for that and for much else. */
export const isServerGone = (message: string): boolean =>
  /server login (has been failing|failed)|cannot connect to server|server conn crashed|query_wait_timeout/.test(message)

/** Whether `pg`, or this library, says without a code that a connection is gone. Nothing comes on it any more. */
export const isCut = (message: string): boolean =>
  /^(Connection terminated|Client (has encountered a connection error|was closed) and|the connection was ended)/.test(
    message
  )

/** The message, with its code where there is one. */
export const codeAndDetail = ({ code, detail }: { readonly code: string; readonly detail: string }): string =>
  code === "" ? detail : `${code}: ${detail}`

const passing =
  /^(08(000|001|003|004|006)|25006|40001|40P01|53300|55P03|55006|57P0[1-5]|ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EAI_AGAIN)$/
