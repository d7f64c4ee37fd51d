/** Takes the URL of a database apart. */
import type { ConnectionOptions } from "node:tls"

/** Where a database is, and as whom to ask for it. */
export interface Address {
  /** A name, an IP address, or the directory of a Unix socket. */
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string | undefined
  /** Undefined: `pg` then takes PGPASSWORD, or the password file (https://www.postgresql.org/docs/current/libpq-pgpass.html). */
  readonly password: string | undefined
  /** False: the line is not encrypted. */
  readonly ssl: false | ConnectionOptions
}

/**
 * An address, or a sentence that says what is wrong with the URL. Not by `URL`, which refuses an empty host, as in
 * `postgres://user@/app?host=/run/postgresql`; and not by `pg`, whose meaning of `sslmode` changes with its next release.
 */
export const addressOf = (url: string): Address | string => {
  const parts = pattern.exec(url)?.groups
  if (parts === undefined) {
    return `it is not of the form postgres://USER@HOST:PORT/DATABASE${url.includes("@") ? "; in a name or a password, write @ as %40, / as %2F, : as %3A, ? as %3F and % as %25" : ""}`
  }
  const { database = "", host = "", parameters = "", password, port, user } = parts
  const given = new URLSearchParams(parameters)
  const unknown = [...given.keys()].find((name) => !["host", "port", "sslmode"].includes(name))
  if (unknown !== undefined) {
    // Other text after a question mark may be part of a password: it is not shown.
    const which = ofLibpq.has(unknown) ? `the parameter ${unknown}` : "a parameter after the question mark"
    return `${which} is not known: host, port and sslmode are`
  }
  const ssl = sslModes.get(given.get("sslmode") ?? "disable")
  if (ssl === undefined) return `sslmode is one of ${[...sslModes.keys()].join(", ")}`
  try {
    const address: Address = {
      host: given.get("host") ?? (host === "" ? "localhost" : decodeURIComponent(host.replace(/^\[(.*)\]$/, "$1"))),
      port: Number(given.get("port") ?? port ?? 5432),
      database: decodeURIComponent(database),
      user: user === undefined ? undefined : decodeURIComponent(user),
      password: password === undefined ? undefined : decodeURIComponent(password),
      ssl
    }
    if (address.database === "") return "it names no database"
    if (!(address.port >= 1 && address.port <= 65_535)) return "its port is not a number from 1 to 65535"
    return address.host.includes(",") ? "it names several hosts, and a start is on one" : address
  } catch {
    return "a % in it is not followed by two hexadecimal digits"
  }
}

/** No @ but the one behind user and password: the rest of the URL is shown, and must hold no part of a password. */
const pattern =
  /^postgres(?:ql)?:\/\/(?:(?<user>[^:@/?]*)(?::(?<password>[^@/?]*))?@)?(?<host>\[[^\]]*\]|[^:/?[\]@]*)(?::(?<port>\d+))?(?:\/(?<database>[^/?@]*))?(?:\?(?<parameters>[^@]*))?$/

/** Those that people bring along from there (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS). */
const ofLibpq: ReadonlySet<string> = new Set(
  "application_name channel_binding client_encoding connect_timeout dbname gssencmode hostaddr keepalives options passfile password requiressl schema service sslcert sslcompression sslkey sslrootcert target_session_attrs user".split(
    " "
  )
)

/** As libpq means them (https://www.postgresql.org/docs/current/libpq-ssl.html). Its `prefer` and `allow` promise nothing. */
const sslModes: ReadonlyMap<string, Address["ssl"]> = new Map<string, Address["ssl"]>([
  ["disable", false],
  ["require", { rejectUnauthorized: false }],
  ["verify-ca", { checkServerIdentity: () => undefined }],
  ["verify-full", {}]
])

/** For people: where it is, never with the password. */
export const describeAddress = ({ database, host, port }: Address): string =>
  host.startsWith("/") ? `postgres://${host}:${port}/${database}` : `postgres://${bracketed(host)}:${port}/${database}`

const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host)
