/** Writes the converted files, whole or not at all. */

import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs"
import { basename, dirname, join, resolve, sep } from "node:path"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import type { SystemFailure } from "../machine/SystemFailure.ts"
import { clearFolders, ownFolder } from "../sqlite/OwnFolder.ts"
import { type Converted, errorOf, textOf } from "./Conversion.ts"
import type { ConvertError } from "./ConvertError.ts"

/** Where it goes, without links. */
export const placeOf = (source: string, destination: string, dryRun: boolean): Effect.Effect<string, ConvertError> =>
  Effect.gen(function* () {
    const wanted = resolve(destination)
    const orRefuse = Effect.mapError(({ code, detail, retryable }: SystemFailure) =>
      errorOf("NotWritten", wanted, { code, detail, retryable })
    )
    const there = yield* orRefuse(trySync(() => files.lstat(wanted)))
    const real = trySync(() =>
      there === undefined ? join(files.realPath(dirname(wanted)), basename(wanted)) : files.realPath(wanted)
    )
    const place = yield* Effect.catchIf(
      orRefuse(real),
      // A link that leads nowhere.
      ({ code }) => there !== undefined && /^E(NOENT|LOOP)$/.test(code),
      () => errorOf("Occupied", wanted)
    )
    if (`${place}${sep}`.startsWith(`${source}${sep}`)) return yield* errorOf("Within", wanted)
    if (!dryRun) yield* clearFolders(placeOfFolders(place))
    if (there === undefined) return place
    const isFree = yield* orRefuse(
      trySync(() => files.stat(place)?.isDirectory() === true && files.names(place).length === 0)
    )
    return isFree ? place : yield* errorOf("Occupied", wanted)
  })

/** Into a directory beside it, which then gets its name: `rename` replaces an empty one, and no other. */
export const write = (place: string, converted: ReadonlyArray<Converted>): Effect.Effect<void, ConvertError> =>
  Effect.gen(function* () {
    const folder = yield* ownFolder(placeOfFolders(place))
    yield* trySync(() => {
      for (const file of converted) writeFileSync(join(folder, file.to), textOf(file), { flag: "wx", flush: true })
      const before = files.stat(place)
      if (before !== undefined) chmodSync(folder, before.mode & 0o7777)
      flushDirectory(folder)
      renameSync(folder, place)
      try {
        flushDirectory(dirname(place))
      } catch (thrown) {
        // Refused means that there is nothing: back to where it is deleted.
        renameSync(place, folder)
        if (before !== undefined) mkdirSync(place, before.mode & 0o7777)
        throw thrown
      }
    })
  }).pipe(
    Effect.scoped,
    Effect.mapError(({ code, detail, retryable }) => {
      const isTaken = /^(?:ENOTEMPTY|EEXIST|ENOTDIR)$/.test(code)
      return errorOf(isTaken ? "Occupied" : "NotWritten", place, { code, detail: isTaken ? "" : detail, retryable })
    })
  )

const placeOfFolders = (place: string) => ({ stem: place, contents: /\.sql$/, isPrivate: false })

const flushDirectory = (directory: string): void => {
  if (process.platform === "win32") return
  const descriptor = openSync(directory, "r")
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
