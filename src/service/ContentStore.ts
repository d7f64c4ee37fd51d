/** Where contents are: on the disk beside a SQLite file, or in a PostgreSQL database. */
import type * as FileSystem from "@effect/platform/FileSystem"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Arrivals } from "./Arrivals.ts"
import type { ContentError } from "./ContentError.ts"
import type { DiskSpace } from "./DiskSpace.ts"
import type { Inventory } from "./StoreInventory.ts"
import type { StoreOwner } from "./StoreOwner.ts"

/** A content that is open. */
export interface OpenContent {
  readonly file: FileSystem.File
  /** Where another process can read it, until the scope closes. */
  readonly path: string
  readonly size: number
  /** Tells this file, as it was when it was opened, from every other one in its place. */
  readonly identity: string
  /** Whether it is still in its place, as it was. */
  readonly unsafeIsThere: () => boolean
}

export class ContentStore extends Context.Tag("conversation-files/ContentStore")<
  ContentStore,
  {
    /** Where uploads arrive, and files of contents are. Absolute path. */
    readonly directory: string
    /** The owner of everything in it. */
    readonly owner: StoreOwner
    readonly withArrival: Arrivals["withArrival"]
    readonly receive: Arrivals["receive"]
    /** Deletes a content for good, if there is one. Call it with the write lock held. */
    readonly discard: (sha256: string) => Effect.Effect<void, ContentError>
    /** Bytes of a content; undefined if there is none. Does not change while the write lock is held. */
    readonly sizeOf: (sha256: string) => Effect.Effect<number | undefined, ContentError>
    /** The identity of the file that has this content; undefined if there is none, `unknown` if it cannot be seen. */
    readonly unsafeIdentityOf: (sha256: string) => string | undefined
    /** Opens a content for reading until the scope closes. It stays readable even if it is deleted meanwhile. */
    readonly open: (sha256: string) => Effect.Effect<OpenContent, ContentError, Scope.Scope>
    /** What a row stores: the path relative to the data directory. */
    readonly relativePathOf: (sha256: string) => string
    readonly inventory: Effect.Effect<Inventory>
    /** Deletes an abandoned upload. */
    readonly forgetUpload: (name: string) => Effect.Effect<void, ContentError>
    /** What is free on its disk; undefined if unknown. */
    readonly diskSpace: Effect.Effect<DiskSpace | undefined>
  }
>() {}
