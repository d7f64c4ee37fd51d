/** The rows of experiments. */
import * as SqlClient from "@effect/sql/SqlClient"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { PolicyName } from "../context/policies.ts"
import { isoOf, timestampOf } from "../timestamp.ts"
import { Experiment, ExperimentNotFound } from "./ExperimentModels.ts"

export interface ExperimentRow {
  readonly experiment_id: number
  readonly name: string
  readonly seed: string
  readonly starts_at: string
  readonly ends_at: string
  readonly created_by: string
}

export interface PolicyRow {
  readonly position: number
  readonly policy: PolicyName
  readonly share: number
  readonly sessions: number
  readonly counted: number
  readonly helpful: number
  readonly passages_used: number
  readonly passages_helpful: number
  readonly passages_ignored: number
}

export const experimentRows = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal("experiment_id, name, seed, starts_at, ends_at, created_by")

  /** The first one that ends after a time. They do not overlap, so it is also the first that starts. */
  const nextEnding = (after: number) =>
    Effect.map(
      sql<ExperimentRow>`SELECT ${columns} FROM experiments WHERE ends_at > ${timestampOf(after)} ORDER BY ends_at LIMIT 1`,
      ([row]) => row
    )

  /** The one that is running now. */
  const running = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const row = yield* nextEnding(now)
    return row !== undefined && row.starts_at <= timestampOf(now) ? row : undefined
  })

  const named = (name: string) =>
    Effect.flatMap(
      sql<ExperimentRow>`SELECT ${columns} FROM experiments WHERE name = ${name}`,
      ([row]): Effect.Effect<ExperimentRow, ExperimentNotFound> =>
        row === undefined
          ? new ExperimentNotFound({ experiment: name, message: "There is no experiment with this name." })
          : Effect.succeed(row)
    )

  /** The latest ones before this id. */
  const latest = (before: number, limit: number) =>
    sql<ExperimentRow>`SELECT ${columns} FROM experiments WHERE experiment_id < ${before}
      ORDER BY experiment_id DESC LIMIT ${limit}`

  const policiesOf = ({ experiment_id }: ExperimentRow) =>
    sql<PolicyRow>`SELECT position, policy, share, sessions, counted, helpful, passages_used, passages_helpful,
      passages_ignored FROM experiment_policies WHERE experiment_id = ${experiment_id} ORDER BY position`

  /** What is true of an experiment at this moment, without its policies. */
  const factsOf = (row: ExperimentRow) =>
    Effect.map(Clock.currentTimeMillis, (now) => ({
      name: row.name,
      state: stateOf(row, timestampOf(now)),
      startsAt: isoOf(row.starts_at),
      endsAt: isoOf(row.ends_at),
      createdBy: row.created_by
    }))

  const experimentOf = (row: ExperimentRow) =>
    Effect.zipWith(
      factsOf(row),
      policiesOf(row),
      (facts, policies) =>
        new Experiment({ ...facts, policies: policies.map(({ policy, share }) => ({ policy, share })) })
    )

  return { experimentOf, factsOf, latest, named, nextEnding, policiesOf, running }
})

const stateOf = ({ ends_at, starts_at }: ExperimentRow, now: string): Experiment["state"] =>
  ends_at <= now ? "ended" : starts_at <= now ? "running" : "planned"
