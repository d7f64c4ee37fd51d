/** The resources of experiments. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import { FileId, Moment } from "../ApiModels.ts"
import { policyNames } from "../context/policies.ts"

export const ExperimentName = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9][a-z0-9-]{0,63}$/, {
    identifier: "ExperimentName",
    description: "small letters, digits and '-', 64 at most, a letter or digit first"
  })
)

const Share = Schema.Struct({
  policy: Schema.Literal(...policyNames),
  /** Of all sessions, in percent. */
  share: Schema.Int.pipe(Schema.between(1, 99))
})

/** The policies that are compared, each once. All others are compared with the first. */
const Shares = Schema.Array(Share).pipe(
  Schema.minItems(2),
  Schema.filter((shares) => new Set(shares.map(({ policy }) => policy)).size === shares.length, {
    message: () => "has a policy twice"
  }),
  Schema.filter((shares) => shares.reduce((sum, { share }) => sum + share, 0) === 100, {
    message: () => "must have shares that add up to 100"
  })
)

export const NewExperiment = Schema.Struct({
  name: ExperimentName,
  policies: Shares,
  /** Default now; earlier is now. */
  startsAt: Schema.optional(Moment),
  endsAt: Moment
})

const experiment = {
  name: Schema.String,
  /** Sessions are assigned only while it is running. Outcomes of those that were are taken later, too. */
  state: Schema.Literal("planned", "running", "ended"),
  startsAt: Schema.String,
  endsAt: Schema.String,
  createdBy: Schema.String
}

/** Nothing of it can be changed but its end: a change would make the sessions before and after it two experiments. */
export class Experiment extends Schema.Class<Experiment>("Experiment")({
  ...experiment,
  policies: Schema.Array(Share)
}) {}

/** Last created first. */
export class ExperimentPage extends Schema.Class<ExperimentPage>("ExperimentPage")({
  experiments: Schema.Array(Experiment),
  next: Schema.NullOr(Schema.Number)
}) {}

/** What is known of a policy. A session counts once, by the first of its answers that is reported. */
export class PolicyResult extends Schema.Class<PolicyResult>("PolicyResult")({
  ...Share.fields,
  /** Sessions that were given a context by it. */
  sessions: Schema.Number,
  /** Those of them that count, because an answer was reported. */
  countedSessions: Schema.Number,
  /** Those of them whose first answer had a helpful passage. */
  helpfulSessions: Schema.Number,
  /** In the answers that count, for people: passages of one session are too much alike to count each. */
  passages: Schema.Struct({ used: Schema.Number, helpful: Schema.Number, ignored: Schema.Number }),
  /** Helpful sessions among those that count. Null as long as none does. */
  rate: Schema.NullOr(Schema.Number),
  /** The interval of the rate, at 95 %. It holds however often somebody looks. */
  lower: Schema.Number,
  upper: Schema.Number,
  /**
   * Compared with the first policy; null for that one. `notEnough` as long as nothing can be said. `unbalanced` if a
   * policy changes which sessions are answered at all: then their rates cannot be compared.
   */
  verdict: Schema.NullOr(Schema.Literal("better", "worse", "notEnough", "unbalanced")),
  /** 1 is none. Null for the first policy. */
  evidence: Schema.NullOr(Schema.Number)
}) {}

export class ExperimentResult extends Schema.Class<ExperimentResult>("ExperimentResult")({
  ...experiment,
  policies: Schema.Array(PolicyResult),
  /** How much evidence a verdict needs. */
  requiredEvidence: Schema.Number
}) {}

/** The id that the reporter gives to an answer. */
export const AnswerId = Schema.String.pipe(
  Schema.minLength(1),
  Schema.maxLength(256, { identifier: "AnswerId", description: "the id of an answer" })
)

const passage = {
  fileId: FileId,
  /** The number of the passage within its file. */
  ordinal: Schema.NonNegativeInt
}

export const Outcome = Schema.Struct({
  ...passage,
  /** `helpful`: without it the answer would have been worse. `used`: it is in the answer, and made it no better. */
  outcome: Schema.Literal("used", "helpful", "ignored")
})

export type Outcome = typeof Outcome.Type

/** What became of the passages that were given for one answer. None is an outcome too: nothing helped. */
export const ReportedAnswer = Schema.Struct({
  /** As the context said. */
  experiment: ExperimentName,
  /** As the context said. */
  receipt: Schema.String.pipe(Schema.maxLength(100_000)),
  outcomes: Schema.Array(Outcome).pipe(
    Schema.maxItems(2000),
    Schema.filter(
      (outcomes) => new Set(outcomes.map(({ fileId, ordinal }) => `${ordinal} ${fileId}`)).size === outcomes.length,
      { message: () => "has a passage twice" }
    )
  )
})

export class AnswerReport extends Schema.Class<AnswerReport>("AnswerReport")({
  answerId: Schema.String,
  experiment: Schema.String,
  policy: Schema.Literal(...policyNames),
  /** Whether it decides for its session: the first one does. */
  isCounted: Schema.Boolean
}) {}

export class ExperimentNotFound extends Schema.TaggedError<ExperimentNotFound>()(
  "ExperimentNotFound",
  { experiment: Schema.String, message: Schema.String },
  HttpApiSchema.annotations({ status: 404 })
) {}

/** It cannot be as it is asked for, with what is there. */
export class ExperimentConflict extends Schema.TaggedError<ExperimentConflict>()(
  "ExperimentConflict",
  {
    problem: Schema.Literal(
      "NameTaken",
      "OtherIsRunning",
      "EndsTooEarly",
      "HasEnded",
      "UnknownReceipt",
      "NotGiven",
      "ReportedOtherwise"
    ),
    message: Schema.String,
    /** Of `NotGiven`: the passages that were not. */
    passages: Schema.optional(Schema.Array(Schema.Struct(passage)))
  },
  HttpApiSchema.annotations({ status: 409 })
) {}
