/** Experiments, for administrators: making them, ending them, and what they show. */
import { randomBytes } from "node:crypto"
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentUser, Forbidden } from "../Api.ts"
import { AuditTrail } from "../AuditTrail.ts"
import { Database } from "../Database.ts"
import { dialect } from "../Dialect.ts"
import { isoOf, timestampOf } from "../timestamp.ts"
import {
  type Experiment,
  ExperimentConflict,
  type ExperimentNotFound,
  ExperimentPage,
  ExperimentResult,
  type NewExperiment,
  PolicyResult
} from "./ExperimentModels.ts"
import { experimentRows, type PolicyRow } from "./ExperimentRows.ts"
import { type Compared, comparing, rateOf, requiredFor } from "./judgement.ts"

type Refused = Forbidden | SqlError

export class Experiments extends Context.Tag("conversation-files/Experiments")<
  Experiments,
  {
    /** Fails if it ends before it starts, or if another one runs in this time: a session is in one at most. */
    readonly create: (
      experiment: typeof NewExperiment.Type
    ) => Effect.Effect<Experiment, Refused | ExperimentConflict, CurrentUser>
    readonly list: (page: {
      readonly before?: number | undefined
      readonly limit: number
    }) => Effect.Effect<ExperimentPage, Refused, CurrentUser>
    readonly result: (name: string) => Effect.Effect<ExperimentResult, Refused | ExperimentNotFound, CurrentUser>
    /** Ends it now. One that is only planned never runs. */
    readonly end: (
      name: string
    ) => Effect.Effect<Experiment, Refused | ExperimentConflict | ExperimentNotFound, CurrentUser>
  }
>() {
  static readonly layer: Layer.Layer<Experiments, never, AuditTrail | Database | SqlClient.SqlClient> = Layer.effect(
    Experiments,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { write } = yield* Database
      const { audited, done } = yield* AuditTrail
      const { elements } = yield* dialect
      const { experimentOf, factsOf, latest, named, nextEnding, policiesOf } = yield* experimentRows

      const administrator = Effect.filterOrFail(
        CurrentUser,
        ({ isAdministrator }) => isAdministrator,
        () => new Forbidden({ message: "Only an administrator may make, read and end experiments." })
      )

      const forAdministrators = <A, E extends { readonly _tag: string }>(work: Effect.Effect<A, E, CurrentUser>) =>
        Effect.zipRight(administrator, work).pipe(audited("experiment", {}))

      const insert = Effect.fnUntraced(function* ({ endsAt, name, policies, startsAt }: typeof NewExperiment.Type) {
        const now = yield* Clock.currentTimeMillis
        const start = Math.max(now, startsAt?.getTime() ?? now)
        const end = endsAt.getTime()
        if (timestampOf(end) <= timestampOf(start)) {
          return yield* new ExperimentConflict({
            problem: "EndsTooEarly",
            message: "The experiment would end before it starts, or has ended already."
          })
        }
        const other = yield* nextEnding(start)
        if (other !== undefined && other.starts_at < timestampOf(end)) {
          return yield* new ExperimentConflict({
            problem: "OtherIsRunning",
            message: `The experiment ${other.name} runs from ${isoOf(other.starts_at)} to ${isoOf(other.ends_at)}. End it first, or choose another time.`
          })
        }
        const { name: user } = yield* CurrentUser
        const [inserted] = yield* sql<{ readonly experiment_id: number }>`INSERT INTO experiments ${sql.insert({
          name,
          seed: randomBytes(16).toString("hex"),
          starts_at: timestampOf(start),
          ends_at: timestampOf(end),
          created_by: user
        })} ON CONFLICT (name) DO NOTHING RETURNING experiment_id`
        if (inserted === undefined) {
          return yield* new ExperimentConflict({
            problem: "NameTaken",
            message: `There is an experiment ${name} already. Choose another name.`
          })
        }
        const rows = JSON.stringify(policies.map((policy, position) => ({ ...policy, position })))
        yield* sql`INSERT INTO experiment_policies (experiment_id, position, policy, share)
            SELECT CAST(${inserted.experiment_id} AS bigint), CAST(value->>'position' AS bigint), value->>'policy',
              CAST(value->>'share' AS bigint)
            FROM ${elements(rows)}`
        yield* done("experiment", {}, { created: name })
        return yield* Effect.flatMap(Effect.orDie(named(name)), experimentOf)
      })

      return {
        create: (experiment) => forAdministrators(write(insert(experiment))),

        list: ({ before, limit }) =>
          forAdministrators(
            Effect.gen(function* () {
              const rows = yield* latest(before ?? Number.MAX_SAFE_INTEGER, limit + 1)
              const some = rows.slice(0, limit)
              return new ExperimentPage({
                experiments: yield* Effect.forEach(some, experimentOf),
                next: rows.length > limit ? (some.at(-1)?.experiment_id ?? null) : null
              })
            })
          ),

        result: (name) =>
          forAdministrators(
            Effect.gen(function* () {
              const row = yield* named(name)
              const policies = yield* policiesOf(row)
              const compared = comparing(policies.map(({ share }) => share))(policies)
              return new ExperimentResult({
                ...(yield* factsOf(row)),
                policies: policies.map((policy, at) => resultOf(policy, compared[at])),
                requiredEvidence: requiredFor(policies.length)
              })
            })
          ),

        end: (name) =>
          forAdministrators(
            write(
              Effect.gen(function* () {
                const row = yield* named(name)
                const now = timestampOf(yield* Clock.currentTimeMillis)
                if (row.ends_at <= now) {
                  return yield* new ExperimentConflict({ problem: "HasEnded", message: "The experiment has ended." })
                }
                yield* sql`UPDATE experiments SET
                      starts_at = CASE WHEN starts_at < ${now} THEN starts_at ELSE ${now} END, ends_at = ${now}
                    WHERE experiment_id = ${row.experiment_id}`
                yield* done("experiment", {}, { ended: name })
                return yield* Effect.flatMap(named(name), experimentOf)
              })
            )
          )
      }
    })
  )
}

const resultOf = (row: PolicyRow, compared: Compared | undefined): PolicyResult =>
  new PolicyResult({
    policy: row.policy,
    share: row.share,
    sessions: row.sessions,
    countedSessions: row.counted,
    helpfulSessions: row.helpful,
    passages: { used: row.passages_used, helpful: row.passages_helpful, ignored: row.passages_ignored },
    ...rateOf(row),
    verdict: compared?.verdict ?? null,
    evidence: compared?.evidence ?? null
  })
