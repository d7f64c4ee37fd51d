/** Why a server is not one on which this program can work. */
import * as Predicate from "effect/Predicate"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeAndDetail, type PostgresFailure } from "./PostgresFailure.ts"

/** The server is there and cannot be used. Nothing was changed. */
export class ConnectionError extends TaggedRefusal("ConnectionError")<{
  /**
   * - `TooOld`: the server is older than PostgreSQL 15.
   * - `ReadOnlyServer`: it is a standby, or this role may only read.
   * - `PooledConnection`: a pooler answers, and gives each transaction another connection.
   * - `NoSchema`: the schema does not exist.
   * - `Replaced`: another server, or another database, answers at that URL now.
   * - `Lost`: the connection was lost, or the server's message says what is wrong.
   */
  readonly reason: "TooOld" | "ReadOnlyServer" | "PooledConnection" | "NoSchema" | "Replaced" | "Lost"
  /** What was seen, or what the server said. */
  readonly detail: string
  /** PostgreSQL's or the system's code, "" where there is none. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** The URL of the database, without user and password. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }

  /** @internal The entry's sentence with the facts. */
  override get sentence(): string {
    return `${this.entry.sentence} (${codeAndDetail(this)})`
  }
}

const catalogue: Catalogue<ConnectionError> = {
  TooOld: {
    sentence: "The server is older than PostgreSQL 15",
    remedy: "Upgrade the server to a release that is still supported.",
    means: "usage"
  },
  ReadOnlyServer: {
    sentence: "The server takes no writes",
    remedy:
      "Give the URL of the primary server; or promote this one. If the role may only read, run `ALTER ROLE ... RESET default_transaction_read_only`.",
    means: "permission"
  },
  PooledConnection: {
    sentence: "A pooler answers in place of the server",
    remedy: "Give the URL of the server itself: settings and locks of a session do not hold behind a pooler.",
    means: "usage"
  },
  NoSchema: {
    sentence: "The schema does not exist",
    remedy: "Run `CREATE SCHEMA` with this name, or set `schema` to one that exists.",
    means: "cannotCreate"
  },
  Replaced: {
    sentence: "Another database answers at this URL now",
    remedy:
      "Restart the program, once it is the right database: a restored copy or another server lacks what was written since.",
    means: "tryAgain"
  },
  Lost: {
    sentence: "The connection to the server failed",
    remedy: "Fix what the message names, then start again.",
    means: "inputOutput"
  }
}

export const connectionLost = ({ code, detail, retryable }: PostgresFailure): ConnectionError =>
  new ConnectionError({ reason: "Lost", code, detail, retryable })

/**
 * The refusal of a connection whose server has another process id than the one that was told when it was opened: a
 * pooler invents that one, or gives this transaction another server than the one before.
 */
export const pooledBy = (client: object, pid: unknown): ConnectionError | undefined => {
  const told = Predicate.hasProperty(client, "processID") ? client.processID : undefined
  if (told === pid) return undefined
  const detail = `it says ${told}, the server ${pid}`
  return new ConnectionError({ reason: "PooledConnection", detail, code: "", retryable: false })
}
