/** LISTEN (https://www.postgresql.org/docs/current/sql-listen.html). */
import type { SqlError } from "@effect/sql/SqlError"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import pg from "pg"
import { type Connections, sqlError } from "./Connections.ts"

/**
 * The notifications of a channel, on a connection of its own. When the connection is lost the stream fails. What is sent
 * until it listens again is lost: look at the data first, then listen again.
 */
export const listenTo = ({ config }: Connections, channel: string): Stream.Stream<string, SqlError> =>
  Stream.asyncPush<string, SqlError>(
    (emit) =>
      Effect.acquireRelease(
        Effect.interruptible(
          Effect.async<pg.Client, SqlError>((resume) => {
            const client = new pg.Client(config)
            const lost = (error: Error) => {
              emit.fail(sqlError(error))
              resume(Effect.fail(sqlError(error)))
            }
            client.on("error", lost)
            client.on("end", () => lost(new Error("Connection terminated unexpectedly")))
            client.on("notification", (message) => {
              if (message.channel === channel) emit.single(message.payload ?? "")
            })
            client.connect((error: Error | null) => {
              if (error) return lost(error)
              client.query(`LISTEN ${pg.escapeIdentifier(channel)}`, (refused: Error | null) =>
                refused ? lost(refused) : resume(Effect.succeed(client))
              )
            })
            return Effect.sync(() => client.connection.stream.destroy())
          })
        ),
        (client) => Effect.sync(() => client.connection.stream.destroy())
      ),
    { bufferSize: "unbounded" }
  )
