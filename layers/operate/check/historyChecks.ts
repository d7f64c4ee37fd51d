/** The history against the files, and the schema against the migrations. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { isUpToDate, lookAtSnapshot } from "../../sqlite/AppliedMigrations/DatabaseLook.ts"
import { historyFailure } from "../../sqlite/AppliedMigrations/HistoryError.ts"
import { madeBy, proveSchema } from "../../sqlite/AppliedMigrations/SchemaProof.ts"
import type { DatabaseConfig } from "../../sqlite/DatabaseConfig.ts"
import { outcomeOf } from "../../sqlite/edge.ts"
import type { Initialization } from "../../sqlite/Initialization.ts"
import type { Sqlite } from "../../sqlite/Sqlite.ts"
import { describeEvent } from "../../start/HistoryEvents.ts"
import { type OrderedMigrations, titleOf } from "../../start/MigrationSource.ts"
import { fail, failWith, type Judged, pass, unknown, unknownFor } from "./CheckList.ts"

/** Looks for itself: what the inspection refused before it may be about something else. */
export const checkHistory = Effect.fnUntraced(function* (
  config: DatabaseConfig["Type"],
  { stage }: Initialization["Type"],
  source: OrderedMigrations,
  sqlite: Sqlite
) {
  const looked = yield* Effect.either(
    stage(
      "migrations",
      () => outcomeOf(() => lookAtSnapshot(config, source, sqlite), historyFailure),
      () => ""
    )
  )
  if (Either.isLeft(looked)) {
    return { history: failWith(looked.left), schema: unknown("not compared: see the history") }
  }
  const seen = looked.right
  const { applied, events, pending, repeatables, version } = seen.verdict
  const due = [...pending, ...(repeatables.isDue ? repeatables.due : [])]
  const history: Judged = isUpToDate(seen)
    ? pass(
        [
          version === undefined ? "there are no migrations" : `at ${version}, as the files say`,
          ...events.map(describeEvent)
        ].join("; ")
      )
    : fail(
        `not up to date${due.length === 0 ? "" : `: pending ${due.map(titleOf).join(", ")}`}`,
        "Start the program, or run `database-ready init`. `database-ready plan` says what that does."
      )
  if (seen.isBlank) {
    const schema = source.length === 0 ? pass("empty, as without migrations") : unknown("there is no schema yet")
    return { history, schema }
  }
  const compared = yield* Effect.either(
    stage(
      "integrity",
      () => proveSchema(seen.verdict, seen.objects, madeBy(isUpToDate(seen) ? source : applied)),
      () => ""
    )
  )
  if (Either.isLeft(compared)) {
    const { left } = compared
    return { history, schema: left.reason === "SchemaDiffers" ? failWith(left) : unknownFor(left) }
  }
  const { extra } = compared.right
  const more = extra.length === 0 ? "" : `; not made by a migration: ${extra.join(", ")}`
  return { history, schema: pass(`as the migrations make it${more}`) }
})
