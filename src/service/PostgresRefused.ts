/** Why a start on PostgreSQL was refused. Of its own name: the errors of both engines have the same tags. */
import * as Data from "effect/Data"
import type { InitializationError } from "../../layers/postgres.ts"

export class PostgresRefused extends Data.TaggedError("PostgresRefused")<{ readonly refusal: InitializationError }> {
  override get message(): string {
    return this.refusal.message
  }
}
