/** The whole service within the test's process: real files, a real server on a free port, its derived client. */
import { readdirSync } from "node:fs"
import { join } from "node:path"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Backend } from "../../src/service/Backend.ts"
import { Settings } from "../../src/service/Settings.ts"
import { StartTimeline } from "../../src/service/StartTimeline.ts"
import { clientOf } from "./backend.ts"
import { rowsOf, temporaryFolder } from "./database.ts"

export type SomeSettings = Partial<Settings["Type"]>

/** Settings of a service on a folder, in which nothing happens automatically and nobody waits. */
export const settingsOn = (dataDirectory: string, settings: SomeSettings = {}): Settings["Type"] => ({
  host: "127.0.0.1",
  port: 0,
  accounts: [],
  dataDirectory,
  databaseFile: join(dataDirectory, "app.db"),
  databaseUrl: Option.none(),
  integrity: "auto",
  trustedFilesystems: [],
  permissions: "owner",
  databaseTimeout: Option.none(),
  backups: 0,
  maxFileSize: 1024 * 1024,
  userQuotaBytes: Option.none(),
  userQuotaFiles: Option.none(),
  totalQuotaBytes: Option.none(),
  totalQuotaFiles: Option.none(),
  requestsPerSecond: 10_000,
  concurrentRequests: 100,
  eventStreams: 16,
  maxConnections: 1000,
  retention: Duration.days(30),
  sessionRetention: Duration.days(30),
  trashRetention: Duration.days(7),
  refusalRetention: Duration.days(30),
  adoptContents: Option.none(),
  allowSweep: 0,
  diskReserve: 0,
  proofRate: 0,
  cleanupInterval: Duration.days(1),
  extractsTexts: false,
  healthCache: Duration.zero,
  lockPatience: Duration.seconds(2),
  shutdownDelay: Duration.zero,
  shutdownTimeout: Duration.seconds(25),
  redisUrl: Option.none(),
  otlpEndpoint: Option.none(),
  ...settings
})

/** Three users, one of whom is an administrator. */
export const accounts = ["alice", "bob", "root"].map((name) => ({
  name,
  token: Redacted.make(`token-of-${name}-with-length`),
  isAdministrator: name === "root"
}))

export const tokenOf = (name: string) => `token-of-${name}-with-length`

export const isOnPostgres = process.env["ENGINE"] === "postgres"

/** Whether to skip a test of what only SQLite has. The reason is for the reader. */
export const onlySqlite = (_reason: string): boolean => isOnPostgres

/** With ENGINE=postgres the database of a folder is on the server of the tests, unless a test has chosen one. */
const onEngine = (folder: string): Effect.Effect<SomeSettings> =>
  isOnPostgres
    ? Effect.flatMap(
        Effect.promise(() => import("./postgresService.ts")),
        ({ onPostgres }) => onPostgres(folder)
      )
    : Effect.succeed({})

/** Serves on a folder until the scope closes; the API is open when this finishes. */
export const serveOn = Effect.fnUntraced(function* (folder: string, chosen: SomeSettings = {}) {
  const settings = { ...(yield* onEngine(folder)), ...chosen }
  const context = yield* Layer.build(
    Backend.layer.pipe(
      Layer.provide(Layer.merge(StartTimeline.layer, NodeFileSystem.layer)),
      Layer.provide(Layer.succeed(Settings, settingsOn(folder, settings)))
    )
  )
  const { address } = Context.get(context, HttpServer.HttpServer)
  const baseUrl = address._tag === "TcpAddress" ? `http://127.0.0.1:${address.port}` : ""
  return {
    folder,
    file: join(folder, "app.db"),
    baseUrl,
    clientOf: (token?: string) => clientOf(baseUrl, token),
    client: yield* clientOf(baseUrl),
    /** A raw request, and its answer. */
    ask: (path: string, init: RequestInit = {}) => Effect.promise(() => fetch(`${baseUrl}${path}`, init))
  }
})

export const serving = (settings: SomeSettings = {}) =>
  Effect.flatMap(temporaryFolder, (folder) => serveOn(folder, settings))

export const jsonOf = (response: Response): Effect.Effect<Record<string, unknown>> =>
  Effect.promise(() => response.json().then((body) => Object(body)))

/** The SHA-256 of every content that is stored. */
export const contentsIn = (folder: string): Effect.Effect<ReadonlyArray<string>> =>
  isOnPostgres
    ? Effect.map(rowsOf(join(folder, "app.db"), "SELECT sha256 FROM contents ORDER BY sha256"), (rows) =>
        rows.map((row) => String(Object(row).sha256))
      )
    : Effect.sync(() =>
        readdirSync(join(folder, "files"))
          .filter((shelf) => shelf.length === 2)
          .flatMap((shelf) => readdirSync(join(folder, "files", shelf)))
          .sort()
      )

/** Unfinished uploads. */
export const incomingIn = (folder: string): ReadonlyArray<string> => readdirSync(join(folder, "files", "incoming"))
