/** Room 1: from a URL to a database that lets this program in. */
import * as Effect from "effect/Effect"
import pg from "pg"
import type { Connections } from "./Connections.ts"
import { DirectoryError, notReached } from "./DirectoryError.ts"
import type { RunningStart } from "./Initialization.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { PostgresFailure } from "./PostgresFailure.ts"
import { answerOf } from "./Statements.ts"

/** What the directory stage found. */
export interface ServerEvidence {
  /** Whether this start created the database. */
  readonly isCreated: boolean
}

/** One connection tells everything: whether the server can be reached, lets this program in, and has the database. */
export const reachDatabase = (config: PostgresConfig, { stage }: RunningStart, connections: Connections) => {
  let attempts = 0
  let isCreated = false
  return stage(
    "directory",
    () =>
      Effect.gen(function* () {
        attempts += 1
        const reached = yield* Effect.either(connections.using((held) => answerOf(held, "SELECT 1")))
        if (reached._tag === "Right") return { isCreated }
        const failure = PostgresFailure.from(reached.left)
        if (failure.code !== "3D000" || !config.create || config.access === "inspect" || isCreated) {
          return yield* notReached(failure, attempts)
        }
        yield* createDatabase(connections)
        isCreated = true
        yield* Effect.mapError(
          connections.using((held) => answerOf(held, "SELECT 1")),
          (error) => notReached(PostgresFailure.from(error), attempts)
        )
        return { isCreated }
      }),
    ({ isCreated }) => `${config.database}${isCreated ? ", created" : ""}`
  )
}

/** Another start may create it at the same moment: 42P04, or 23505 of the catalog's own index. */
const createDatabase = ({ address, config }: Connections): Effect.Effect<void, DirectoryError> =>
  Effect.async<void, DirectoryError>((resume) => {
    const client = new pg.Client({ ...config, database: "postgres" })
    const end = (outcome: Effect.Effect<void, DirectoryError>) => {
      client.connection.stream.destroy()
      resume(outcome)
    }
    const refuse = (error: unknown) => {
      const failure = PostgresFailure.from(error)
      const { code, detail, retryable } = failure
      end(
        Effect.fail(
          code === "42501"
            ? new DirectoryError({ reason: "CannotCreate", code, detail, retryable: false })
            : code === "55006"
              ? new DirectoryError({ reason: "Starting", code, detail, retryable })
              : notReached(failure, 1)
        )
      )
    }
    client.on("error", refuse)
    client.connect((error: Error | null) => {
      if (error) return refuse(error)
      client.query(`CREATE DATABASE ${pg.escapeIdentifier(address.database)}`, (refused: Error | null) => {
        const { code } = PostgresFailure.from(refused)
        if (refused && code !== "42P04" && code !== "23505") refuse(refused)
        else end(Effect.void)
      })
    })
    return Effect.sync(() => client.connection.stream.destroy())
  })
