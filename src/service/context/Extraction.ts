/** Works without a request: extracts the texts of files, one after the other, as long as some wait. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ContentError } from "../ContentError.ts"
import { ContentStore } from "../ContentStore.ts"
import type { Database } from "../Database.ts"
import { Settings } from "../Settings.ts"
import { batch } from "./Extracted.ts"
import { isExtractorThere, makeExtract, NotExtracted } from "./Extractor.ts"
import { kindOf } from "./kinds.ts"
import { Questions } from "./Questions.ts"
import { type Claimed, type End, mostAttempts, textQueue } from "./TextQueue.ts"

/** How long to wait between two looks for files. A look that finds nothing takes two rows of an index. */
const betweenLooks = Duration.seconds(1)

/** How long others have the connection and the event loop between two writes. */
const betweenWrites = Duration.millis(5)

/** How long to wait after a failure of the database: another process writes, or the disk is full. */
const afterFailure = Duration.seconds(5)

/** Works in the background until the scope closes, if the settings say so. */
export const extraction: Layer.Layer<
  never,
  never,
  ContentStore | Database | Questions | Settings | SqlClient.SqlClient
> = Layer.scopedDiscard(
  Effect.gen(function* () {
    const queue = yield* textQueue
    const store = yield* ContentStore
    const { quiet } = yield* Questions
    const { extractsTexts } = yield* Settings
    if (!extractsTexts) return
    if (!isExtractorThere()) {
      return yield* Effect.logWarning("The program that extracts texts is missing: files wait until it is there")
    }
    const extract = yield* makeExtract()

    /** The passages of a file. Opening its content takes it back from the trash. */
    const read = ({ attempts, file_hash, file_size, mime_type, original_filename }: Claimed) =>
      Effect.gen(function* () {
        const kind = kindOf(mime_type, original_filename)
        if (kind === undefined) return undefined
        if (attempts > mostAttempts) return yield* new NotExtracted({ reason: "Interrupted" })
        const { path } = yield* store.open(file_hash).pipe(
          // What the disk fails to show now may be there later.
          Effect.mapError((error) => (isMissing(error) ? new NotExtracted({ reason: "Lost" }) : error)),
          Effect.filterOrFail(
            ({ size }) => size === file_size,
            () => new NotExtracted({ reason: "Lost" })
          )
        )
        return yield* extract({ kind, path })
      }).pipe(Effect.scoped)

    /** Adds what was read, and says how it ended. Each write is short, so that others get their turn in between. */
    const keep = Effect.fnUntraced(function* (claimed: Claimed) {
      if (claimed.has_passages === 1) yield* queue.clear(claimed)
      const text = yield* queue.whileClaimed(claimed, Effect.catchTag(read(claimed), "NotExtracted", Effect.succeed))
      if (text instanceof NotExtracted) return yield* queue.finish(claimed, { state: "failed", reason: text.reason })
      if (text === undefined) return yield* queue.finish(claimed, { state: "unsupported" })
      const { isTruncated, passages } = text
      const end: End = { state: "done", isTruncated }
      if (passages.length === 0) yield* queue.finish(claimed, end)
      for (let from = 0; from < passages.length; from += batch) {
        const next = from + batch
        yield* quiet
        yield* queue.add(claimed, from, passages.slice(from, next), next < passages.length ? undefined : end)
        yield* Effect.sleep(betweenWrites)
        const merge = Effect.zipRight(quiet, Effect.zipLeft(queue.merge, Effect.sleep(betweenWrites)))
        yield* Effect.repeat(merge, { while: (isMore) => isMore })
      }
    })

    /** By a fiber of its own: one that was interrupted cannot wait for the lock. */
    const giveBack = (claimed: Claimed, isFileAtFault: boolean) =>
      queue.giveBack(claimed, isFileAtFault).pipe(Effect.ignoreLogged, Effect.forkDaemon, Effect.flatMap(Fiber.await))

    const extractWaiting = Effect.gen(function* () {
      while (true) {
        yield* quiet
        const isThere = yield* Effect.acquireUseRelease(
          queue.claimNext,
          (claimed) =>
            claimed === undefined
              ? Effect.succeed(false)
              : Effect.as(
                  Effect.catchTag(keep(claimed), "ClaimLost", () => Effect.void),
                  true
                ),
          (claimed, exit) =>
            claimed === undefined || exit._tag === "Success"
              ? Effect.void
              : giveBack(claimed, Exit.isFailure(exit) && isContentFault(exit.cause))
        )
        if (!isThere) return
      }
    })

    const logged = Effect.catchAll(extractWaiting, ({ message }) =>
      Effect.zipRight(
        Effect.logWarning(`Extracting texts failed, trying again later: ${message}`),
        Effect.sleep(afterFailure)
      )
    )
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(logged, Effect.sleep(betweenLooks))))
  })
)

const isMissing = ({ reason }: ContentError): boolean =>
  reason === "Missing" || reason === "Foreign" || reason === "Damaged"

const isContentFault = (cause: Cause.Cause<unknown>): boolean =>
  Option.exists(Cause.failureOption(cause), (error) => error instanceof ContentError)
