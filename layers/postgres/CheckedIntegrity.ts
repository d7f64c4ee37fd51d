/** Room 5: from applied migrations to a database whose schema is the one that they make. */
import * as Effect from "effect/Effect"
import type { OrderedMigrations } from "../start/MigrationSource.ts"
import { lookOnce, type MigrationsEvidence, prove } from "./AppliedMigrations.ts"
import type { RunningStart } from "./Initialization.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import type { Session } from "./Session.ts"

/** What was looked at. */
export interface IntegrityReport {
  /** A server recovers from a crash itself, so that nothing but the schema is looked at. */
  readonly checked: "schema"
  /** SHA-256 of the schema's objects, in hexadecimal. */
  readonly fingerprint: string
  /** Objects that no migration made, each as kind and name. They are no reason to refuse. */
  readonly extra: ReadonlyArray<string>
}

export const checkIntegrity = (
  config: PostgresConfig,
  start: RunningStart,
  source: OrderedMigrations,
  session: Session,
  { state }: MigrationsEvidence
) =>
  start.stage(
    "integrity",
    ({ doing }) =>
      Effect.gen(function* () {
        doing("comparing the schema with what the migrations make")
        const { extra, fingerprint } =
          state ?? (yield* prove(config, source, session, yield* lookOnce(source, session)))
        const report: IntegrityReport = { checked: "schema", fingerprint, extra }
        return report
      }),
    ({ extra, fingerprint }) =>
      `schema ${fingerprint.slice(0, 12)}${extra.length === 0 ? "" : `; not made by a migration: ${extra.join(", ")}`}`
  )
