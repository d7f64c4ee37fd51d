/** Why a server is not one on which this program can work. */
import * as Data from "effect/Data"
import { jsonOf, messageOf } from "../start/Refusal.ts"
import type { PostgresFailure } from "./PostgresFailure.ts"

/** The server is there and cannot be used. Nothing was changed. */
export class ConnectionError extends Data.TaggedError("ConnectionError")<{
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
  /** The sentence, the database and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return jsonOf(this)
  }

  /** What is wrong, for people. */
  get sentence(): string {
    return `${catalogue[this.reason][0]} (${this.code === "" ? "" : `${this.code}: `}${this.detail})`
  }

  /** What to do now, for people. */
  get remedy(): string {
    return catalogue[this.reason][1]
  }
}

const catalogue: Record<ConnectionError["reason"], readonly [sentence: string, remedy: string]> = {
  TooOld: ["The server is older than PostgreSQL 15", "Upgrade the server to a release that is still supported."],
  ReadOnlyServer: [
    "The server takes no writes",
    "Give the URL of the primary server; or promote this one. If the role may only read, run `ALTER ROLE ... RESET default_transaction_read_only`."
  ],
  PooledConnection: [
    "A pooler answers in place of the server",
    "Give the URL of the server itself: settings and locks of a session do not hold behind a pooler."
  ],
  NoSchema: ["The schema does not exist", "Run `CREATE SCHEMA` with this name, or set `schema` to one that exists."],
  Replaced: [
    "Another database answers at this URL now",
    "Restart the program, once it is the right database: a restored copy or another server lacks what was written since."
  ],
  Lost: ["The connection to the server failed", "Fix what the message names, then start again."]
}

export const connectionLost = ({ code, detail, retryable }: PostgresFailure): ConnectionError =>
  new ConnectionError({ reason: "Lost", code, detail, retryable })
