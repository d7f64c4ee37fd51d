/** What the people who run the service see of it. */
import * as Schema from "effect/Schema"

/** A migration that is recorded in the database. */
const AppliedMigration = Schema.Struct({
  version: Schema.String,
  description: Schema.NullOr(Schema.String),
  appliedAt: Schema.NullOr(Schema.String),
  executionTimeMs: Schema.NullOr(Schema.Number)
})

/** A backup made before an upgrade. */
const Backup = Schema.Struct({
  /** Absolute path. */
  file: Schema.String,
  sizeBytes: Schema.Number,
  /** From the time of the file, which copying may change. */
  createdAt: Schema.String,
  /** Null if there was no version yet. */
  fromVersion: Schema.NullOr(Schema.String),
  toVersion: Schema.String
})

export class DatabaseFacts extends Schema.Class<DatabaseFacts>("DatabaseFacts")({
  engine: Schema.Literal("sqlite", "postgres"),
  /** Absolute path, or where the database is on its server, without a password. */
  file: Schema.String,
  schemaVersion: Schema.NullOr(Schema.String),
  /** Null if the file cannot be looked at. */
  sizeBytes: Schema.NullOr(Schema.Number),
  /** Bytes of the WAL, which are not in the file yet. Null for PostgreSQL too: the WAL is that of its server. */
  walBytes: Schema.NullOr(Schema.Number),
  /** First to last. */
  migrations: Schema.Array(AppliedMigration),
  /** Newest first, by their names. Null if the directory cannot be looked at. PostgreSQL has none here. */
  backups: Schema.NullOr(Schema.Array(Backup))
}) {}

/** The state of health since a moment. */
export class HealthTurn extends Schema.Class<HealthTurn>("HealthTurn")({
  at: Schema.String,
  status: Schema.Literal("pass", "warn", "fail"),
  /** Why it was not `pass`, for people. */
  reasons: Schema.Array(Schema.String)
}) {}

/** Latest first; the last 200 since the start of the process. */
export class HealthTurns extends Schema.Class<HealthTurns>("HealthTurns")({ turns: Schema.Array(HealthTurn) }) {}
