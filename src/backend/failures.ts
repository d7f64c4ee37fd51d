/** What the database and the disk fail with, as the API says it. */
import { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { DatabaseBusy, StorageFull } from "./Api.ts"
import { ContentError } from "./ContentError.ts"
import { retryAfter } from "./retryAfter.ts"

export type Failed = SqlError | ContentError

const isFailed = <E>(error: E): error is Extract<E, Failed> =>
  error instanceof SqlError || error instanceof ContentError

const sqliteCodeOf = ({ cause }: SqlError): string => (Predicate.hasProperty(cause, "code") ? String(cause.code) : "")

export const isBusy = (error: unknown): boolean =>
  error instanceof SqlError && /^SQLITE_(BUSY|LOCKED)/.test(sqliteCodeOf(error))

export const isFull = (error: unknown): boolean =>
  error instanceof SqlError
    ? sqliteCodeOf(error) === "SQLITE_FULL"
    : error instanceof ContentError && error.reason === "Full"

/** A lock passes, and a full disk is an answer. Nobody who asks can do anything about the rest: its cause is logged. */
export const answered = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.catchIf(work, isFailed<E>, (error: Failed): Effect.Effect<never, DatabaseBusy | StorageFull> => {
    if (isBusy(error)) {
      return retryAfter(
        new DatabaseBusy({ retryAfterSeconds: 1, message: "Another process writes to the database at this moment." })
      )
    }
    return isFull(error) ? new StorageFull({ message: "The disk is full." }) : Effect.die(error)
  })
