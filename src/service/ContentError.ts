/** A file system error on the contents, as a value. */

import type { Dirent, Stats } from "node:fs"
import { lstat, readdir } from "node:fs/promises"
import type { PlatformError } from "@effect/platform/Error"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

export class ContentError extends Data.TaggedError("ContentError")<{
  /**
   * `Foreign`: something is there that this service did not make and does not touch. `Damaged`: its bytes were read and
   * are not those of its name.
   */
  readonly reason: "Full" | "Missing" | "Denied" | "Foreign" | "Damaged" | "Failed"
  /** Absolute path. */
  readonly path: string
  /** The system's code, such as `ENOSPC`; empty if there is none. */
  readonly code: string
  readonly detail: string
}> {
  override get message(): string {
    return `${this.path}: ${this.detail}`
  }

  static from(path: string): (cause: PlatformError) => ContentError {
    return (error) => contentErrorOf(path, error.cause ?? error)
  }
}

/** What a call of `node:fs` threw. */
export const contentErrorOf = (path: string, cause: unknown): ContentError => {
  if (cause instanceof ContentError) return cause
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : ""
  return new ContentError({
    reason: reasonOf(code),
    path,
    code,
    detail: cause instanceof Error ? cause.message : String(cause)
  })
}

const reasonOf = (code: string): ContentError["reason"] => {
  if (code === "ENOSPC" || code === "EDQUOT") return "Full"
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return "Denied"
  // Nothing is in a directory that is none.
  return code === "ENOENT" || code === "ENOTDIR" ? "Missing" : "Failed"
}

export const notOurs = (path: string): ContentError =>
  new ContentError({ reason: "Foreign", path, code: "", detail: "This service did not make it." })

/** A call of `node:fs` that the platform's FileSystem lacks: that one follows links and does not tell kinds. */
export const onDisk = <A>(path: string, call: () => Promise<A>): Effect.Effect<A, ContentError> =>
  Effect.tryPromise({ try: call, catch: (cause) => contentErrorOf(path, cause) })

/** Looks at a path without following links; undefined if nothing is there. */
export const lookAt = (path: string): Effect.Effect<Stats | undefined, ContentError> =>
  onDisk(path, () => statsOf(path))

/** Looks at a file and its directory in one call. */
export const lookAtBoth = (
  directory: string,
  file: string
): Effect.Effect<readonly [directory: Stats | undefined, file: Stats | undefined], ContentError> =>
  onDisk(file, () => Promise.all([statsOf(directory), statsOf(file)]))

const statsOf = (path: string): Promise<Stats | undefined> =>
  lstat(path).catch((cause) => {
    if (contentErrorOf(path, cause).reason === "Missing") return undefined
    throw cause
  })

/** The entries of a directory with their kinds; undefined if there is no such directory. */
export const entriesOf = (path: string): Effect.Effect<ReadonlyArray<Dirent> | undefined, ContentError> =>
  orUndefined(onDisk(path, () => readdir(path, { withFileTypes: true })))

export const orUndefined = <A, R>(effect: Effect.Effect<A, ContentError, R>) =>
  Effect.catchIf(
    effect,
    ({ reason }) => reason === "Missing",
    () => Effect.succeed(undefined)
  )
