/** Which session has which policy in the experiment that runs, and what became of the passages that it was given. */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentUser, type Forbidden } from "../Api.ts"
import { AuditTrail } from "../AuditTrail.ts"
import type { PolicyName } from "../context/policies.ts"
import { Database } from "../Database.ts"
import { dialect } from "../Dialect.ts"
import { timestampNow } from "../FileRow.ts"
import { lateWriter } from "../LateWriter.ts"
import { Sessions } from "../Sessions.ts"
import { policyOf } from "./assignment.ts"
import {
  AnswerReport,
  ExperimentConflict,
  type ExperimentNotFound,
  type Outcome,
  type ReportedAnswer
} from "./ExperimentModels.ts"
import { type ExperimentRow, experimentRows } from "./ExperimentRows.ts"
import { givenBy, type Passage, receiptFor } from "./receipt.ts"

export interface Assigned {
  readonly experiment: string
  readonly policy: PolicyName
  /** What proves that the session was given these passages. */
  readonly receiptFor: (passages: ReadonlyArray<Passage>) => string
}

export class Assignments extends Context.Tag("conversation-files/Assignments")<
  Assignments,
  {
    /**
     * The policy of a session in the experiment that runs; undefined if none does. It is recorded that the session has
     * it, as soon as possible: the answer never waits for that.
     */
    readonly assign: (sessionId: string) => Effect.Effect<Assigned | undefined, SqlError>
    /** Records what became of the passages for an answer. The same report again changes nothing. */
    readonly report: (
      sessionId: string,
      answerId: string,
      answer: typeof ReportedAnswer.Type
    ) => Effect.Effect<AnswerReport, ExperimentConflict | ExperimentNotFound | Forbidden | SqlError, CurrentUser>
  }
