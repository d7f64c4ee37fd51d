/** A start that is watched over HTTP, with nothing else on the server: for init containers and sidecars. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import type { HealthAnswer } from "../start/healthJson.ts"
import { type Phase, probeAnswers } from "../start/probeAnswers.ts"
import { type ObservedStart, startObservers } from "../start/startObservers.ts"
import { ProbeServerError } from "./ProbeServerError.ts"

/** Where probes are answered, and with what. */
export interface ProbeServerOptions {
  /** The address to listen on. Default `127.0.0.1`; `0.0.0.0` lets the kubelet in. */
  readonly host?: string | undefined
  /** The port to listen on. Default 0: the system chooses one. */
  readonly port?: number | undefined
  /**
   * Whether answers have the sentences of what is wrong, which may name paths. Default false: they have the reason
   * alone, as anybody may ask.
   */
  readonly details?: boolean | undefined
  /** Told once the server listens, before the start begins; `address` is `HOST:PORT`. Default none. */
  readonly onListening?: ((address: string) => Effect.Effect<void>) | undefined
}

/**
 * Builds `database`, a layer of one or several databases, and answers probes from the first moment until the scope is
 * closed: `GET /livez`, `/readyz`, `/startupz` and `/health`, as `application/health+json`. Gives what the layer gives,
 * once all are ready. Fails with what the layer fails with, and with a `ProbeServerError` where it cannot listen: then
 * no database is looked at.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { DatabaseReady, Migrations } from "database-ready"
 * import { serveProbes } from "database-ready/operate"
 * import { Effect, Layer } from "effect"
 *
 * const Database = DatabaseReady.layer({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(Layer.provide(NodeContext.layer))
 *
 * export const sidecar = serveProbes(Database, { host: "0.0.0.0", port: 8080 }).pipe(
 *   Effect.zipRight(Effect.never),
 *   Effect.scoped
 * )
 * ```
 */
export const serveProbes = <A, E, R>(
  database: Layer.Layer<A, E, R>,
  { details = false, host = "127.0.0.1", onListening, port = 0 }: ProbeServerOptions = {}
): Effect.Effect<Context.Context<A>, E | ProbeServerError, R | Scope.Scope> =>
  Effect.gen(function* () {
    const starts = new Set<ObservedStart>()
    let phase: Phase = "starting"
    const answers = probeAnswers(
      Effect.sync(() => ({ phase, starts })),
      details
    )
    const run = Runtime.runFork(yield* Effect.runtime())
    const address = yield* listening(host, port, (request, response) => {
      const path = request.url?.replace(/\?.*$/s, "") ?? ""
      const isRead = request.method === "GET" || request.method === "HEAD"
      const answer = (isRead ? answers[path] : undefined) ?? Effect.succeed(isRead ? notFound : notAllowed)
      const sending = run(
        Effect.map(answer, ({ body, headers, status }) => response.writeHead(status, headers).end(body))
      )
      // A client that has gone away needs no answer.
      response.once("close", () => sending.unsafeInterruptAsFork(sending.id()))
    })
    if (onListening !== undefined) yield* onListening(address)
    const given = yield* Layer.build(Layer.locallyWith(database, startObservers, (observers) => [...observers, starts]))
    phase = "open"
    // Finalizers run in reverse order: this one runs before the databases are closed.
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        phase = "stopping"
      })
    )
    return given
  })

/** The answer to a request that is not for a probe. */
const other = (status: number, reason: string): HealthAnswer => ({
  status,
  headers: { "content-type": "application/json", "cache-control": "no-store" },
  body: `${JSON.stringify({ reason })}\n`
})
const notFound = other(404, "Probes are /livez, /readyz, /startupz and /health.")
const notAllowed = other(405, "Probes are read with GET.")

/** Probes are small and rare: a client that sends or reads slowly, or opens too many connections, is cut off. */
const limits = { headersTimeout: 5000, requestTimeout: 5000, connectionsCheckingInterval: 1000 }
const maxConnections = 100

/** Listens until the scope is closed. Gives `HOST:PORT`. */
const listening = (
  host: string,
  port: number,
  answer: (request: IncomingMessage, response: ServerResponse) => void
): Effect.Effect<string, ProbeServerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Server, ProbeServerError>((resume) => {
      const server = createServer(limits, answer)
      server.maxConnections = maxConnections
      server.once("error", (error: NodeJS.ErrnoException) => resume(Effect.fail(refused(host, port, error))))
      server.listen(port, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(
    Effect.map((server) => {
      const bound = server.address()
      return addressOf(host, typeof bound === "object" && bound !== null ? bound.port : port)
    })
  )

const addressOf = (host: string, port: number): string => `${host.includes(":") ? `[${host}]` : host}:${port}`

const refused = (host: string, port: number, { code = "", message }: NodeJS.ErrnoException) =>
  new ProbeServerError({
    reason: code === "EADDRINUSE" ? "PortInUse" : "CannotListen",
    address: addressOf(host, port),
    detail: message,
    code,
    // The program that has the port may be about to end.
    retryable: code === "EADDRINUSE"
  })
