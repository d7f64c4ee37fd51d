/** Every knob of a start on PostgreSQL: its name, unit, default and cost. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ProgressEvent } from "../start/ProgressEvent.ts"
import { defaultPolicies, type Policies, type Policy, type StageName, whileAnotherWorks } from "../start/policy.ts"
import type { Timeline } from "../start/Timeline.ts"
import type { ClientOptions } from "./Client.ts"
import { type Address, addressOf, describeAddress } from "./DatabaseUrl.ts"

/** What a program chooses about its database. Only `url` has no default. Durations are Effect's. */
export interface DatabaseOptions {
  /**
   * `postgres://USER@HOST:PORT/DATABASE`, with `?host=/run/postgresql` for a Unix socket, and `sslmode` for TLS: `disable`
   * (default), `require`, `verify-ca` or `verify-full`.
   */
  readonly url: string | Redacted.Redacted<string>
  /** The password. Default the one in the URL, else PGPASSWORD, else the password file. */
  readonly password?: Redacted.Redacted<string> | undefined
  /** The schema of the program's tables and of its history. It has to exist. Default `public`. */
  readonly schema?: string | undefined
  /** Whether a database that does not exist is created. Default false. */
  readonly create?: boolean | undefined
  /**
   * `initialize` (default) makes the database ready. `inspect` takes the same look and writes nothing: it fails with
   * `UpgradeError`, reason `Pending`, where a start would apply something.
   */
  readonly access?: "initialize" | "inspect" | undefined
  /** Deadline of the whole start. Default 60 s. */
  readonly timeout?: Duration.DurationInput | undefined
  /** Timeout and retry schedule per stage. Default `defaultPolicies`; `directory` tries for 30 s. */
  readonly policies?: { readonly [Stage in StageName]?: Partial<Policy> } | undefined
  /** Name and version of the program, kept with each migration that it applies. Default "". */
  readonly program?: string | undefined
  /** How many connections the pool has at most. Default 10. */
  readonly maxConnections?: number | undefined
  /** How long one connection may take. Default 5 s. */
  readonly connectTimeout?: Duration.DurationInput | undefined
  /** How long a connection stays that nobody uses. Default 10 s. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /**
   * How long a statement of a migration waits for a lock on a table before the whole transaction is rolled back and tried
   * again: so long every other statement on that table waits behind it. Default 1 s.
   */
  readonly lockTimeout?: Duration.DurationInput | undefined
  /** How long a statement of the program may take; 0 for no limit. Default 0. Migrations have none. */
  readonly statementTimeout?: Duration.DurationInput | undefined
  /** How long `write` goes on to repeat a transaction that PostgreSQL could not serialize. Default 5 s. */
  readonly lockPatience?: Duration.DurationInput | undefined
  /** How the client names columns and tables and reads values, and what its spans carry. Default: as they are. */
  readonly client?: ClientOptions | undefined
  /** Called at every step, within the start: what it takes, the start takes longer. Default none. */
  readonly onProgress?: ((event: ProgressEvent) => Effect.Effect<unknown>) | undefined
  /** @internal Gets what tells how far the start is. */
  readonly onTimeline?: ((timeline: Effect.Effect<Timeline>) => void) | undefined
}

/** The options, complete. */
export interface PostgresConfig {
  /** A sentence where the URL cannot be understood. */
  readonly address: Address | string
  /** The URL for people: without user and password. */
  readonly database: string
  readonly schema: string
  readonly create: boolean
  readonly access: "initialize" | "inspect"
  readonly timeout: Duration.Duration
  readonly isTimeoutDefault: boolean
  readonly policies: Policies
  readonly program: string
  readonly maxConnections: number
  readonly connectTimeout: Duration.Duration
  readonly idleTimeout: Duration.Duration
  readonly lockTimeout: Duration.Duration
  readonly statementTimeout: Duration.Duration
  readonly lockPatience: Duration.Duration
  readonly client: ClientOptions
  readonly onProgress: (event: ProgressEvent) => Effect.Effect<unknown>
}

export const configFrom = (options: DatabaseOptions): PostgresConfig => {
  const parsed = addressOf(Redacted.isRedacted(options.url) ? Redacted.value(options.url) : options.url)
  const password = options.password === undefined ? {} : { password: Redacted.value(options.password) }
  const address = typeof parsed === "string" ? parsed : { ...parsed, ...password }
  const policy = (name: StageName): Policy => ({ ...ownPolicies[name], ...options.policies?.[name] })
  return {
    address,
    database: typeof address === "string" ? "postgres:" : describeAddress(address),
    schema: options.schema ?? "public",
    create: options.create ?? false,
    access: options.access ?? "initialize",
    timeout: Duration.decode(options.timeout ?? "60 seconds"),
    isTimeoutDefault: options.timeout === undefined,
    policies: {
      directory: policy("directory"),
      connection: policy("connection"),
      pragmas: policy("pragmas"),
      migrations: policy("migrations"),
      integrity: policy("integrity")
    },
    program: options.program ?? "",
    maxConnections: options.maxConnections ?? 10,
    connectTimeout: Duration.decode(options.connectTimeout ?? "5 seconds"),
    idleTimeout: Duration.decode(options.idleTimeout ?? "10 seconds"),
    lockTimeout: Duration.decode(options.lockTimeout ?? "1 second"),
    statementTimeout: Duration.decode(options.statementTimeout ?? 0),
    lockPatience: Duration.decode(options.lockPatience ?? "5 seconds"),
    client: options.client ?? {},
    onProgress: options.onProgress ?? (() => Effect.void)
  }
}

/** A server takes longer to start than a mount to wake. */
const ownPolicies: Policies = {
  ...defaultPolicies,
  directory: { timeout: "30 seconds", schedule: whileAnotherWorks }
}
