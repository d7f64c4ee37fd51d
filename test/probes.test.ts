/** Probes of a program that serves with `@effect/platform`, over real HTTP. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { SqlClient } from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { probes, serveWithProbes } from "../layers/http.ts"
import { rivalWriter } from "../layers/testing.ts"
import { independently, notes, onlyFirst, refusal, start, starting, temporaryFile } from "./support/database.ts"

const app = HttpRouter.empty.pipe(
  HttpRouter.get(
    "/notes",
    Effect.flatMap(SqlClient, (sql) =>
      Effect.flatMap(Effect.orDie(sql`SELECT body FROM notes`), HttpServerResponse.json)
    )
  )
)

const get = Effect.fnUntraced(function* (path: string) {
  const response = yield* HttpClient.get(path)
  const text = yield* response.text
  return {
    status: response.status,
    type: response.headers["content-type"],
    body: text.startsWith("{") ? JSON.parse(text) : text
  }
})

const statuses = Effect.forEach(["/livez", "/readyz", "/startupz", "/health", "/notes"], (path) =>
  Effect.map(get(path), ({ status }) => `${path} ${status}`)
)

const dropTags = (file: string) => independently(file, (connection) => connection.exec("DROP TABLE tags"))

describe("the probes of a program", () => {
  it.scopedLive("are answered while its database starts, while it is ready, and when it is not any more", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const rival = yield* Scope.make()
      yield* Scope.extend(rivalWriter(file), rival)
      const waits = yield* Deferred.make<void>()
      const database = starting(file, {
        migrations: notes,
        onProgress: (event) => (event._tag === "StageWaiting" ? Deferred.succeed(waits, undefined) : Effect.void)
      })
      const serving = yield* Effect.fork(Layer.build(serveWithProbes(app, database)))

      yield* Deferred.await(waits)
      const during = ["/livez 200", "/readyz 503", "/startupz 503", "/health 503", "/notes 503"]
      assert.deepStrictEqual(yield* statuses, during)
      const startup = yield* get("/startupz")
      assert.strictEqual(startup.type, "application/health+json")
      assert.containSubset(startup.body, { status: "fail", phase: "starting", starts: [{ database: "app.db" }] })
      const running = (yield* get("/readyz")).body.checks["sqlite:migrations"]
      assert.containSubset(running, [{ componentId: "app.db", status: "warn", output: "Initialization.Running" }])

      yield* Scope.close(rival, Exit.void)
      yield* Fiber.join(serving)
      const after = ["/livez 200", "/readyz 200", "/startupz 200", "/health 200", "/notes 200"]
      assert.deepStrictEqual(yield* statuses, after)
      const check = { componentId: "app.db", componentType: "datastore", status: "pass", observedValue: "002" }
      assert.containSubset((yield* get("/health")).body, { status: "pass", checks: { "sqlite:database": [check] } })

      yield* dropTags(file)
      assert.include(yield* statuses, "/readyz 503")
      const { body } = yield* get("/readyz")
      assert.containSubset(body.checks["sqlite:database"], [{ status: "fail", output: "IntegrityError.SchemaDiffers" }])
      assert.notInclude(JSON.stringify(body), file)
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )

  it.scopedLive("end with the refusal of the database: nothing serves on", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const error = yield* refusal(
        Effect.scoped(Layer.build(serveWithProbes(app, starting(file, { migrations: onlyFirst }))))
      )
      assert.deepStrictEqual([error._tag, error.reason], ["HistoryError", "NewerDatabase"])
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )

  it.scopedLive("are routes of a program that listens once its database is ready", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const routes = HttpRouter.concat(app, probes({ details: true }))
      yield* Layer.build(Layer.provide(HttpServer.serve(routes), starting(file)))
      const after = ["/livez 200", "/readyz 200", "/startupz 200", "/health 200", "/notes 200"]
      assert.deepStrictEqual(yield* statuses, after)
      yield* dropTags(file)
      const { body, status } = yield* get("/readyz")
      assert.strictEqual(status, 503)
      assert.include(body.checks["sqlite:database"][0].output, "Remedy:")
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )
})
