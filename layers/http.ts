/**
 * Probes over HTTP, for programs that serve with `@effect/platform`.
 *
 * @packageDocumentation
 */
import type * as HttpApp from "@effect/platform/HttpApp"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { DatabaseReady } from "./sqlite/DatabaseReady.ts"
import type { ReadyDatabase } from "./sqlite/ReadyDatabase.ts"
import {
  type Check,
  checksJson,
  type HealthAnswer,
  healthAnswer,
  stageChecks,
  worstStatus
} from "./start/healthJson.ts"
import { type Phase, probeAnswers, type Seen } from "./start/probeAnswers.ts"
import { type ObservedStart, startObservers } from "./start/startObservers.ts"

export { type Check, checksJson, type HealthAnswer, healthAnswer, stageChecks, worstStatus }

/** What probes tell. */
export interface ProbeOptions {
  /**
   * Whether answers have the sentences of what is wrong, which may name paths. Default false: they have the reason
   * alone, as anybody may ask.
   */
  readonly details?: boolean | undefined
  /**
   * Seconds for which requests that are under way may go on when the server stops, before they are interrupted.
   * Default 10.
   */
  readonly drainSeconds?: number | undefined
}

const respond = ({ body, headers, status }: HealthAnswer) => HttpServerResponse.text(body, { status, headers })

/**
 * `GET /livez`, `/readyz`, `/startupz` and `/health` for a program that listens once its database is ready:
 * `application/health+json`, and `ok` as text for `/livez`; 503 where the database is not sound any more. `serveWithProbes` answers them during
 * the start as well.
 *
 * @example
 * ```ts
 * import { HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { probes } from "database-ready/http"
 *
 * export const app = HttpRouter.empty.pipe(
 *   HttpRouter.get("/", HttpServerResponse.text("hello")),
 *   HttpRouter.concat(probes())
 * )
 * ```
 */
export const probes = (options?: ProbeOptions): HttpRouter.HttpRouter<never, DatabaseReady> =>
  probesOf(Effect.map(DatabaseReady, Array.of), options)

/**
 * The same for several databases as one: ready while all are sound. Each has a check of its own, with its name as
 * `componentId`.
 *
 * @example
 * ```ts
 * import { HttpRouter } from "@effect/platform"
 * import { DatabaseReady } from "database-ready"
 * import { probesOf } from "database-ready/http"
 * import { Effect } from "effect"
 *
 * class Orders extends DatabaseReady.Tag("orders")<Orders>() {}
 * class Archive extends DatabaseReady.Tag("archive")<Archive>() {}
 *
 * // Needs Orders and Archive.
 * export const app = HttpRouter.empty.pipe(HttpRouter.concat(probesOf(Effect.all([Orders, Archive]))))
 * ```
 */
export const probesOf = <R>(
  databases: Effect.Effect<ReadonlyArray<Pick<ReadyDatabase, "health" | "report">>, never, R>,
  { details = false }: ProbeOptions = {}
): HttpRouter.HttpRouter<never, R> => {
  const timeline = Effect.dieMessage("The start is over")
  const probe = (path: string) =>
    Effect.flatMap(databases, (all) => {
      const starts = all.map(({ health, report: { database } }): ObservedStart => ({ database, timeline, health }))
      const seen = Effect.succeed<Seen>({ phase: "open", starts })
      return Effect.map(probeAnswers(seen, details)[path] ?? Effect.succeed(notYet), respond)
    })
  return HttpRouter.empty.pipe(
    HttpRouter.get("/livez", probe("/livez")),
    HttpRouter.get("/readyz", probe("/readyz")),
    HttpRouter.get("/startupz", probe("/startupz")),
    HttpRouter.get("/health", probe("/health"))
  )
}

/**
 * Serves `app` on a database, or on several, and answers probes from the first moment: `GET /livez`, `/readyz`,
 * `/startupz` and `/health`, as `application/health+json`, and `ok` as text for `/livez`. Everything else is answered with 503 until all databases
 * of the layer are ready. When it stops, `/readyz` fails first, then requests that are under way end, and then the
 * databases are closed. Fails with what the layer fails with. `app` can use what the layer gives.
 *
 * @example
 * ```ts
 * import { createServer } from "node:http"
 * import { HttpRouter, HttpServerResponse } from "@effect/platform"
 * import { NodeContext, NodeHttpServer, NodeRuntime } from "@effect/platform-node"
 * import { DatabaseReady, logRefusal, Migrations, teardown } from "database-ready"
 * import { serveWithProbes } from "database-ready/http"
 * import { Layer } from "effect"
 *
 * const migrations = Migrations.fromDirectory("migrations")
 * const Database = DatabaseReady.layer({ filename: "data/app.db", migrations }).pipe(logRefusal)
 * const app = HttpRouter.empty.pipe(HttpRouter.get("/", HttpServerResponse.text("hello")))
 * const Server = serveWithProbes(app, Database).pipe(
 *   Layer.provide([NodeContext.layer, NodeHttpServer.layer(createServer, { port: 3000 })])
 * )
 *
 * export const main = () => NodeRuntime.runMain(Layer.launch(Server), { disableErrorReporting: true, teardown })
 * ```
 */
export const serveWithProbes = <E, R, A, E2, R2>(
  app: HttpApp.Default<E, R>,
  database: Layer.Layer<A, E2, R2>,
  { details = false, drainSeconds = 10 }: ProbeOptions = {}
) =>
  Layer.scopedDiscard(
    Effect.gen(function* () {
      const starts = new Set<ObservedStart>()
      let phase: Phase = "starting"
      let given: Context.Context<A> | undefined
      const inside = new Set<Fiber.RuntimeFiber<unknown, unknown>>()

      const paths = probeAnswers(
        Effect.sync((): Seen => ({ phase, starts })),
        details
      )
      const served = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ method, url }) => {
        const probe = method === "GET" || method === "HEAD" ? paths[url.replace(/\?.*$/s, "")] : undefined
        if (probe !== undefined) return Effect.map(probe, respond)
        if (given === undefined || phase !== "open") return Effect.succeed(respond(notYet))
        const context = given
        return Effect.acquireUseRelease(
          Effect.withFiberRuntime<Fiber.RuntimeFiber<unknown, unknown>>((fiber) => {
            inside.add(fiber)
            return Effect.succeed(fiber)
          }),
          () => Effect.provide(app, context),
          (fiber) => Effect.sync(() => inside.delete(fiber))
        )
      })
      yield* HttpServer.serveEffect(served)
      given = yield* Layer.build(Layer.locallyWith(database, startObservers, (observers) => [...observers, starts]))
      phase = "open"
      // Finalizers run in reverse order: this one runs before the databases are closed.
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          phase = "stopping"
          return Effect.forEach(inside, Fiber.await, { discard: true }).pipe(
            Effect.timeoutOption(`${drainSeconds} seconds`),
            Effect.zipRight(Effect.suspend(() => Fiber.interruptAll(inside)))
          )
        })
      )
    })
  )

const notYet = healthAnswer("fail", { phase: "not ready" })
