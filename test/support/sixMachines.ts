/** The machines of the service's system: who they are, what they answer, and where they run. */
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { FileDetails } from "../../src/service/Client.ts"
import { clientOf, runningBackend, stopped } from "./backend.ts"
import { page } from "./browser.ts"
import { migrationFiles, migrationsDirectory, temporaryFolder } from "./database.ts"
import { type Ended, type Running, runProgram, spawnNode } from "./program.ts"

export const sessionId = "conversation-1"
export const inSession = { path: { sessionId } }
export const everyFile = { ...inSession, urlParams: { limit: 50, deleted: false } }
export const everyEvent = { ...inSession, urlParams: { limit: 200, after: 0 } }

/** The users, and the machines that may write to the sessions of users. */
export const tokenOf = {
  ann: "token-of-ann-0123456789",
  bob: "token-of-bob-0123456789",
  npu: "token-of-npu-0123456789",
  ai: "token-of-ai-0123456789",
  browser: "token-of-browser-0123456789"
}
export const settingsFor = (dataDirectory: string) => ({
  DATA_DIRECTORY: dataDirectory,
  API_TOKENS: Object.entries(tokenOf)
    .map(([user, token]) => `${user}:${token}${user === "ann" || user === "bob" ? "" : ":administrator"}`)
    .join(","),
  // Several services write to one file here, on a machine that may be busy.
  LOCK_PATIENCE: "1 minute"
})
export const databaseIn = (dataDirectory: string) => join(dataDirectory, "conversation_files.db")

export const as = (user: keyof typeof tokenOf, url: string) =>
  Effect.map(clientOf(url, tokenOf[user]), (client) => client.files)

/** A service that serves. */
export interface Service {
  /** Its address for the users, and for the process of the test. */
  readonly url: string
  /** Its address for the other machines. */
  readonly at: string
  /** Sends a signal to it, and gives how it ended. */
  readonly end: (signal: NodeJS.Signals) => Effect.Effect<Ended>
}

export type MachineName = "ai" | "browser" | "npu"
export type Environment = Readonly<Record<string, string>>

/** Where the machines are: all on loopback, or each on a host of its own. Whatever it runs is gone with the scope. */
export interface System {
  /** The service on the backend. With a number it is one of several at once. */
  readonly serve: (env: Environment, number?: number) => Effect.Effect<Service, never, Scope.Scope>
  /** How many services and other starters of one database there are at once. */
  readonly atOnce: { readonly services: number; readonly inits: number }
  /** Runs `database-ready` to its end, as one of several. */
  readonly runProgram: (number: number, ...args: ReadonlyArray<string>) => Effect.Effect<Ended, never, Scope.Scope>
  /** A program of a machine. */
  readonly run: (
    name: MachineName,
    env: Environment,
    ...args: ReadonlyArray<string>
  ) => Effect.Effect<Running, never, Scope.Scope>
}

/** All on loopback. */
export const loopback: System = {
  serve: (env) =>
    Effect.map(runningBackend(env), (backend) => ({
      url: backend.url,
      at: backend.url,
      end: (signal) => stopped(backend, signal)
    })),
  atOnce: { services: 4, inits: 4 },
  runProgram: (_, ...args) => runProgram(args),
  run: (_, env, ...args) =>
    Effect.acquireRelease(
      Effect.sync(() => spawnNode(args, { env })),
      ({ ended, process: child }) =>
        Effect.promise(() => {
          child.kill()
          return ended
        })
    )
}

/** Runs the program of another machine to its end in its own home, and returns the answer that it prints. */
export const machine = <A, I>(
  system: System,
  name: MachineName,
  answer: Schema.Schema<A, I>,
  at: string,
  ...args: ReadonlyArray<string>
) =>
  Effect.gen(function* () {
    const home = yield* temporaryFolder
    const env = { HOME: home, TMPDIR: home, SERVICE_URL: at, SERVICE_TOKEN: tokenOf[name], SESSION: sessionId }
    const { ended } = yield* system.run(name, env, join(import.meta.dirname, `machines/${name}.mjs`), ...args)
    const { code, stderr, stdout } = yield* Effect.promise(() => ended)
    assert.strictEqual(code, 0, `${name}: ${stdout}${stderr}`)
    return yield* Schema.decode(Schema.parseJson(answer))(stdout)
  }).pipe(Effect.scoped)

/** The answer of the browser machine: the names in the page, and the SHA-256 of the picture that it took. */
export const Screenshot = Schema.Struct({ seen: Schema.Array(Schema.String), file: FileDetails, taken: Schema.String })

/** The answer of the AI machine: each file as it read it, newest first. */
export const Reading = Schema.Array(Schema.Struct({ name: Schema.String, size: Schema.Number, sha256: Schema.String }))

/** The answer of the AI machine to a message, and whether each of its two equal reports counts. */
export const Answer = Schema.Struct({
  policy: Schema.String,
  experiment: Schema.String,
  answer: FileDetails,
  reports: Schema.Array(Schema.Boolean)
})

/** A user opens the page on the session, gives a token, and uploads a file. */
export const uploadInThePage = (user: "ann" | "bob", url: string, name: string, text: string) =>
  Effect.gen(function* () {
    const tab = yield* page
    yield* Effect.promise(async () => {
      await tab.goto(url)
      await tab.locator("#token").fill(tokenOf[user])
      await tab.locator("#token").press("Enter")
      await tab.locator("#session").fill(sessionId)
      await tab.locator("#session").press("Enter")
      // Wait until the page has loaded the list before something is added to it.
      await tab.locator("#count", { hasText: "No files." }).waitFor()
      await tab.locator("#upload").setInputFiles({ name, mimeType: "text/plain", buffer: Buffer.from(text) })
      await tab.locator("#files [data-file-id]", { hasText: name }).waitFor()
    })
    return tab
  })

export const sha256 = (content: string | Uint8Array) => createHash("sha256").update(content).digest("hex")

/** Width and height of a PNG, if it is one (https://www.w3.org/TR/png-3/#11IHDR). */
export const pngSize = (content: Uint8Array) => {
  const bytes = Buffer.from(content)
  assert.strictEqual(bytes.toString("latin1", 0, 8), "\x89PNG\r\n\x1a\n")
  return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
}

export const objects = `SELECT type, name, sql FROM sqlite_schema
  WHERE name NOT LIKE 'sqlite%' AND tbl_name <> 'schema_migrations' ORDER BY type, name`

/** The schema that the files in migrations/ make in plain SQLite. */
export const plainSchema = Effect.sync(() => {
  const connection = new Sqlite(":memory:")
  for (const name of migrationFiles) {
    connection.exec(readFileSync(join(migrationsDirectory, name), "utf8"))
  }
  const schema = connection.prepare(objects).all()
  connection.close()
  return schema
})

export const history = "SELECT migration_id, version, status FROM schema_migrations ORDER BY migration_id"
export const eachOnce = [
  { migration_id: 1, version: "001", status: "completed" },
  { migration_id: 2, version: "002", status: "completed" },
  { migration_id: 3, version: "003", status: "completed" },
  { migration_id: 4, version: "004", status: "completed" },
  { migration_id: 5, version: "005", status: "completed" },
  { migration_id: 6, version: "006", status: "completed" },
  { migration_id: 7, version: "007", status: "completed" },
  { migration_id: 8, version: "008", status: "completed" },
  { migration_id: 9, version: "009", status: "completed" }
]
