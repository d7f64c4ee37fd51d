/**
 * Changes several files at once. Each file has its own result. Files are changed in steps of one transaction each, so
 * that other requests and probes get their turn.
 */
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { BulkFailure, BulkResult, type CurrentUser, DestroyedFiles, type FileNotFound, type Forbidden } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { Database } from "./Database.ts"
import { DeletionRows } from "./DeletionRows.ts"
import { Discarding } from "./Discarding.ts"
import { type Answered, withApiErrors } from "./failures.ts"
import { someInTurns } from "./inTurns.ts"
import { Reserve } from "./Reserve.ts"

/** How many files are changed in one transaction. */
const atOnce = 100

/** Fails only if nothing was done. A later failure is the result of the files that it hit. */
type Bulk<A> = (fileIds: ReadonlyArray<string>) => Effect.Effect<A, Answered, CurrentUser>

type Refused = Forbidden | FileNotFound | Answered

interface Verdict<A> {
  readonly fileId: string
  readonly result: Either.Either<A, Refused>
}

export class BulkChanges extends Context.Tag("conversation-files/BulkChanges")<
  BulkChanges,
  {
    readonly remove: Bulk<BulkResult>
    readonly restore: Bulk<BulkResult>
    readonly destroy: Bulk<DestroyedFiles>
  }
>() {
  static readonly layer: Layer.Layer<BulkChanges, never, AuditTrail | Database | DeletionRows | Discarding | Reserve> =
    Layer.effect(
      BulkChanges,
      Effect.gen(function* () {
        const { write } = yield* Database
        const { refused } = yield* AuditTrail
        const { discard } = yield* Discarding
        const { freeing } = yield* Reserve
        const rows = yield* DeletionRows

        /** One step: as many of the files as it has time for. Refusing one file undoes nothing of another. */
        const step = <A>(
          fileIds: ReadonlyArray<string>,
          change: (fileId: string) => Effect.Effect<A, Forbidden | FileNotFound | SqlError, CurrentUser>
        ) =>
          write(
            someInTurns(fileIds, (fileId) =>
              change(fileId).pipe(
                Effect.map((changed): Verdict<A> => ({ fileId, result: Either.right(changed) })),
                Effect.catchTags({
                  Forbidden: (error) => Effect.succeed<Verdict<A>>({ fileId, result: Either.left(error) }),
                  FileNotFound: (error) => Effect.succeed<Verdict<A>>({ fileId, result: Either.left(error) })
                })
              )
            )
          ).pipe(freeing, withApiErrors)

        /** Records after the lock is free again, because the record waits for the lock too. */
        const record = <A>(action: "delete" | "restore", verdicts: ReadonlyArray<Verdict<A>>) =>
          Effect.forEach(
            verdicts,
            ({ fileId, result }) =>
              Either.isLeft(result) ? refused(action, { fileId }, result.left._tag) : Effect.void,
            { concurrency: "unbounded", discard: true }
          )

        const inSteps = Effect.fnUntraced(function* <A>(
          action: "delete" | "restore",
          given: ReadonlyArray<string>,
          change: (fileId: string) => Effect.Effect<A, Forbidden | FileNotFound | SqlError, CurrentUser>,
          after: (changed: ReadonlyArray<A>) => Effect.Effect<void> = () => Effect.void
        ) {
          const fileIds = [...new Set(given)]
          const verdicts: Array<Verdict<A>> = []
          for (let at = 0; at < fileIds.length; at = verdicts.length) {
            const some = fileIds.slice(at, at + atOnce)
            if (at > 0) yield* Effect.sleep("1 millis")
            const found =
              at === 0
                ? yield* step(some, change)
                : yield* Effect.catchAll(step(some, change), (error) =>
                    Effect.succeed(some.map((fileId): Verdict<A> => ({ fileId, result: Either.left(error) })))
                  )
            yield* after(found.flatMap(({ result }) => (Either.isRight(result) ? [result.right] : [])))
            yield* record(action, found)
            verdicts.push(...found)
          }
          return verdicts
        })

        return {
          remove: (fileIds) => Effect.map(inSteps("delete", fileIds, rows.remove), resultOf),
          restore: (fileIds) => Effect.map(inSteps("restore", fileIds, rows.restore), resultOf),
          destroy: (fileIds) =>
            Effect.map(
              inSteps("delete", fileIds, rows.destroy, (hashes) => discard([...new Set(hashes.flat())])),
              (verdicts) =>
                new DestroyedFiles({
                  fileIds: verdicts.flatMap(({ fileId, result }) => (Either.isRight(result) ? [fileId] : [])),
                  failed: failedOf(verdicts)
                })
            )
        }
      })
    )
}

const failedOf = (verdicts: ReadonlyArray<Verdict<unknown>>) =>
  verdicts.flatMap(({ fileId, result }) =>
    Either.isLeft(result)
      ? [new BulkFailure({ fileId, error: { _tag: result.left._tag, message: result.left.message } })]
      : []
  )

const resultOf = (verdicts: ReadonlyArray<Verdict<BulkResult["done"][number]>>) =>
  new BulkResult({
    done: verdicts.flatMap(({ result }) => (Either.isRight(result) ? [result.right] : [])),
    failed: failedOf(verdicts)
  })
