/** Why there is no database where one should be. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"
import { codeAndDetail, isServerGone, type PostgresFailure } from "./PostgresFailure.ts"

/** The database cannot be reached, or does not let this program in. */
export class DirectoryError extends TaggedRefusal("DirectoryError")<{
  /**
   * - `InvalidUrl`: the URL cannot be understood.
   * - `Unreachable`: nobody answers there.
   * - `UnknownHost`: the name has no address.
   * - `NotPostgres`: something else answers.
   * - `Starting`: the server starts, recovers or stops.
   * - `NoConnectionLeft`: the server has no connection left.
   * - `Absent`: the server has no such database.
   * - `Closed`: the database lets nobody in.
   * - `AccessDenied`: the password, the role or `pg_hba.conf` does not let this program in.
   * - `CannotCreate`: this role may not create the database.
   * - `NoTls`: the server, or its certificate, does not allow for the encryption that the URL asks for.
   * - `Refused`: the server's message says why.
   */
  readonly reason:
    | "InvalidUrl"
    | "Unreachable"
    | "UnknownHost"
    | "NotPostgres"
    | "Starting"
    | "NoConnectionLeft"
    | "Absent"
    | "Closed"
    | "AccessDenied"
    | "CannotCreate"
    | "NoTls"
    | "Refused"
  /** What the server or the system said. */
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

type Reason = DirectoryError["reason"]

const catalogue: Catalogue<DirectoryError> = {
  InvalidUrl: {
    sentence: "The URL of the database cannot be understood",
    remedy:
      "Write it as postgres://USER@HOST:PORT/DATABASE, with `sslmode` behind a question mark where the line is encrypted.",
    means: "usage"
  },
  Unreachable: {
    sentence: "The PostgreSQL server cannot be reached",
    remedy: "Start the server, or check host and port, and that a firewall lets this machine through.",
    means: "tryAgain"
  },
  UnknownHost: {
    sentence: "The name of the server has no address",
    remedy: "Check the name in the URL, and the name service of this machine.",
    means: "tryAgain"
  },
  NotPostgres: {
    sentence: "What answers there is no PostgreSQL server",
    remedy: "Check host and port in the URL.",
    means: "data"
  },
  Starting: {
    sentence: "The PostgreSQL server is starting or stopping",
    remedy: "Wait until it is up.",
    means: "tryAgain"
  },
  NoConnectionLeft: {
    sentence: "The PostgreSQL server has no connection left",
    remedy: "Let other programs close connections, lower `maxConnections`, or raise `max_connections` of the server.",
    means: "tryAgain"
  },
  Absent: {
    sentence: "There is no such database on the server",
    remedy:
      "Check its name in the URL. If it is right, run `CREATE DATABASE`; or let the start create it: `create: true`, `database-ready init --create`.",
    means: "cannotCreate"
  },
  Closed: {
    sentence: "The database lets nobody in",
    remedy: "Run `ALTER DATABASE ... ALLOW_CONNECTIONS true` as its owner, or choose another one.",
    means: "permission"
  },
  AccessDenied: {
    sentence: "The server does not let this program in",
    remedy: ({ detail }) =>
      `Check user and password: in PGPASSWORD, in the password file, or in the URL. Check that \`pg_hba.conf\` allows this user from this machine.${
        /no encryption/.test(detail) ? " If it does so by `hostssl`, add `?sslmode=verify-full` to the URL." : ""
      }`,
    means: "permission"
  },
  CannotCreate: {
    sentence: "This role may not create the database",
    remedy: "Create it as another role, with this one as its owner; or run `ALTER ROLE ... CREATEDB`.",
    means: "permission"
  },
  NoTls: {
    sentence: "The line to the server cannot be encrypted as the URL asks for",
    remedy:
      "Switch TLS on in the server, or give it a certificate that this machine trusts (NODE_EXTRA_CA_CERTS); or choose another `sslmode`.",
    means: "usage"
  },
  Refused: {
    sentence: "The server refused the connection",
    remedy: "Fix what the server's message names, then start again.",
    means: "data"
  }
}

/** Four cases have no code, only a text. A pooler has one code for many. */
const reasonOf = ({ code, detail }: PostgresFailure): Reason => {
  if (code === "3D000") return "Absent"
  if (code === "55000") return "Closed"
  if (code === "53300") return "NoConnectionLeft"
  if (/^57P0/.test(code)) return "Starting"
  if (/^28/.test(code) || detail.startsWith("SASL")) return "AccessDenied"
  if (/^(ENOTFOUND|EAI_AGAIN)$/.test(code)) return "UnknownHost"
  if (code === "08P01" && isServerGone(detail)) return "Unreachable"
  if (/^(ECONN|ENOENT|EACCES|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|EPIPE)/.test(code)) return "Unreachable"
  if (/SSL/.test(detail) || /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(code)) return "NoTls"
  if (code === "" && /^Connection terminated unexpectedly/.test(detail)) return "NotPostgres"
  return code === "" && /time/.test(detail) ? "Unreachable" : "Refused"
}

/** How often a name is looked up, or something else is taken for a server that starts. */
const tries = 3

export const notReached = (failure: PostgresFailure, attempts: number): DirectoryError => {
  const reason = reasonOf(failure)
  const isOften = attempts >= tries && (reason === "UnknownHost" || reason === "NotPostgres")
  return new DirectoryError({
    reason,
    code: failure.code,
    detail: failure.detail,
    retryable: !isOften && (failure.retryable || reason === "UnknownHost")
  })
}
