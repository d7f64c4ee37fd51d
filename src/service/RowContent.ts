/**
 * Opens the content of a row. It must have as many bytes as the row says, and must not be known to be damaged.
 * Otherwise it is lost, and health shows that at once.
 */
import * as Effect from "effect/Effect"
import { ContentLost } from "./Api.ts"
import { type ContentFault, ContentFaults } from "./ContentFaults.ts"
import { ContentStore, type OpenContent } from "./ContentStore.ts"
import type { FileRow } from "./FileRow.ts"

type Wanted = Pick<FileRow, "file_hash" | "file_id" | "file_size">

/**
 * Makes `open`, which opens a content until the scope closes, `lost`, which reports what is wrong with one, and
 * `unsafeDisproven`, which reports one whose bytes are not those of its name.
 */
export const rowContent = Effect.gen(function* () {
  const store = yield* ContentStore
  const faults = yield* ContentFaults

  const refusal = (row: Wanted, fault: ContentFault) =>
    new ContentLost({
      fileId: row.file_id,
      reason: fault,
      message: `The content is ${fault}. Upload the same file again to bring it back.`
    })

  const lost = (row: Wanted, fault: ContentFault): Effect.Effect<never, ContentLost> =>
    Effect.zipRight(faults.found(row.file_hash, fault), refusal(row, fault))

  const unsafeDisproven = (row: Wanted, { identity }: OpenContent): ContentLost => {
    faults.unsafeDisproven(row.file_hash, identity)
    return refusal(row, "damaged")
  }

  const open = (row: Wanted) =>
    store.open(row.file_hash).pipe(
      Effect.catchIf(
        ({ reason }) => reason === "Missing" || reason === "Foreign",
        () => lost(row, "missing")
      ),
      Effect.catchIf(
        ({ reason }) => reason === "Damaged",
        () => lost(row, "damaged")
      ),
      Effect.filterOrElse(
        ({ size }: OpenContent) => size === row.file_size,
        () => lost(row, "damaged")
      ),
      Effect.filterOrFail(
        () => !faults.unsafeIsDisproven(row.file_hash),
        () => refusal(row, "damaged")
      )
    )

  return { lost, open, unsafeDisproven }
})
