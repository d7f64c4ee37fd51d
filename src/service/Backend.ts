/**
 * The conversation-files service. Probes are answered at once. The API is built on `DatabaseReady`, so it cannot be
 * served before the database is ready.
 */
import * as Etag from "@effect/platform/Etag"
import * as FileSystem from "@effect/platform/FileSystem"
import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpPlatform from "@effect/platform/HttpPlatform"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Path from "@effect/platform/Path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Access, authorization } from "./Access.ts"
import { AccessLog } from "./AccessLog.ts"
import { accountHttp } from "./AccountHttp.ts"
import { FilesApi, ProbesApi, ProbesGroup } from "./Api.ts"
import { Archives } from "./Archives.ts"
import { AuditTrail } from "./AuditTrail.ts"
import { BulkChanges } from "./BulkChanges.ts"
import { changesHttp } from "./ChangesHttp.ts"
import { Cleanup } from "./Cleanup.ts"
import { CleanupList } from "./CleanupList.ts"
import { ContentChanges } from "./ContentChanges.ts"
import { ContentFaults } from "./ContentFaults.ts"
import { contentProof } from "./ContentProof.ts"
import { ConversationFiles } from "./ConversationFiles.ts"
import { contextHttp } from "./context/ContextHttp.ts"
import { Contexts } from "./context/Contexts.ts"
import { extraction } from "./context/Extraction.ts"
import { Questions } from "./context/Questions.ts"
import { Database } from "./Database.ts"
import { DatabaseOverview } from "./DatabaseOverview.ts"
import { DeletionRows } from "./DeletionRows.ts"
import { Deletions } from "./Deletions.ts"
import { description } from "./Description.ts"
import { Discarding } from "./Discarding.ts"
import { Door } from "./Door.ts"
import { DueTime } from "./DueTime.ts"
import type { Engine } from "./Engine.ts"
import { Assignments } from "./experiments/Assignments.ts"
import { experimentHttp } from "./experiments/ExperimentHttp.ts"
import { Experiments } from "./experiments/Experiments.ts"
import { filesHttp } from "./FilesHttp.ts"
import { Health } from "./Health.ts"
import { HealthHistory } from "./HealthHistory.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { Limits } from "./Limits.ts"
import { listening } from "./Listening.ts"
import { operatorHttp } from "./OperatorHttp.ts"
import { isOfPage, page } from "./Page.ts"
import { probesHttp } from "./ProbesHttp.ts"
import { pathOf, problems } from "./Problem.ts"
import { Quota } from "./Quota.ts"
import { Refusals } from "./Refusals.ts"
import { Relocations } from "./Relocations.ts"
import { answerRequests } from "./Requests.ts"
import { Reserve } from "./Reserve.ts"
import { Rows } from "./Rows.ts"
import { SessionEvents } from "./SessionEvents.ts"
import { SessionList } from "./SessionList.ts"
import { Sessions } from "./Sessions.ts"
import { sessionsHttp } from "./SessionsHttp.ts"
import { Settings } from "./Settings.ts"
import { SharedLimits } from "./SharedLimits.ts"
import { sqliteEngine } from "./SqliteEngine.ts"
import { Strangers } from "./Strangers.ts"
import { streamsHttp } from "./StreamsHttp.ts"
import { signallingWrites } from "./WriteSignal.ts"

/** Builds one API with its own routes. Otherwise two APIs would share the builder's router. */
const appOf = Effect.fnUntraced(function* <E, R>(api: Layer.Layer<HttpApi.Api, E, R>) {
  const built = yield* Layer.build(
    Layer.mergeAll(
      api,
      HttpApiBuilder.Router.Live,
      HttpApiBuilder.Middleware.layer,
      HttpApiBuilder.middleware(problems)
    )
  )
  const app = yield* Effect.provide(HttpRouter.withRouterConfig(HttpApiBuilder.httpApp, oneSpelling), built)
  const context = yield* Effect.context<HttpRouter.HttpRouter.DefaultServices>()
  // Only these services: each request has its own scope, not the one in which the service is built.
  const services = Context.pick(FileSystem.FileSystem, Path.Path, HttpPlatform.HttpPlatform, Etag.Generator)(context)
  return Effect.provide(app, services)
})

/** Paths are already normalized when they get there. Ids are bounded only by the length of a request's head. */
const oneSpelling = {
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false,
  maxParamLength: Number.MAX_SAFE_INTEGER
}

const probePaths = new Set<string>(Object.values(ProbesGroup.endpoints).map(({ path }) => path))

