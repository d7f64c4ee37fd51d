/** Writes the document of a proof to a file. */
import { join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { flush } from "../sqlite/BackupFiles.ts"
import { clearFolders, ownFolder } from "../sqlite/OwnFolder.ts"
import type { SqliteFailure } from "../sqlite/Sqlite.ts"
import { flushNamed, nameCopy } from "./BackupPlace.ts"
import type { ProofDocument } from "./proof/Proof.ts"
import { type ProofError, refuseProof } from "./proof/ProofError.ts"
import { proofJson } from "./proofLines.ts"

/**
 * Writes a proof as one line of JSON to a file that is not there yet, which only its owner may read, and flushes it. Killed
 * at any moment it leaves no file of that name, or a whole one; the next one to the same place deletes what is left. Gives
 * the absolute path. Fails with `ProofError`, reason `Exists` or `NotWritten`.
 *
 * @example
 * ```ts
 * import { type ProofDocument, writeProof } from "database-ready/operate"
 *
 * export const keep = (document: ProofDocument) => writeProof(document, "audits/app.proof.json")
 * ```
 */
export const writeProof = (
  document: ProofDocument,
  to: string
): Effect.Effect<string, ProofError, FileSystem.FileSystem | Path.Path> =>
  Effect.gen(function* () {
    const path = (yield* Path.Path).resolve(to)
    const place = { stem: path, contents: /^proof$/, isPrivate: true }
    const orRefuse = Effect.mapError(({ code, detail, retryable }: SqliteFailure | SystemFailure) =>
      refuseProof(code === "EEXIST" ? "Exists" : "NotWritten", { path, code, detail, retryable })
    )
    yield* clearFolders(place)
    const there = yield* orRefuse(trySync(() => files.lstat(path)))
    if (there !== undefined) return yield* refuseProof("Exists", { path })
    const fs = yield* FileSystem.FileSystem
    const written = Effect.gen(function* () {
      const made = join(yield* ownFolder(place), "proof")
      yield* createExclusively(made)
      yield* Effect.mapError(fs.writeFileString(made, `${proofJson(document)}\n`), SystemFailure.fromPlatform)
      yield* flush(made)
      yield* nameCopy(made, path)
      yield* flushNamed(path)
    })
    yield* orRefuse(Effect.scoped(written))
    return path
  })
