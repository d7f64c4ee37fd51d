/** How large the database is on its server. */
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"

/** Bytes, with indexes and all contents. */
export const sizeOnServer = (sql: SqlClient.SqlClient) =>
  Effect.map(
    sql<{ readonly size: number }>`SELECT pg_database_size(current_database()) AS size`,
    ([row]) => row?.size ?? null
  )
