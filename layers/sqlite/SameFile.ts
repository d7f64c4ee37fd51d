/** Whether the file at a path is still the one that is open. */
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { another, ConnectionError, nothing, refusal } from "./ConnectionError.ts"

/** The error if another file, or none, is where the open one was. */
export const replacedError = (file: string, code: string): ConnectionError =>
  new ConnectionError({
    reason: "Replaced",
    file,
    code,
    detail: "it was moved, deleted or replaced meanwhile",
    retryable: false
  })

export const identityOf = (file: string): Effect.Effect<string | undefined, ConnectionError> =>
  Effect.mapError(
    trySync(() => files.identity(file)),
    (failure) => refusal(file, "CannotOpen", failure)
  )

/**
 * Proves that the paths still lead to the files that the connection has open. In WAL mode that includes the `-shm`,
 * which has the locks: if it was deleted, the next process creates another, and neither sees the other's locks.
 */
export const sameFileStillThere = Effect.fnUntraced(function* (
  { file, identity }: { readonly file: string; readonly identity: string | undefined },
  access: "initialize" | "inspect"
) {
  if (identity === undefined) return Effect.void
  const shm = `${file}-shm`
  const writable = Effect.mapError(
    trySync(() => files.requireAccessIfThere(file, { writing: true })),
    (failure) => refusal(file, "ReadOnly", failure)
  ).pipe(
    // A changed mode does not matter to an open file; a read-only filesystem or an immutable file does.
    Effect.catchIf(
      ({ code }) => code !== "EROFS" && code !== "EPERM",
      () => Effect.void
    )
  )
  const mapped = yield* identityOf(shm)
  const same = (path: string, opened: string) =>
    Effect.flatMap(identityOf(path), (found) =>
      found === opened ? Effect.void : refusal(path, "Replaced", found === undefined ? nothing : another)
    )
  return same(file, identity).pipe(
    Effect.zipRight(mapped === undefined ? Effect.void : same(shm, mapped)),
    Effect.zipRight(access === "initialize" ? writable : Effect.void)
  )
})
