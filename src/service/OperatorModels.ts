/** What those who run the service see of it. */
import * as Schema from "effect/Schema"

/** A migration that is recorded in the database. */
const AppliedMigration = Schema.Struct({
  version: Schema.String,
  description: Schema.NullOr(Schema.String),
  appliedAt: Schema.NullOr(Schema.String),
  executionTimeMs: Schema.NullOr(Schema.Number)
})

/** The copy that was made before an upgrade. */
const Backup = Schema.Struct({
  /** Absolute path. */
  file: Schema.String,
  sizeBytes: Schema.Number,
  /** By the time of the file, which a copy may have changed. */
  createdAt: Schema.String,
  /** Null where there was no version yet. */
  fromVersion: Schema.NullOr(Schema.String),
  toVersion: Schema.String
})

export class DatabaseFacts extends Schema.Class<DatabaseFacts>("DatabaseFacts")({
  /** Absolute path. */
  file: Schema.String,
  schemaVersion: Schema.NullOr(Schema.String),
  /** Null where the file cannot be looked at. */
  sizeBytes: Schema.NullOr(Schema.Number),
  /** Of what is not in the file yet. */
  walBytes: Schema.NullOr(Schema.Number),
  /** The first one first. */
  migrations: Schema.Array(AppliedMigration),
  /** The newest first, as far as their names tell. Null where the directory cannot be looked at. */
  backups: Schema.NullOr(Schema.Array(Backup))
}) {}

/** What health has been since a moment. */
export class HealthTurn extends Schema.Class<HealthTurn>("HealthTurn")({
  at: Schema.String,
  status: Schema.Literal("pass", "warn", "fail"),
  /** Why it was not `pass`, for people. */
  reasons: Schema.Array(Schema.String)
}) {}

/** The latest first; the last 200 since the start of the process. */
export class HealthTurns extends Schema.Class<HealthTurns>("HealthTurns")({ turns: Schema.Array(HealthTurn) }) {}
