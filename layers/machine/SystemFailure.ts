/** What the operating system answered, as a value. */
import type { PlatformError } from "@effect/platform/Error"
import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

/** Errors of the operating system that can pass by themselves. */
const passing = new Set(["EAGAIN", "EBUSY", "EINTR", "EMFILE", "ENFILE", "ESTALE", "ETIMEDOUT"])

/** What the operating system answered, as its error code (`ENOENT`, `EACCES` ...). */
export class SystemFailure extends Data.TaggedError("SystemFailure")<{
  /** The system's code, e.g. `EACCES`; `UNKNOWN` where it gave none. */
  readonly code: string
  /** The system's sentence. */
  readonly detail: string
}> {
  /** The system's sentence. */
  override get message(): string {
    return this.detail
  }

  /** Whether trying again can help by itself. */
  get retryable(): boolean {
    return passing.has(this.code)
  }

  /** @internal */
  static from(cause: unknown): SystemFailure {
    return new SystemFailure({ code: codeOf(cause) ?? "UNKNOWN", detail: sentenceOf(cause) })
  }

  /** @internal A platform error carries the system's code in its cause; without one its reason has to do. */
  static fromPlatform(error: PlatformError): SystemFailure {
    const fallback = error._tag === "SystemError" ? (reasonCodes[error.reason] ?? "UNKNOWN") : "EINVAL"
    return new SystemFailure({
      code: codeOf(error.cause) ?? fallback,
      detail: error.cause instanceof Error ? error.cause.message : error.message
    })
  }
}

const reasonCodes: Partial<Record<string, string>> = {
  AlreadyExists: "EEXIST",
  BadResource: "ENOTDIR",
  Busy: "EBUSY",
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
  TimedOut: "ETIMEDOUT",
  WouldBlock: "EAGAIN"
}

/** The code of what was thrown; undefined if it has none. */
export const codeOf = (cause: unknown): string | undefined =>
  Predicate.hasProperty(cause, "code") && Predicate.isString(cause.code) ? cause.code : undefined

export const sentenceOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))
