/**
 * Contents of files on the disk, each once, named by its SHA-256: `files/ab/abcdef...`. What arrives is
 * written to `files/incoming` first, and has its name only once it is whole and on the disk. Which contents
 * are wanted is the database's to say: whoever discards one holds its write lock, and whoever commits a row
 * has looked under the same lock that its content is there, so that no other process can be in between.
 */
import { createHash, randomUUID } from "node:crypto"
import { statfs } from "node:fs/promises"
import type { PlatformError } from "@effect/platform/Error"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type FileTooLarge, tooLarge } from "./Api.ts"
import { Settings } from "./Settings.ts"

/** The disk would not do it. */
export class ContentError extends Data.TaggedError("ContentError")<{
  readonly reason: "Full" | "Missing" | "Failed"
  /** Absolute path. */
  readonly path: string
  readonly cause: PlatformError
}> {
  override get message(): string {
    return `${this.path}: ${this.cause.message}`
  }

  static from(path: string): (cause: PlatformError) => ContentError {
    return (cause) => new ContentError({ reason: reasonOf(cause), path, cause })
  }
}

const reasonOf = (error: PlatformError): ContentError["reason"] => {
  const code = error.cause instanceof Error && "code" in error.cause ? error.cause.code : ""
  if (code === "ENOSPC" || code === "EDQUOT") return "Full"
  return error._tag === "SystemError" && error.reason === "NotFound" ? "Missing" : "Failed"
}

/** What arrived, whole and on the disk, and not a content yet. */
export interface Received {
  readonly path: string
  /** In hexadecimal. */
  readonly sha256: string
  /** Bytes. */
  readonly size: number
}

/** What is still incoming and was not written to for as long was left by a process that is gone. */
const abandonedAfter = Duration.hours(1)

export class ContentStore extends Context.Tag("conversation-files/ContentStore")<
  ContentStore,
  {
    /**
     * Writes a stream to the disk while hashing it. What is beyond the limit is still read, so that the
     * sender hears the answer, but not written. Gone with the scope unless it is kept.
     */
    readonly receive: <E>(
      content: Stream.Stream<Uint8Array, E>
    ) => Effect.Effect<Received, E | FileTooLarge | ContentError, Scope.Scope>
    /** Makes it a content, on the disk when it is over; where there is an equal one, that one will do. */
    readonly keep: (received: Received) => Effect.Effect<void, ContentError>
    /** Removes a content; none is fine. To be called with the write lock held. */
    readonly discard: (sha256: string) => Effect.Effect<void, ContentError>
    /** With the write lock held this stays as it is. */
    readonly has: (sha256: string) => Effect.Effect<boolean, ContentError>
    /** Opens a content for reading, until the scope closes. It can be read whatever happens to it meanwhile. */
    readonly open: (sha256: string) => Effect.Effect<FileSystem.File, ContentError, Scope.Scope>
    /** What a row keeps of it: its path from the data directory. */
    readonly relativePathOf: (sha256: string) => string
    /** The SHA-256 of every content on the disk. */
    readonly contents: Effect.Effect<ReadonlyArray<string>, ContentError>
    /** Removes what never became a content. */
    readonly sweepIncoming: Effect.Effect<number, ContentError>
    /** Bytes that can still be written; null where nobody knows. */
    readonly freeBytes: Effect.Effect<number | null>
  }