const descriptionResponse = HttpServerResponse.unsafeJson(description)

/** What needs no database, and the door to what does. */
const front = Layer.scopedDiscard(
  Effect.gen(function* () {
    const door = yield* Door
    const { keep } = yield* KeptAnswers
    const probes = yield* appOf(Layer.provide(HttpApiBuilder.api(ProbesApi), probesHttp))
    const app = Effect.gen(function* () {
      const { url } = yield* HttpServerRequest.HttpServerRequest
      const path = pathOf(url)
      if (probePaths.has(path)) return yield* probes
      if (isOfPage(path)) return yield* page(path)
      return path === "/openapi.json" ? descriptionResponse : yield* door.app
    })
    // The platform describes each request for its span even if nobody makes spans.
    const isTraced = yield* FiberRef.get(FiberRef.currentTracerEnabled)
    yield* HttpMiddleware.withTracerDisabledWhenEffect(
      HttpServer.serveEffect(answerRequests(app, keep)),
      () => !isTraced
    )
    yield* HttpServer.addressFormattedWith((address) => Effect.logInfo(`Listening on ${address}`))
  })
)

/** What needs the database: it takes `DatabaseReady`, so it cannot exist before. */
const api = Layer.scopedDiscard(
  Effect.gen(function* () {
    const { engine, report } = yield* Database
    const health = yield* Health
    const { open } = yield* Door
    const handlers = Layer.mergeAll(
      filesHttp,
      changesHttp,
      streamsHttp,
      sessionsHttp,
      accountHttp,
      operatorHttp,
      contextHttp,
      experimentHttp
    )
    yield* open({ app: yield* appOf(Layer.provide(HttpApiBuilder.api(FilesApi), handlers)), health, engine, report })
  })
)

/** Everything on database and contents, without HTTP. */
export const filesOn = ({ belonging, checkpoints, contents, keeping, sweeper }: Engine) =>
  Cleanup.layer.pipe(
    Layer.provideMerge(
      Layer.mergeAll(
        Archives.layer,
        BulkChanges.layer,
        ContentChanges.layer,
        contentProof,
        Contexts.layer,
        ConversationFiles.layer,
        Deletions.layer,
        Experiments.layer,
        extraction,
        Relocations.layer,
        SessionList.layer,
        SessionEvents.layer,
        sweeper
      )
    ),
    Layer.provideMerge(Layer.mergeAll(Assignments.layer, CleanupList.layer, DeletionRows.layer, keeping)),
    Layer.provideMerge(Rows.layer),
    Layer.provideMerge(Sessions.layer),
    Layer.provideMerge(Layer.mergeAll(AccessLog.layer, AuditTrail.layer, Discarding.layer, Quota.layer)),
    Layer.provideMerge(Layer.mergeAll(belonging, checkpoints, Refusals.layer, Reserve.layer)),
    Layer.provideMerge(ContentFaults.layer),
    Layer.provideMerge(contents),
    Layer.provideMerge(Layer.mergeAll(DueTime.layer, Questions.layer, signallingWrites))
  )

const serviceOn = (engine: Engine) =>
  Layer.mergeAll(Health.layer, authorization, Strangers.counted).pipe(
    Layer.provideMerge(filesOn(engine)),
    Layer.provideMerge(Layer.mergeAll(DatabaseOverview.layer, HealthHistory.layer, Limits.layer)),
    Layer.provideMerge(SharedLimits.layer)
  )

const backendOn = (engine: Engine) =>
  api.pipe(
    Layer.provide(serviceOn(engine)),
    Layer.provide(engine.database),
    Layer.provide(front),
    Layer.provideMerge(listening),
    Layer.provide(Door.layer),
    Layer.provide(Layer.merge(KeptAnswers.layer, Layer.provideMerge(Strangers.layer, Access.layer)))
  )

/** What only PostgreSQL needs is loaded only for it. */
const engine = Effect.flatMap(Settings, ({ databaseUrl }) =>
  Option.match(databaseUrl, {
    onNone: () => Effect.succeed(sqliteEngine),
    onSome: (url) =>
      Effect.map(
        Effect.promise(() => import("./postgres/engine.ts")),
        ({ engineOn }) => engineOn(url)
      )
  })
)

/**
 * The whole service. Fails with an `InitializationError` or `PostgresRefused` if the database is not ready; the API was
 * then never served. Fails with `ServeError` if it cannot listen on the address; the database was then not touched.
 */
export const Backend = { layer: Layer.unwrapEffect(Effect.map(engine, backendOn)) }
