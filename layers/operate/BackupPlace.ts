/** Where a backup goes, and how it gets its name. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { files, kindOf, trySync } from "../machine/files.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { flushDirectoryOf, removeOrWarn, rename } from "../sqlite/BackupFiles.ts"
import { formatCopyName } from "../sqlite/BackupNames.ts"
import { copyError } from "../sqlite/CopyError.ts"
import { faultOfName, isInMemory, isUri, urlOf, withoutSecrets } from "../sqlite/DatabasePath.ts"

/** Where a backup goes. Its unfinished copies are beside `stem`. `file`: its name, where one was given. */
interface Place {
  readonly stem: string
  readonly file: string | undefined
  readonly shown: string
}

export const placeOf = Effect.fnUntraced(function* (file: string, to: string | undefined) {
  const path = yield* Path.Path
  if (to === undefined) {
    const beside: Place = { stem: file, file: undefined, shown: `of ${file}` }
    return beside
  }
  const refuse = copyError(withoutSecrets(to))
  if (to.trim() === "" || to.includes("\0") || isInMemory(to) || isUri(to) || urlOf(to) !== undefined) {
    return yield* refuse("InvalidName", { detail: faultOfName(to) ?? "it names no file" })
  }
  const wanted = path.resolve(to)
  const lookAt = <A>(question: () => A) =>
    Effect.mapError(trySync(question), (failure) => copyError(wanted)("NoPlace", failure))
  const there = yield* lookAt(() => files.stat(wanted))
  if (there?.isDirectory() === true) {
    const stem = yield* lookAt(() => path.join(files.realPath(wanted), path.basename(file)))
    const within: Place = { stem, file: undefined, shown: `in ${wanted}` }
    return within
  }
  const isDirectoryMeant = /[\\/]\.{0,2}$/.test(to)
  if (isDirectoryMeant && there === undefined) {
    return yield* copyError(wanted)("NoPlace", { code: "ENOENT", detail: "no such directory" })
  }
  const fault = isDirectoryMeant ? undefined : faultOfName(to)
  if (fault !== undefined) return yield* refuse("InvalidName", { detail: fault })
  const kind = yield* lookAt(() => files.lstat(wanted))
  if (kind !== undefined) {
    const detail = kind.isFile() ? "" : `it is a ${kindOf(kind)}`
    return yield* copyError(wanted)("Exists", { detail })
  }
  const parent = yield* lookAt(() => files.realPath(path.dirname(wanted)))
  const named = path.join(parent, path.basename(wanted))
  // SQLite would take it for a part of the database.
  if (["-wal", "-shm", "-journal"].some((suffix) => named === `${file}${suffix}`)) {
    return yield* copyError(named)("InvalidName", { detail: "it belongs to the database" })
  }
  const place: Place = { stem: named, file: named, shown: named }
  return place
})

/** A backup of the same millisecond has the name. */
export const freeTime = (stem: string, at: number, ending: string) =>
  trySync(() => {
    let free = at
    while (files.lstat(`${stem}${formatCopyName(free, ending)}`) !== undefined) free += 1
    return free
  })

/** Flushes the directory of what got its name. Refused means that there is none. */
export const flushNamed = (path: string) => Effect.tapError(flushDirectoryOf(path), () => removeOrWarn(path))

/** Gives a finished copy its name, without replacing what got that name meanwhile. */
export const nameCopy = (partial: string, backup: string) =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const linked = Effect.mapError(fs.link(partial, backup), SystemFailure.fromPlatform)
    yield* Effect.catchIf(
      linked,
      // A filesystem without hard links.
      ({ code }) => /^(EPERM|ENOTSUP|EOPNOTSUPP|ENOSYS|EMLINK)$/.test(code),
      () =>
        Effect.flatMap(
          trySync(() => files.lstat(backup)),
          (there): Effect.Effect<void, SystemFailure, FileSystem.FileSystem> =>
            there === undefined
              ? rename(partial, backup)
              : new SystemFailure({ code: "EEXIST", detail: `${backup} already exists` })
        )
    )
  }).pipe(Effect.uninterruptible)