>() {
  /** Makes the directories, readable by their owner alone. Fails with `ContentError`. */
  static readonly layer: Layer.Layer<ContentStore, ContentError, Settings | FileSystem.FileSystem | Path.Path> =
    Layer.effect(
      ContentStore,
      Effect.gen(function* () {
        const { dataDirectory, maxFileSize } = yield* Settings
        const fs = yield* FileSystem.FileSystem
        const path = yield* Path.Path
        const directory = path.resolve(dataDirectory, "files")
        const incoming = path.join(directory, "incoming")
        yield* made(fs, incoming)

        const relativePathOf = (sha256: string) => path.join("files", sha256.slice(0, 2), sha256)
        const pathOf = (sha256: string) =>
          // What an earlier system has as a hash can be anything, and names no content here.
          isHash(sha256) ? path.resolve(dataDirectory, relativePathOf(sha256)) : path.join(directory, "none")

        const receive = <E>(content: Stream.Stream<Uint8Array, E>) =>
          Effect.gen(function* () {
            const target = path.join(incoming, randomUUID())
            const failed = Effect.mapError(ContentError.from(target))
            yield* Effect.addFinalizer(() => Effect.ignoreLogged(fs.remove(target, { force: true })))
            const { sha256, size } = yield* Effect.scoped(
              Effect.gen(function* () {
                const file = yield* failed(fs.open(target, { flag: "wx", mode: 0o600 }))
                const hash = createHash("sha256")
                let size = 0
                const take = (chunk: Uint8Array): Effect.Effect<void, ContentError> => {
                  size += chunk.length
                  if (size > maxFileSize) return Effect.void
                  hash.update(chunk)
                  return failed(file.writeAll(chunk))
                }
                yield* Stream.runForEach(content, take)
                if (size > maxFileSize) return yield* tooLarge(maxFileSize)
                yield* failed(file.sync)
                return { sha256: hash.digest("hex"), size }
              })
            )
            const received: Received = { path: target, sha256, size }
            return received
          })

        const keep = Effect.fnUntraced(function* ({ path: from, sha256 }: Received) {
          const to = pathOf(sha256)
          const shelf = path.dirname(to)
          if (!(yield* Effect.mapError(fs.exists(shelf), ContentError.from(shelf)))) {
            yield* made(fs, shelf)
            yield* synced(fs, directory)
          }
          // A second name, so that it can be given once more when somebody discards it before there is a row.
          yield* fs.link(from, to).pipe(
            Effect.catchIf(isAlreadyThere, () => Effect.void),
            Effect.mapError(ContentError.from(to))
          )
          yield* synced(fs, shelf)
        })

        const discard = (sha256: string) =>
          Effect.mapError(fs.remove(pathOf(sha256), { force: true }), ContentError.from(pathOf(sha256)))

        const has = (sha256: string) => Effect.mapError(fs.exists(pathOf(sha256)), ContentError.from(pathOf(sha256)))

        const open = (sha256: string) => Effect.mapError(fs.open(pathOf(sha256)), ContentError.from(pathOf(sha256)))

        const listed = (folder: string) => Effect.mapError(fs.readDirectory(folder), ContentError.from(folder))

        const contents = listed(directory).pipe(
          Effect.map((shelves) => shelves.filter((shelf) => /^[0-9a-f]{2}$/.test(shelf))),
          Effect.flatMap((shelves) => Effect.all(shelves.map((shelf) => listed(path.join(directory, shelf))))),
          Effect.map((shelves) => shelves.flat().filter(isHash))
        )

        const sweepIncoming = Effect.gen(function* () {
          const now = yield* Clock.currentTimeMillis
          const swept = yield* Effect.forEach(yield* listed(incoming), (name) => {
            const target = path.join(incoming, name)
            return fs.stat(target).pipe(
              Effect.map(({ mtime }) =>
                Option.exists(mtime, (at) => now - at.getTime() > Duration.toMillis(abandonedAfter))
              ),
              Effect.tap((abandoned) => (abandoned ? fs.remove(target, { force: true }) : Effect.void)),
              // An upload may be over between the list and the look.
              Effect.catchIf(isMissing, () => Effect.succeed(false)),
              Effect.mapError(ContentError.from(target))
            )
          })
          return swept.filter((abandoned) => abandoned).length
        })

        // The platform's FileSystem has no such question.
        const freeBytes = Effect.promise(() =>
          statfs(directory).then(
            ({ bavail, bsize }) => bavail * bsize,
            () => null
          )
        )

        return { receive, keep, discard, has, open, relativePathOf, contents, sweepIncoming, freeBytes }
      })
    )
}

const isHash = (name: string): boolean => /^[0-9a-f]{64}$/.test(name)

const isAlreadyThere = (error: PlatformError): boolean =>
  error._tag === "SystemError" && error.reason === "AlreadyExists"

const isMissing = (error: PlatformError): boolean => reasonOf(error) === "Missing"

const made = (fs: FileSystem.FileSystem, folder: string): Effect.Effect<void, ContentError> =>
  Effect.mapError(fs.makeDirectory(folder, { recursive: true, mode: 0o700 }), ContentError.from(folder))

/** Flushes the entries of a directory, so that a name in it outlives a power loss. */
const synced = (fs: FileSystem.FileSystem, folder: string): Effect.Effect<void, ContentError> =>
  fs.open(folder).pipe(
    Effect.flatMap(({ sync }) => sync),
    Effect.scoped,
    Effect.mapError(ContentError.from(folder))
  )
