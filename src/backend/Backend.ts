/**
 * The conversation-files service: the probes are answered at once, the API is built on `DatabaseReady` and
 * is never served before it.
 */
import { createServer } from "node:http"
import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpIncomingMessage from "@effect/platform/HttpIncomingMessage"
import type * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as OpenApi from "@effect/platform/OpenApi"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { DatabaseConfig, DatabaseReady, MigrationSource } from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }
import * as conversationFiles from "../conversationFiles.ts"
import { Access, authorization, isLoopback } from "./Access.ts"
import { Api, FilesApi, ProbesApi, ProbesGroup } from "./Api.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { Cleanup } from "./Cleanup.ts"
import { ContentStore } from "./ContentStore.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { Door } from "./Door.ts"
import { filesHttp } from "./FilesHttp.ts"
import { Health } from "./Health.ts"
import { Limits } from "./Limits.ts"
import { page } from "./Page.ts"
import { probesHttp } from "./ProbesHttp.ts"
import { answering } from "./Requests.ts"
import { Settings } from "./Settings.ts"

/** Builds one API with routes of its own: the builder's router would otherwise be shared between two. */
const appOf = Effect.fnUntraced(function* <E, R>(api: Layer.Layer<HttpApi.Api, E, R>) {
  const built = yield* Layer.build(Layer.mergeAll(api, HttpApiBuilder.Router.Live, HttpApiBuilder.Middleware.layer))
  const app = yield* Effect.provide(HttpApiBuilder.httpApp, built)
  // Not the scope of the building: a request that ends would otherwise release nothing.
  const services = Context.omit(Scope.Scope)(yield* Effect.context<HttpRouter.HttpRouter.DefaultServices>())
  return Effect.provide(app, services).pipe(HttpIncomingMessage.withMaxBodySize(Option.some(longestBody)))
})

/** Bytes of a body that is read into memory. Those of files are not. */
const longestBody = 64 * 1024

const probePaths = new Set<string>(Object.values(ProbesGroup.endpoints).map(({ path }) => path))

const description = HttpServerResponse.unsafeJson(OpenApi.fromApi(Api))

/** What needs no database, and the door to what does. */
const front = Layer.scopedDiscard(
  Effect.gen(function* () {
    const door = yield* Door
    const probes = yield* appOf(Layer.provide(HttpApiBuilder.api(ProbesApi), probesHttp))
    const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
      const path = url.replace(/[?#].*$/, "")
      if (probePaths.has(path)) return probes
      if (path === "/") return Effect.succeed(page)
      return path === "/openapi.json" ? Effect.succeed(description) : door.app
    })
    yield* HttpServer.serveEffect(answering(app))
    yield* HttpServer.addressFormattedWith((address) => Effect.logInfo(`Listening on ${address}`))
  })
)

/** What does: it takes `DatabaseReady`, so that it cannot be there before. */
const api = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { report } = yield* DatabaseReady
    const health = yield* Health
    const { open } = yield* Door
    yield* open({ app: yield* appOf(Layer.provide(HttpApiBuilder.api(FilesApi), filesHttp)), health, report })
  })
)

const service = Layer.mergeAll(Health.layer, authorization).pipe(
  Layer.provideMerge(Cleanup.layer),
  Layer.provideMerge(ConversationFiles.layer),
  Layer.provideMerge(AuditTrail.layer),
  Layer.provideMerge(ContentStore.layer),
  Layer.provideMerge(Limits.layer)
)

const database = DatabaseReady.pipeline.pipe(Layer.provide(MigrationSource.layer(conversationFiles.migrations)))

/** The start's settings, by the service's. */
export const databaseConfig: Layer.Layer<DatabaseConfig, never, Settings> = Layer.unwrapEffect(
  Effect.map(Settings, ({ backups, databaseFile, databaseTimeout, integrity, lockPatience }) =>
    DatabaseConfig.layer({
      filename: databaseFile,
      integrity,
      timeout: databaseTimeout,
      backups,
      lockPatience,
      // A statement that waits inside SQLite would stop every request, the probes included.
      pragmas: { busyTimeout: 0 },
      program: `${packageJson.name} ${packageJson.version}`,
      applicationId: conversationFiles.applicationId
    })
  )
)

/** Requests had their time in front of the door; what is left are probes, and who does not let go. */
const lastAnswers = "1 second"

/**
 * Listens on loopback alone where no accounts are configured. When the scope closes, connections that nothing
 * is answered on are closed at once, the others in a moment.
 */
const listening = Layer.unwrapEffect(
  Effect.gen(function* () {
    const { host, port } = yield* Settings
    const { isOpen } = yield* Access
    const onLoopback = isOpen && !isLoopback(host)
    if (onLoopback)
      yield* Effect.logWarning(`No accounts are configured (API_TOKENS): listening on 127.0.0.1, not on ${host}`)
    const server = createServer()
    const closed = Effect.async<void>((resume) => {
      server.close(() => resume(Effect.void))
    })
    // A connection whose answer ends now would be kept alive for the next request, which nobody would answer.
    const letGo = Effect.repeat(
      Effect.sync(() => server.closeIdleConnections()),
      Schedule.spaced("50 millis")
    )
    const closing = Effect.addFinalizer(() =>
      // A finalizer cannot be interrupted; what is given up on in it has to be.
      Effect.interruptible(Effect.race(closed, letGo)).pipe(
        Effect.timeoutOption(lastAnswers),
        Effect.zipRight(Effect.sync(() => server.closeAllConnections()))
      )
    )
    return Layer.provideMerge(
      Layer.scopedDiscard(closing),
      NodeHttpServer.layer(() => server, { host: onLoopback ? "127.0.0.1" : host, port })
    )
  })
)

/**
 * The whole service. Fails with an `InitializationError` where the database is not ready, in which case the
 * API was never served; with `ServeError` where the address cannot be had, before the database is touched.
 */
export const Backend = {
  layer: api.pipe(
    Layer.provide(service),
    Layer.provide(database),
    Layer.provide(front),
    Layer.provideMerge(listening),
    Layer.provide(Layer.mergeAll(Door.layer, Access.layer))
  )
}
