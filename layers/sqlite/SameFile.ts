/** Whether the file at a path is still the one that is open. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { files } from "../machine/files.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { another, ConnectionError, nothing, refusal } from "./ConnectionError.ts"
import { systemOutcomeOf } from "./edge.ts"

/** The error if another file, or none, is where the open one was. */
export const replacedError = (file: string, code: string): ConnectionError =>
  new ConnectionError({
    reason: "Replaced",
    file,
    code,
    detail: "it was moved, deleted or replaced meanwhile",
    retryable: false
  })

/** Looks when it is called. */
export const identityOf = (file: string): Exit.Exit<string | undefined, ConnectionError> =>
  systemOutcomeOf(
    () => files.identity(file),
    (failure) => refusal(file, "CannotOpen", failure)
  )

/**
 * Proves that the paths still lead to the files that the connection has open. In WAL mode that includes the `-shm`,
 * which has the locks: if it was deleted, the next process creates another, and neither sees the other's locks.
 */
export const sameFileStillThere = (
  { file, identity }: { readonly file: string; readonly identity: string | undefined },
  access: "initialize" | "inspect"
): Exit.Exit<Effect.Effect<void, ConnectionError>, ConnectionError> => {
  if (identity === undefined) return Exit.succeed(Effect.void)
  const shm = `${file}-shm`
  const shmIdentity = identityOf(shm)
  if (Exit.isFailure(shmIdentity)) return Exit.failCause(shmIdentity.cause)
  const mapped = shmIdentity.value
  const changed = (path: string, opened: string): ConnectionError | undefined => {
    try {
      const found = files.identity(path)
      return found === opened ? undefined : refusal(path, "Replaced", found === undefined ? nothing : another)
    } catch (thrown) {
      return refusal(path, "CannotOpen", SystemFailure.from(thrown))
    }
  }
  const unwritable = (): ConnectionError | undefined => {
    try {
      files.requireAccessIfThere(file, { writing: true })
      return undefined
    } catch (thrown) {
      const error = refusal(file, "ReadOnly", SystemFailure.from(thrown))
      // A changed mode does not matter to an open file; a read-only filesystem or an immutable file does.
      return error.code === "EROFS" || error.code === "EPERM" ? error : undefined
    }
  }
  // In one step, because every write asks.
  const inPlace = Effect.suspend(
    () =>
      changed(file, identity) ??
      (mapped === undefined ? undefined : changed(shm, mapped)) ??
      (access === "initialize" ? unwritable() : undefined) ??
      Effect.void
  )
  return Exit.succeed(inPlace)
}
