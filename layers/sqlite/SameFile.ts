/** Whether the file at a path is still the one that is open. */
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { another, ConnectionError, nothing, refusal } from "./ConnectionError.ts"

/** What SQLite says when another file, or none, is where the one was that it has open. */
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
 * Proves that the paths still lead to the files that the connection has open. In WAL mode one of them is the `-shm`
 * with the locks: who opens the database after it was deleted makes another, and neither sees what the other locks.
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
    // A mode that was changed does not matter to a file that is open; a filesystem or a file that was frozen does.
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
