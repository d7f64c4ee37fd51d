/** A real PostgreSQL on one of the six hosts. */
import { appendFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { programs } from "../postgres/cluster.ts"
import { urlOf } from "../postgres/databases.ts"
import { addressOf, type HostName, type Network } from "./network.ts"

export interface Server {
  readonly host: HostName
  /** Of a database, as the other hosts reach it, by the name of its host. */
  readonly url: (database?: string) => string
  /** The same through its socket: it answers whatever happens to the network. */
  readonly beside: (database?: string) => string
  readonly start: () => void
  /** Waits for nobody: clients are thrown out. `immediate` is as if its power was lost. */
  readonly stop: (mode?: "fast" | "immediate") => void
  /** Makes a standby a server that takes writes. */
  readonly promote: () => void
}

/** PostgreSQL refuses to run as root. In a user namespace of its own the same user has another number. */
const asAnother = ["--user", "--map-user=65534", "--map-group=65534"]

/** A new one, or the copy of another that is stopped meanwhile: it follows that one, until it is promoted. */
export const serverOn = (network: Network, host: HostName, { folder = host, of }: Options = {}): Server => {
  const data = `/mnt/${folder}/data`
  const sockets = `/mnt/${folder}/sockets`
  const run = (program: string, ...args: ReadonlyArray<string>) =>
    network.runOn(host, "unshare", ...asAnother, join(programs() ?? "", program), ...args)
  network.runOn(host, "mkdir", "-p", sockets)
  if (of === undefined) {
    run("initdb", "--pgdata", data, "--username", "owner", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
    const everybody = ["all", "replication"].map((what) => `host ${what} all 10.77.0.0/24 trust\n`)
    appendFileSync(network.pathOf(`${folder}/data/pg_hba.conf`), everybody.join(""))
  } else {
    // pg_basebackup would do it without a stop; the server of the npm registry comes without.
    of.stop()
    network.runOn(host, "cp", "--archive", `/mnt/${of.host}/data`, data)
    of.start()
    writeFileSync(network.pathOf(`${folder}/data/standby.signal`), "")
    const follow = `primary_conninfo = 'host=${addressOf(of.host)} user=owner'\n`
    appendFileSync(network.pathOf(`${folder}/data/postgresql.auto.conf`), follow)
  }
  const settings = { fsync: "off", listen_addresses: "'*'", unix_socket_directories: sockets }
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  const log = `/mnt/${folder}/log`
  const server: Server = {
    host,
    url: (database = "postgres") => `postgres://owner@${host}/${database}`,
    beside: (database = "postgres") => urlOf(network.pathOf(`${folder}/sockets`), database),
    start: () => void run("pg_ctl", "start", "--wait", "--pgdata", data, "--log", log, "--options", options.join(" ")),
    stop: (mode = "fast") => void run("pg_ctl", "stop", "--wait", "--pgdata", data, "--mode", mode),
    promote: () => void run("pg_ctl", "promote", "--wait", "--pgdata", data)
  }
  server.start()
  return server
}

interface Options {
  /** Its folder in the hosts' memory. Default: the name of its host. */
  readonly folder?: string
  readonly of?: Server
}