>() {
  /** Writes what still waits when the scope closes. */
  static readonly layer: Layer.Layer<Assignments, never, AuditTrail | Database | Sessions | SqlClient.SqlClient> =
    Layer.scoped(
      Assignments,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { write } = yield* Database
        const { audited } = yield* AuditTrail
        const { mayUse } = yield* Sessions
        const { named, policiesOf, running } = yield* experimentRows
        const { elements, timeIn } = yield* dialect

        const insert = (rows: string) => sql`
        INSERT INTO experiment_sessions (experiment_id, session_id, position, assigned_at)
        SELECT CAST(value->>'experiment' AS bigint), value->>'session', CAST(value->>'position' AS bigint),
          ${timeIn("value->>'at'")}
        FROM ${elements(rows)}
        WHERE true ON CONFLICT (experiment_id, session_id) DO NOTHING`

        const late = yield* lateWriter("sessions of an experiment", (rows) => write(insert(rows)))

        /** The policy of a session that was given a context before; undefined if it was not. */
        const recorded = ({ experiment_id }: ExperimentRow, sessionId: string) =>
          Effect.map(
            sql<{ readonly policy: PolicyName }>`SELECT p.policy FROM experiment_sessions es
            JOIN experiment_policies p ON p.experiment_id = es.experiment_id AND p.position = es.position
            WHERE es.experiment_id = ${experiment_id} AND es.session_id = ${sessionId}`,
            ([row]) => row?.policy
          )

        /** The policy that the hash gives to a session, and the row that says so. */
        const draw = Effect.fnUntraced(function* (experiment: ExperimentRow, sessionId: string) {
          const drawn = policyOf(experiment.seed, sessionId, yield* policiesOf(experiment))
          if (drawn === undefined) return undefined
          const at = yield* timestampNow
          const row = { experiment: experiment.experiment_id, session: sessionId, position: drawn.position, at }
          return { policy: drawn.policy, row: JSON.stringify(row) }
        })

        /**
         * The policy of a session that was given a context. The record of it may have been lost with a process that was
         * killed.
         */
        const policyIn = Effect.fnUntraced(function* (experiment: ExperimentRow, sessionId: string) {
          const known = yield* recorded(experiment, sessionId)
          if (known !== undefined) return known
          const drawn = yield* draw(experiment, sessionId)
          if (drawn === undefined) return yield* unknownReceipt(sessionId)
          yield* insert(`[${drawn.row}]`)
          return drawn.policy
        })

        /** Fails unless the session was given all of these passages. */
        const requireGiven = Effect.fnUntraced(function* (
          { seed }: ExperimentRow,
          sessionId: string,
          { outcomes, receipt }: typeof ReportedAnswer.Type
        ) {
          const isGiven = givenBy(seed, sessionId, receipt)
          if (isGiven === undefined) return yield* unknownReceipt(sessionId)
          const passages = outcomes.flatMap(({ fileId, ordinal }) =>
            isGiven({ fileId, ordinal }) ? [] : [{ fileId, ordinal }]
          )
          if (passages.length === 0) return
          return yield* new ExperimentConflict({
            problem: "NotGiven",
            message: `The context of this receipt does not have all of these passages: ${passages.length} of ${outcomes.length} are missing there. Report the others alone.`,
            passages
          })
        })

        const record = Effect.fnUntraced(function* (
          sessionId: string,
          answerId: string,
          answer: typeof ReportedAnswer.Type
        ) {
          const { experiment: name, outcomes: given } = answer
          const experiment = yield* named(name)
          yield* requireGiven(experiment, sessionId, answer)
          const policy = yield* policyIn(experiment, sessionId)
          const { experiment_id } = experiment
          const outcomes = JSON.stringify([...given].sort(byPassage).map(fieldsOf))
          const answers = yield* sql<AnswerRow>`SELECT is_counted, outcomes FROM experiment_answers
          WHERE experiment_id = ${experiment_id} AND session_id = ${sessionId} AND answer_id = ${answerId}`
          const known = answers[0]
          if (known !== undefined && known.outcomes !== outcomes) {
            return yield* new ExperimentConflict({
              problem: "ReportedOtherwise",
              message: "Other outcomes were reported for this answer before. The first report stays."
            })
          }
          const first = yield* sql`SELECT 1 FROM experiment_answers
          WHERE experiment_id = ${experiment_id} AND session_id = ${sessionId} LIMIT 1`
          const isCounted = known === undefined ? first.length === 0 : known.is_counted === 1
          if (known === undefined) {
            const { name: reporter } = yield* CurrentUser
            // The sums are of what counts. Otherwise one context that is reported for several answers would add to them.
            const counted = isCounted ? given : []
            const count = (wanted: Outcome["outcome"]) => counted.filter(({ outcome }) => outcome === wanted).length
            yield* sql`INSERT INTO experiment_answers ${sql.insert({
              experiment_id,
              session_id: sessionId,
              answer_id: answerId,
              is_counted: isCounted ? 1 : 0,
              used: count("used"),
              helpful: count("helpful"),
              ignored: count("ignored"),
              outcomes,
              reported_at: yield* timestampNow,
              reported_by: reporter
            })}`
          }
          return new AnswerReport({ answerId, experiment: name, policy, isCounted })
        })

        return {
          assign: Effect.fnUntraced(function* (sessionId) {
            const experiment = yield* running
            if (experiment === undefined) return undefined
            const assigned = (policy: PolicyName): Assigned => ({
              experiment: experiment.name,
              policy,
              receiptFor: (passages) => receiptFor(experiment.seed, sessionId, passages)
            })
            const known = yield* recorded(experiment, sessionId)
            if (known !== undefined) return assigned(known)
            const drawn = yield* draw(experiment, sessionId)
            if (drawn === undefined) return undefined
            yield* late.record([drawn.row])
            return assigned(drawn.policy)
          }),

          report: (sessionId, answerId, answer) =>
            write(Effect.zipRight(mayUse(sessionId), record(sessionId, answerId, answer))).pipe(
              audited("report", { sessionId })
            )
        }
      })
    )
}

interface AnswerRow {
  readonly is_counted: 0 | 1
  readonly outcomes: string
}

const unknownReceipt = (sessionId: string) =>
  new ExperimentConflict({
    problem: "UnknownReceipt",
    message: `This experiment gave no context with this receipt to the session ${sessionId}. Send the receipt of the context, unchanged.`
  })

/** The same outcomes in another order are the same report. */
const byPassage = (one: Outcome, other: Outcome): number =>
  one.fileId < other.fileId ? -1 : one.fileId > other.fileId ? 1 : one.ordinal - other.ordinal

/** Their order is also that in which PostgreSQL gives JSON back: shorter names first. */
const fieldsOf = ({ fileId, ordinal, outcome }: Outcome) => ({ fileId, ordinal, outcome })
