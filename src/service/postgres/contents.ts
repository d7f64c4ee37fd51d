/**
 * Stores contents in the database, in the transaction of the row that wants them, so that every backend has them. What
 * arrives or is read is a temporary file on the local disk meanwhile: no connection waits for a client.
 */
import { createReadStream } from "node:fs"
import { mkdir, open, rm, stat } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { arrivalsIn } from "../Arrivals.ts"
import { ContentError, contentErrorOf, onDisk } from "../ContentError.ts"
import { ContentStore, type OpenContent } from "../ContentStore.ts"
import { diskSpaceOf } from "../DiskSpace.ts"
import { Settings } from "../Settings.ts"
import { inventoryOf } from "../StoreInventory.ts"
import { storeOwnerOf } from "../StoreOwner.ts"

/** Bytes of a part. A row is read and written as a whole, so it is in memory several times. */
const partBytes = 256 * 1024

export const postgresContents: Layer.Layer<
  ContentStore,
  ContentError,
  Settings | SqlClient.SqlClient | FileSystem.FileSystem
> = Layer.effect(
  ContentStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const fs = yield* FileSystem.FileSystem
    const { dataDirectory, maxFileSize, permissions } = yield* Settings
    const data = resolve(dataDirectory)
    const directory = join(data, "files")
    const incoming = join(directory, "incoming")
    yield* onDisk(incoming, () => mkdir(incoming, { recursive: true, mode: 0o700 }))
    const owner = yield* onDisk(data, () => storeOwnerOf(data, permissions))

    const inDatabase = <A, R>(sha256: string, effect: Effect.Effect<A, SqlError | ContentError, R>) =>
      Effect.mapError(effect, (cause) => contentErrorOf(sha256, cause))

    const sizeOf = (sha256: string) =>
      Effect.map(
        inDatabase(sha256, sql<{ readonly size: number }>`SELECT size FROM contents WHERE sha256 = ${sha256}`),
        ([row]) => row?.size
      )

    const insertParts = (path: string, sha256: string) =>
      NodeStream.fromReadable<ContentError, Uint8Array>(
        () => createReadStream(path, { highWaterMark: partBytes }),
        (cause) => contentErrorOf(path, cause)
      ).pipe(
        Stream.zipWithIndex,
        Stream.runForEach(
          ([bytes, part]) => sql`INSERT INTO content_parts (sha256, part, bytes) VALUES (${sha256}, ${part}, ${bytes})`
        )
      )

    const readInto = (path: string, sha256: string) =>
      Effect.acquireUseRelease(
        onDisk(path, () => open(path, "wx", 0o600)),
        (file) =>
          inDatabase(
            sha256,
            Stream.runForEach(
              sql<{ readonly bytes: Uint8Array }>`
                SELECT bytes FROM content_parts WHERE sha256 = ${sha256} ORDER BY part`.stream,
              ({ bytes }) => onDisk(path, () => file.writeFile(bytes))
            )
          ),
        (file) => Effect.promise(() => file.close())
      )

    const openContent = Effect.fnUntraced(function* (sha256: string) {
      if ((yield* sizeOf(sha256)) === undefined) return yield* missing(sha256)
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => join(incoming, crypto.randomUUID())),
        (path) => Effect.ignoreLogged(onDisk(path, () => rm(path, { force: true })))
      )
      yield* readInto(path, sha256)
      const file = yield* Effect.mapError(fs.open(path), ContentError.from(path))
      const { size } = yield* onDisk(path, () => stat(path))
      // Another backend may store it again at any time: what was found wrong is looked at anew.
      const content: OpenContent = { file, path, size, identity: path, unsafeIsThere: () => false }
      return content
    })

    return {
      directory,
      owner,
      ...arrivalsIn({ incoming, owner, maxFileSize }),
      // All of it is in the transaction.
      prepare: () => Effect.succeed(false),
      keep: ({ path, sha256, size }) =>
        sql`DELETE FROM content_parts WHERE sha256 = ${sha256}`.pipe(
          Effect.zipRight(sql`INSERT INTO contents (sha256, size) VALUES (${sha256}, ${size})
            ON CONFLICT (sha256) DO UPDATE SET size = excluded.size`),
          Effect.zipRight(insertParts(path, sha256))
        ),
      discard: (sha256) => inDatabase(sha256, Effect.asVoid(sql`DELETE FROM contents WHERE sha256 = ${sha256}`)),
      sizeOf,
      unsafeIdentityOf: () => undefined,
      open: openContent,
      relativePathOf: (sha256) => `contents/${sha256}`,
      inventory: inventoryOf(directory),
      // Nothing is compared with a disk, so there is no trash.
      putAway: () => Effect.void,
      takeBack: () => Effect.succeed(false),
      emptyOf: () => Effect.void,
      forgetUpload: (name) => onDisk(incoming, () => rm(join(incoming, name), { force: true })),
      diskSpace: diskSpaceOf(directory)
    }
  })
)

const missing = (sha256: string) =>
  new ContentError({ reason: "Missing", path: sha256, code: "", detail: "The database has no such content." })
