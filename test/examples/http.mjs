/**
 * An HTTP service that answers probes while its database starts, and requests once it is ready:
 * `node test/examples/http.mjs [FILE] [PORT]`. A refused start ends it with the exit code of the refusal.
 */
import { createServer } from "node:http"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeContext, NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { DatabaseReady, logRefusal, Migrations, notifySystemd, teardown } from "database-ready"
import { serveWithProbes } from "database-ready/http"
import { Effect, Layer } from "effect"

const [, , filename = "data/notes.db", port = "3000"] = process.argv

const migrations = Migrations.fromRecord({
  "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
})

const Database = DatabaseReady.layer({ filename, migrations }).pipe(notifySystemd, logRefusal)

const router = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/notes",
    Effect.gen(function* () {
      const { read } = yield* DatabaseReady
      const sql = yield* SqlClient.SqlClient
      return yield* HttpServerResponse.json(yield* read(sql`SELECT id, text FROM notes ORDER BY id`))
    })
  ),
  HttpRouter.post(
    "/notes",
    Effect.gen(function* () {
      const { write } = yield* DatabaseReady
      const sql = yield* SqlClient.SqlClient
      const text = yield* (yield* HttpServerRequest.HttpServerRequest).text
      yield* write(sql`INSERT INTO notes (text) VALUES (${text})`)
      return HttpServerResponse.empty({ status: 201 })
    })
  )
)

// Beside these routes: GET /livez, /readyz, /startupz and /health.
const Server = serveWithProbes(router, Database).pipe(
  HttpServer.withLogAddress,
  Layer.provide([NodeContext.layer, NodeHttpServer.layer(createServer, { port: Number(port), host: "127.0.0.1" })])
)

NodeRuntime.runMain(Layer.launch(Server), { disableErrorReporting: true, teardown })
