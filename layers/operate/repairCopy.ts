/** The checked copy before a repair: `FILE.TIME.backup`, as `backUp` names it. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { asBackupError } from "../sqlite/BackupError.ts"
import { flushDirectoryOf, removeCopyOrWarn, removeOrWarn, removeUnused, siblingFiles } from "../sqlite/BackupFiles.ts"
import { formatCopyName, unfinishedCopy } from "../sqlite/BackupNames.ts"
import { copyDatabase, refuseEmptyCopy, requireSpace } from "../sqlite/DatabaseCopy.ts"
import { lockForCopies } from "../sqlite/LockFile.ts"
import { checkCopy } from "../sqlite/PageCheck.ts"
import type { Sqlite } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import { freeTime, nameCopy } from "./BackupPlace.ts"

/**
 * Call it while you hold the write lock, before the first write. `keep` gives the copy its name: run it before the
 * commit. Where the scope closes with a failure, the copy is deleted.
 */
export const copyBeforeRepair = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  file: string,
  { progress }: Pick<Attempt, "progress">
) {
  const orFail = asBackupError(`${file}.TIME.backup`)
  // The process that began these has ended, or is a service's own maintenance.
  yield* orFail(lockForCopies(file, file))
  const remains = yield* orFail(siblingFiles(file, unfinishedCopy))
  yield* orFail(Effect.forEach(remains, ({ path }) => removeUnused(path), { discard: true }))
  const at = yield* orFail(freeTime(file, yield* Clock.currentTimeMillis, ""))
  const backup = `${file}${formatCopyName(at)}`
  const partial = `${backup}.partial`
  let isNamed = false
  yield* Effect.addFinalizer((exit) =>
    removeCopyOrWarn(partial).pipe(
      Effect.zipRight(exit._tag === "Failure" && isNamed ? removeOrWarn(backup) : Effect.void)
    )
  )
  yield* orFail(requireSpace(sqlite, backup))
  yield* orFail(copyDatabase(file, partial))
  yield* checkCopy(partial, progress)
  yield* orFail(refuseEmptyCopy(partial))
  const keep = orFail(
    nameCopy(partial, backup).pipe(
      Effect.zipRight(
        Effect.sync(() => {
          isNamed = true
        })
      ),
      Effect.uninterruptible,
      Effect.zipRight(flushDirectoryOf(backup))
    )
  )
  return { file: backup, keep }
})
