/** Rooms 1 to 3 in their order: from a URL to sessions that a start can work in. */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as Effect from "effect/Effect"
import { clientOf } from "./Client.ts"
import { makeConnections } from "./Connections.ts"
import { reachDatabase } from "./DatabaseServer.ts"
import { DirectoryError } from "./DirectoryError.ts"
import type { RunningStart } from "./Initialization.ts"
import type { PostgresConfig } from "./PostgresConfig.ts"
import { requireServer } from "./PostgresConnection.ts"
import { queryOn, type Session } from "./Session.ts"
import { setUp } from "./Settings.ts"
import { transactionsOn } from "./Transactions.ts"
import { verifySettings } from "./VerifiedSettings.ts"

/** The connections are closed with the scope. */
export const openSession = Effect.fnUntraced(function* (config: PostgresConfig, start: RunningStart) {
  const { address } = config
  if (typeof address === "string") {
    const refusal = new DirectoryError({ reason: "InvalidUrl", detail: address, code: "", retryable: false })
    return yield* start.stage(
      "directory",
      () => Effect.fail(refusal),
      () => ""
    )
  }
  let isVerified = false
  const connections = yield* makeConnections({
    ...config,
    ...address,
    // The pragmas stage sets up the one connection that there is until then, and names what is wrong with its settings.
    onConnect: async (client) => {
      if (isVerified) await setUp(client, config)
    }
  })
  yield* reachDatabase(config, start, connections)
  const server = yield* requireServer(config, start, connections)
  const { settings, warnings } = yield* verifySettings(config, start, connections)
  isVerified = true
  const { host, port } = address
  const spanAttributes = {
    ...config.client.spanAttributes,
    "db.system.name": "postgresql",
    "db.namespace": address.database,
    "server.address": host,
    "server.port": port
  }
  const transactions = transactionsOn(connections, spanAttributes, config.client.types)
  const client = clientOf(connections, transactions, spanAttributes, config.client, yield* Reactivity.Reactivity)
  const session: Session = { transactions, client, query: queryOn(transactions) }
  return { connections, server, session, settings, warnings: [...server.warnings, ...warnings] }
})
