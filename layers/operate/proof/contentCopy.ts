/** The copy of a database that a proof is of. */
import { dirname, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { digestOf, type Range } from "../../machine/digest.ts"
import { files, trySync } from "../../machine/files.ts"
import type { SystemFailure } from "../../machine/SystemFailure.ts"
import { isNoSpace } from "../../sqlite/BackupError.ts"
import type { DatabaseConfig } from "../../sqlite/DatabaseConfig.ts"
import { DatabaseDirectory } from "../../sqlite/DatabaseDirectory.ts"
import type { Initialization } from "../../sqlite/Initialization.ts"
import { isLock, type SqliteFailure } from "../../sqlite/Sqlite.ts"
import { SqliteConnection } from "../../sqlite/SqliteConnection.ts"
import { copyPlace, copyTo } from "../CopyPlace.ts"
import { type ProofError, refuseProof } from "./ProofError.ts"

/** Where the copy is, and the file that it is of: both absolute paths. */
export interface ContentCopy {
  readonly file: string
  readonly copy: string
}

/**
 * Copies one moment of a database that is in use into a private directory, which is gone with the scope. The original is
 * open only while it is copied.
 */
export const copyContent = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  initialization: Initialization["Type"],
  directory: string | undefined
) {
  const found = yield* DatabaseDirectory.make(config, initialization)
  const place = directory === undefined ? dirname(found.file) : resolve(directory)
  const orRefuse = Effect.mapError(notCopied(place))
  const outer = yield* Effect.scope
  return yield* Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* SqliteConnection.make(config, initialization, found)
      const copy = yield* orRefuse(Scope.extend(copyPlace(connection.file, place, "proof"), outer))
      yield* orRefuse(copyTo(copy, connection, config, "delete"))
      const copied: ContentCopy = { file: connection.file, copy }
      return copied
    })
  )
})

/**
 * Which bytes of the header SQLite changes in a file that it copies to: the journal mode, the change counter with its
 * version, and the schema cookie (https://sqlite.org/fileformat2.html, 1.3).
 */
const kept: ReadonlyArray<Range> = [
  [18, 20],
  [24, 28],
  [40, 44],
  [92, 100]
]

/** What is hashed, as the document says it. */
export const hashedOf =
  "all bytes of a copy of one moment, made by SQLite's backup; bytes 18-19, 24-27, 40-43 and 92-99 count as zero, because they are no content: SQLite writes them anew in each copy"

/** The content in few bytes: the same for every copy of a state. No connection may have the copy open. */
export const contentOf = ({ copy }: ContentCopy) =>
  Effect.all({ bytes: trySync(() => files.stat(copy)?.size ?? 0), sha256: digestOf(copy, kept) }).pipe(
    Effect.mapError(notCopied(dirname(copy)))
  )

const notCopied =
  (path: string) =>
  ({ code, detail, retryable }: SqliteFailure | SystemFailure): ProofError => {
    const reason = isNoSpace(code) ? "NoSpace" : isLock(code) || code === "EBUSY" ? "Busy" : "NotCopied"
    return refuseProof(reason, { path, code, detail, retryable: retryable || reason === "Busy" })
  }
