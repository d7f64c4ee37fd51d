/**
 * Contents in the database, so that every backend has them. What arrives or is read is a temporary file on the local disk
 * meanwhile: no connection waits for a client.
 */
import { mkdir, rm } from "node:fs/promises"
import { join, resolve } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { arrivalsIn } from "../Arrivals.ts"
import { ContentError, onDisk } from "../ContentError.ts"
import { ContentStore, type OpenContent } from "../ContentStore.ts"
import { diskSpaceOf } from "../DiskSpace.ts"
import { Settings } from "../Settings.ts"
import { inventoryOf } from "../StoreInventory.ts"
import { give, storeOwnerOf } from "../StoreOwner.ts"
import { contentParts, inDatabase } from "./parts.ts"

export const postgresContents: Layer.Layer<
  ContentStore,
  ContentError,
  Settings | SqlClient.SqlClient | FileSystem.FileSystem
> = Layer.effect(
  ContentStore,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const fs = yield* FileSystem.FileSystem
    const { read, sizeOf } = yield* contentParts
    const { dataDirectory, maxFileSize, permissions } = yield* Settings
    const data = resolve(dataDirectory)
    const directory = join(data, "files")
    const incoming = join(directory, "incoming")
    yield* onDisk(data, () => mkdir(data, { recursive: true, mode: 0o700 }))
    const owner = yield* onDisk(data, () => storeOwnerOf(data, permissions))
    for (const folder of [directory, incoming]) {
      yield* onDisk(folder, async () => {
        if ((await mkdir(folder, { recursive: true, mode: 0o700 })) !== undefined)
          await give(folder, "directory", owner)
      })
    }

    const openContent = Effect.fnUntraced(function* (sha256: string) {
      const path = yield* Effect.acquireRelease(
        Effect.sync(() => join(incoming, crypto.randomUUID())),
        (path) => Effect.ignoreLogged(onDisk(path, () => rm(path, { force: true })))
      )
      const size = yield* read(sha256, path)
      const file = yield* Effect.mapError(fs.open(path), ContentError.from(path))
      // Another backend may store it again at any time, so nothing is said about what will be read next.
      const content: OpenContent = { file, path, size, identity: path, unsafeIsThere: () => false }
      return content
    })

    return {
      directory,
      owner,
      ...arrivalsIn({ incoming, owner, maxFileSize }),
      // Waits for nobody who stores it at this moment, and who will want the lock that is held here. A row will want it then.
      discard: (sha256) =>
        inDatabase(
          sha256,
          Effect.asVoid(sql`DELETE FROM contents WHERE sha256 IN (
            SELECT sha256 FROM contents WHERE sha256 = ${sha256} FOR UPDATE SKIP LOCKED)`)
        ),
      sizeOf,
      unsafeIdentityOf: () => undefined,
      open: openContent,
      relativePathOf: (sha256) => `contents/${sha256}`,
      inventory: inventoryOf(directory),
      forgetUpload: (name) => onDisk(incoming, () => rm(join(incoming, name), { force: true })),
      diskSpace: diskSpaceOf(directory)
    }
  })
)
