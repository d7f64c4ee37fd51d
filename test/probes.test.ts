/** Probes of a program that serves with `@effect/platform`, over real HTTP. */
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { SqlClient } from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { probes, probesOf, serveWithProbes } from "../layers/http.ts"
import { DatabaseFleet, DatabaseReady, type LayerOptions, Migrations } from "../layers/index.ts"
import * as postgres from "../layers/postgres.ts"
import { rivalWriter } from "../layers/testing.ts"
import { hasPostgres } from "./postgres/cluster.ts"
import { newDatabase } from "./postgres/databases.ts"
import {
  independently,
  notes,
  onlyFirst,
  platform,
  refusal,
  start,
  starting,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

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

describe.skipIf(!hasPostgres)("the probes of a program on PostgreSQL", () => {
  it.scopedLive("name its engine, while it starts and once it is ready, and no address", () =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const opens = yield* Deferred.make<void>()
      const hasBegun = yield* Deferred.make<void>()
      const waits = Migrations.fromEffect(
        "001_notes",
        Effect.gen(function* () {
          const sql = yield* SqlClient
          yield* Deferred.succeed(hasBegun, undefined)
          yield* Deferred.await(opens)
          yield* sql`CREATE TABLE notes (body text)`
        })
      )
      const database = postgres.DatabaseReady.layer({ url, migrations: waits })
      const serving = yield* Effect.fork(Layer.build(serveWithProbes(app, database)))
      yield* Deferred.await(hasBegun)
      assert.hasAllKeys((yield* get("/readyz")).body.checks, ["postgres:migrations"])
      yield* Deferred.succeed(opens, undefined)
      yield* Fiber.join(serving)
      const { body } = yield* get("/health")
      // The server of the tests flushes nothing, and health warns of that.
      const check = { status: "warn", componentType: "datastore", observedValue: "001" }
      assert.containSubset(body.checks, { "postgres:database": [check] })
      assert.hasAllKeys(body.checks, ["postgres:database"])
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )
})

class Orders extends DatabaseReady.Tag("orders")<Orders>() {}
class Archive extends DatabaseReady.Tag("archive")<Archive>() {}

describe("the probes of a program with several databases", () => {
  const routes = HttpRouter.empty.pipe(
    HttpRouter.get(
      "/notes",
      Effect.flatMap(Effect.all([Orders, Archive]), ([orders, archive]) =>
        Effect.flatMap(
          Effect.orDie(Effect.zip(orders.sql`SELECT body FROM notes`, archive.sql`SELECT body FROM notes`)),
          HttpServerResponse.json
        )
      )
    )
  )
  /** Two files of one name, both at the first version. */
  const prepared = Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const [orders, archive] = [`${folder}/orders/app.db`, `${folder}/archive/app.db`]
    for (const file of [orders, archive]) yield* start(file, { migrations: onlyFirst })
    const databases = (options: Partial<LayerOptions<never>> = {}) =>
      Layer.merge(
        DatabaseReady.layerAs(Orders, { filename: orders, migrations: notes }),
        DatabaseReady.layerAs(Archive, { filename: archive, migrations: notes, ...options })
      ).pipe(Layer.provide(platform))
    return { orders, archive, databases }
  })
  const checksOf = Effect.map(get("/health"), ({ body }) => body.checks["sqlite:database"] ?? [])

  it.scopedLive("answer for all of them as one, and name each so that it is known", () =>
    Effect.gen(function* () {
      const { archive, databases, orders } = yield* prepared
      const rival = yield* Scope.make()
      yield* Scope.extend(rivalWriter(archive), rival)
      const waits = yield* Deferred.make<void>()
      const waiting = databases({
        onProgress: (event) => (event._tag === "StageWaiting" ? Deferred.succeed(waits, undefined) : Effect.void)
      })
      const serving = yield* Effect.fork(Layer.build(serveWithProbes(routes, waiting)))

      yield* Deferred.await(waits)
      const during = ["/livez 200", "/readyz 503", "/startupz 503", "/health 503", "/notes 503"]
      assert.deepStrictEqual(yield* statuses, during)
      const { starts } = (yield* get("/startupz")).body
      assert.containSubset(starts, [{ database: "orders/app.db" }, { database: "archive/app.db", stage: "migrations" }])

      yield* Scope.close(rival, Exit.void)
      yield* Fiber.join(serving)
      const after = ["/livez 200", "/readyz 200", "/startupz 200", "/health 200", "/notes 200"]
      assert.deepStrictEqual(yield* statuses, after)
      yield* dropTags(orders)
      assert.include(yield* statuses, "/readyz 503")
      assert.containSubset(yield* checksOf, [
        { componentId: "orders/app.db", status: "fail", output: "IntegrityError.SchemaDiffers" },
        { componentId: "archive/app.db", status: "pass" }
      ])
      assert.strictEqual((yield* get("/readyz")).body.checks["sqlite:database"].length, 1)
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )

  it.scopedLive("do not tell of a start that was refused once another one of it is ready", () =>
    Effect.gen(function* () {
      const { archive, databases } = yield* prepared
      const rename = (from: string, to: string) =>
        independently(archive, (connection) => connection.exec(`ALTER TABLE ${from} RENAME TO ${to}`))
      yield* rename("notes", "lost")
      let tries = 0
      const fixed = Layer.tapError(databases(), () => {
        tries += 1
        return rename("lost", "notes")
      })
      const retried = Layer.retry(fixed, Schedule.recurs(1))
      yield* Layer.build(serveWithProbes(routes, retried))
      assert.strictEqual(tries, 1)
      assert.deepStrictEqual(
        (yield* checksOf)
          .map(({ componentId, status }: Readonly<Record<string, string>>) => [componentId, status])
          .sort(),
        [
          ["archive/app.db", "pass"],
          ["orders/app.db", "pass"]
        ]
      )
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )

  it.scopedLive("are routes of a program that listens once all are ready", () =>
    Effect.gen(function* () {
      const { archive, databases } = yield* prepared
      const all = HttpRouter.concat(routes, probesOf(Effect.all([Orders, Archive])))
      yield* Layer.build(Layer.provide(HttpServer.serve(all), databases()))
      const after = ["/livez 200", "/readyz 200", "/startupz 200", "/health 200", "/notes 200"]
      assert.deepStrictEqual(yield* statuses, after)
      yield* dropTags(archive)
      assert.include(yield* statuses, "/readyz 503")
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )

  it.scopedLive("do not ask for the databases of a fleet, which come and go", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryFolder
      yield* start(`${directory}/acme.db`)
      const opened = Layer.scopedContext(
        Effect.gen(function* () {
          const fleet = yield* DatabaseFleet.make({ directory, migrations: notes, idleTimeToLive: 0 })
          yield* Effect.scoped(fleet.get("acme"))
          return Context.make(DatabaseFleet, fleet)
        })
      ).pipe(Layer.provide(platform))
      const names = HttpRouter.get(
        HttpRouter.empty,
        "/notes",
        Effect.flatMap(DatabaseFleet, (fleet) => Effect.flatMap(Effect.orDie(fleet.names), HttpServerResponse.json))
      )
      yield* Layer.build(serveWithProbes(names, opened))
      assert.deepStrictEqual(yield* checksOf, [])
      assert.deepStrictEqual((yield* get("/notes")).body, '["acme"]')
    }).pipe(Effect.provide(NodeHttpServer.layerTest))
  )
})
