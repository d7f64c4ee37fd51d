/** An HTTP service that listens once its database is ready: `node test/examples/http.mjs [FILE] [PORT]`. */
import { createServer } from "node:http"
import { HttpRouter, HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { NodeContext, NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { SqlClient } from "@effect/sql"
import { DatabaseReady, Migrations } from "database-ready"
import { Effect, Layer } from "effect"

const [, , filename = "data/notes.db", port = "3000"] = process.argv

const migrations = Migrations.fromRecord({
  "001_create_notes.sql": "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
})

const router = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/notes",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      return yield* HttpServerResponse.json(yield* sql`SELECT id, text FROM notes ORDER BY id`)
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
  ),
  // A probe: 200 while the database is ready, 503 with the reason when it is not any more.
  HttpRouter.get(
    "/readyz",
    Effect.flatMap(DatabaseReady, ({ health }) => health).pipe(
      Effect.match({
        onFailure: ({ message }) => HttpServerResponse.text(message, { status: 503 }),
        onSuccess: () => HttpServerResponse.text("ready")
      })
    )
  )
)

const server = HttpServer.serve(router).pipe(
  HttpServer.withLogAddress,
  Layer.provide(NodeHttpServer.layer(createServer, { port: Number(port), host: "127.0.0.1" })),
  Layer.provide(DatabaseReady.layer({ filename, migrations })),
  Layer.provide(NodeContext.layer)
)

NodeRuntime.runMain(Layer.launch(server))
