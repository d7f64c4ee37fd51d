/** Proves that the files of all rows make the schema that is there. */
import * as Effect from "effect/Effect"
import { recordedIn } from "../sqlite/AppliedMigrations/HistoryJudgement.ts"
import { type History, newestOf } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { divideRepeated, type Recorded } from "../sqlite/AppliedMigrations/RepeatableRecord.ts"
import {
  describeDifference,
  fingerprintOf,
  type SchemaObject,
  withoutExtra
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { judgeSchema } from "../sqlite/AppliedMigrations/SchemaJudgement.ts"
import { madeBy } from "../sqlite/AppliedMigrations/SchemaProof.ts"
import { IntegrityError } from "../sqlite/IntegrityError.ts"
import type { Attempt } from "../start/Attempt.ts"
import { idOf } from "../start/historyComparison.ts"
import { type OrderedMigrations, titleOf } from "../start/MigrationSource.ts"
import { type RepairError, refuseRepair } from "./RepairError.ts"
import type { Wanted } from "./RepairOptions.ts"

/** The files of all rows have to make the schema that is there. */
export const prove = Effect.fnUntraced(function* (
  source: OrderedMigrations,
  { rows }: History,
  objects: ReadonlyArray<SchemaObject>,
  attempt: Attempt
) {
  const applied = new Set(rows.map(({ version }) => idOf(version)))
  const known = source.filter(({ id }) => applied.has(id))
  const numbers = new Set(known.map(({ id }) => id))
  const unknown = rows.filter(({ status, version }) => status !== "completed" || !numbers.has(idOf(version)))
  if (unknown.length > 0) {
    return yield* refuseRepair("NotProven", unknown.map(({ name, version }) => labelOf(version, name)).join(", "))
  }
  const recorded = yield* recordedBy(rows)
  const made = yield* madeBy(known, attempt.progress)
  const repeatables = { recorded, own: [], isDue: false, due: [] }
  const judged = judgeSchema({ ahead: [], fingerprint: undefined, ours: undefined, repeatables }, objects)
  const state = typeof judged === "function" ? judged(made) : judged
  if (state instanceof IntegrityError) {
    const detail = state.difference === undefined ? state.sentence : describeDifference(state.difference)
    return yield* refuseRepair("SchemaDiffers", detail)
  }
  return { extra: state.extra, ours: withoutExtra(made, divideRepeated(recorded, objects).others) }
})

const recordedBy = (rows: History["rows"]): Effect.Effect<Recorded, RepairError> => {
  const recorded = recordedIn(rows, newestOf(rows))
  return recorded === undefined
    ? Effect.fail(refuseRepair("NotProven", "the column repeatables has something that this library did not write"))
    : Effect.succeed(recorded)
}

const labelOf = (version: string, name: string | undefined): string =>
  name === undefined ? version : titleOf({ version, name })

/**
 * A row whose file is there goes only if it is recorded twice or not completed, or if the schema does not have what the
 * file makes: else the next start would apply it a second time.
 */
export const requireFault = Effect.fnUntraced(function* (
  source: OrderedMigrations,
  history: History,
  objects: ReadonlyArray<SchemaObject>,
  { versions }: Wanted,
  attempt: Attempt
) {
  const wanted = new Set(versions.map(idOf))
  const isSound = ({ id }: { readonly id: number }) => {
    const rows = history.rows.filter(({ version }) => idOf(version) === id)
    return rows.length === 1 && rows[0]?.status === "completed"
  }
  const sound = source.filter((migration) => wanted.has(migration.id) && isSound(migration))
  if (sound.length === 0) return
  const isProven = yield* Effect.isSuccess(prove(source, history, objects, attempt))
  if (isProven) {
    return yield* refuseRepair(
      "NothingToRepair",
      `${sound.map(titleOf).join(", ")} is among the files, and was applied`
    )
  }
})

/** Those of the named migrations without which the files make the same schema. */
export const withoutSchema = Effect.fnUntraced(function* (
  source: OrderedMigrations,
  { rows }: History,
  { versions }: Wanted,
  { progress }: Attempt
) {
  const applied = new Set(rows.map(({ version }) => idOf(version)))
  const known = source.filter(({ id }) => applied.has(id))
  const made = yield* madeBy(known, progress)
  const wanted = new Set(versions.map(idOf))
  const isSame = (id: number) =>
    madeBy(
      known.filter((other) => other.id !== id),
      progress
    ).pipe(
      Effect.map((without) => fingerprintOf(without) === fingerprintOf(made)),
      // A later one needs it.
      Effect.orElseSucceed(() => false)
    )
  const found = yield* Effect.filter(
    known.filter(({ id }) => wanted.has(id)),
    ({ id }) => isSame(id)
  )
  return found.map(titleOf)
})
