/** Writes the document of a proof to a file. */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Path from "@effect/platform/Path"
import * as Effect from "effect/Effect"
import { files, trySync } from "../machine/files.ts"
import { createExclusively } from "../machine/newFile.ts"
import { SystemFailure } from "../machine/SystemFailure.ts"
import { flush, flushDirectoryOf, removeOrWarn, removeUnused } from "../sqlite/BackupFiles.ts"
import { nameCopy } from "./BackUp.ts"
import type { ProofDocument } from "./proof/Proof.ts"
import { type ProofError, refuseProof } from "./proof/ProofError.ts"
import { proofJson } from "./proofLines.ts"

/**
 * Writes a proof as one line of JSON to a file that is not there yet, which only its owner may read, and flushes it. Killed
 * at any moment it leaves no file of that name, or a whole one; the next one to the same place deletes what is left. Gives
 * the absolute path. Fails with `ProofError`, reason `Exists`, `Busy` or `NotWritten`.
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
    const partial = `${path}.partial`
    const orRefuse = Effect.mapError(({ code, detail, retryable }: SystemFailure) =>
      refuseProof(code === "EEXIST" ? "Exists" : "NotWritten", { path, code, detail, retryable })
    )
    const there = yield* orRefuse(trySync(() => files.lstat(path)))
    if (there !== undefined) return yield* refuseProof("Exists", { path })
    // The process that began it was killed, or still has it open.
    yield* orRefuse(removeUnused(partial))
    if (!(yield* orRefuse(createExclusively(partial)))) {
      return yield* refuseProof("Busy", { path, retryable: true })
    }
    const fs = yield* FileSystem.FileSystem
    yield* Effect.mapError(fs.writeFileString(partial, `${proofJson(document)}\n`), SystemFailure.fromPlatform).pipe(
      Effect.zipRight(flush(partial)),
      Effect.zipRight(nameCopy(partial, path)),
      Effect.zipRight(flushDirectoryOf(path)),
      orRefuse,
      Effect.ensuring(removeOrWarn(partial))
    )
    return path
  })
