/** Starts of one PostgreSQL database from six hosts, and what happens to hosts, lines and server. HOSTS=all is the long form. */
import { existsSync, writeFileSync } from "node:fs"
import { networkInterfaces } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { hasPostgres } from "../postgres/cluster.ts"
import { ask, contentsOf, until } from "../postgres/databases.ts"
import { closed, ends, isSleeping, migrations, open, opened, readyOf, sleeping } from "../postgres/gate.ts"
import { program, type Running } from "../support/program.ts"
import { type HostName, hostNames, killedRun, type Network, noHosts, sixHosts } from "./network.ts"
import { type Server, serverOn } from "./server.ts"

const why = noHosts ?? (hasPostgres ? undefined : "no PostgreSQL")
const hosts = it.scopedLive.skipIf(why !== undefined)
const long = it.scopedLive.skipIf(why !== undefined || process.env["HOSTS"] !== "all")
/** PGBOUNCER names its program. */
const pooler = process.env["PGBOUNCER"]
const pooled = it.scopedLive.skipIf(why !== undefined || pooler === undefined || process.env["HOSTS"] !== "all")
const ofPooler = pooler === undefined ? " (skipped: no PgBouncer)" : ""
const skipped = why === undefined ? "" : ` (skipped: ${why})`

/** Six hosts, a server on one of them, and the folder of the program on all. */
const six = Effect.gen(function* () {
  const network = yield* sixHosts
  return { network, server: serverOn(network, "database"), cwd: yield* migrations }
})

const init = (
  network: Network,
  name: HostName,
  { url }: Pick<Server, "url">,
  cwd: string,
  ...more: ReadonlyArray<string>
): Running => network.spawnOn(name, cwd, program, "init", "--database", url(), ...more)

const allReady = (starters: ReadonlyArray<Running>, url: string) =>
  Effect.gen(function* () {
    const applied = yield* Effect.forEach(starters, (one) => Effect.flatMap(ends(one), (ended) => readyOf(url, ended)))
    assert.deepStrictEqual(applied.flat().toSorted(), ["001", "002", "003"])
  })

const nobodyHasEnded = (starters: ReadonlyArray<Running>) =>
  assert.isTrue(
    starters.every(({ process }) => process.exitCode === null),
    "nobody is ready early"
  )

/** Asks a watcher, one question at a time, and gives its answer. */
const answersOf = ({ process }: Running) =>
  Effect.sync(() => {
    const lines = createInterface(process.stdout ?? assert.fail())
    return Effect.async<string>((resume) => {
      lines.once("line", (line) => resume(Effect.succeed(line)))
      process.stdin?.write("\n")
    })
  })

/** The other hosts, which only ask. */
const clients = hostNames.filter((name) => name !== "database")

describe(`six hosts${skipped}`, () => {
  hosts("concurrent initialization from multiple VMs: all are ready, none early, each migration is applied once", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      const url = server.beside()
      yield* closed(url)
      const starters = hostNames.map((name) => init(network, name, server, cwd, "--json"))
      yield* until(isSleeping(url))
      nobodyHasEnded(starters)
      yield* open(url)
      yield* allReady(starters, url)
    })
  )

  hosts("a host that loses its power while it migrates is followed by another within ten seconds", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      const url = server.beside()
      yield* closed(url)
      init(network, "backend", server, cwd)
      yield* until(isSleeping(url))
      const [ghost] = yield* ask(url, sleeping)
      const next = init(network, "npu", server, cwd)
      // Who waits learns on which host somebody migrates.
      yield* Effect.promise(() => next.says(/the lock is held by process \d+ \(database-ready backend \d+\)/))
      network.pullCable("backend")
      network.powerOff("backend")
      // Its server had heard from it until then, and has nobody now who would tell it.
      yield* until(isSleeping(url, ghost?.pid)).pipe(Effect.timeout("10 seconds"))
      yield* open(url)
      const { code, stderr, stdout } = yield* ends(next)
      assert.strictEqual(code, 0, stderr)
      assert.match(stdout, /ready .* schema 003/)
      assert.deepStrictEqual(yield* ask(url, "SELECT count(*)::int AS rows FROM schema_migrations"), [{ rows: 3 }])
    })
  )

  long("the database restarts in the middle: a start that waits or migrates goes on", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      const url = server.beside()
      yield* closed(url)
      const starters = clients.map((name) => init(network, name, server, cwd, "--json"))
      yield* until(isSleeping(url))
      for (const mode of ["fast", "immediate"] as const) {
        server.stop(mode)
        server.start()
        yield* until(isSleeping(url))
        assert.deepStrictEqual(yield* ask(url, "SELECT relname FROM pg_class WHERE relname = 'slow'"), [])
      }
      nobodyHasEnded(starters)
      yield* open(url)
      yield* allReady(starters, url)
    })
  )

  long("the database is stopped, or its host is gone: each start says so and ends with 75", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      server.stop()
      const asking = (name: HostName) => ends(init(network, name, server, cwd, "--timeout", "3s"))
      const stopped = yield* Effect.all(clients.map(asking), { concurrency: 2 })
      network.pullCable("database")
      const gone = yield* Effect.all(clients.map(asking), { concurrency: 2 })
      assert.deepStrictEqual(
        [...stopped, ...gone].map(({ code }) => code),
        [...clients, ...clients].map(() => 75)
      )
      for (const { stderr } of stopped) assert.match(stderr, /cannot be reached \(ECONNREFUSED/)
      for (const { stderr } of gone) assert.match(stderr, /directory stage/)
      // With the cable back the next start needs nobody.
      network.plugIn("database")
      server.start()
      yield* opened(server.beside())
      assert.strictEqual((yield* ends(init(network, "npu", server, cwd))).code, 0)
    })
  )

  long("the database's disk is full: a start is refused and changes nothing, and the next one is ready", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      const url = server.beside()
      yield* opened(url)
      assert.strictEqual((yield* ends(init(network, "npu", server, cwd))).code, 0)
      const much = "CREATE TABLE much AS SELECT repeat(md5(n::text), 60) AS text FROM generate_series(1, 20000) AS n;"
      writeFileSync(join(cwd, "migrations/004_much.sql"), much)
      const used = Number(network.runOnLan("df", "--output=used", "/mnt").split("\n")[1])
      const sized = (kilobytes: number) => network.runOnLan("mount", "-o", `remount,size=${kilobytes}k`, "/mnt")
      sized(used + 8 * 1024)
      const before = yield* contentsOf(url)
      const full = yield* ends(init(network, "ai", server, cwd))
      assert.strictEqual(full.code, 74, full.stderr)
      assert.match(full.stderr, /53100: could not extend file .*: No space left on device/)
      assert.deepStrictEqual(yield* contentsOf(url), before)
      sized(used + 512 * 1024)
      assert.strictEqual((yield* ends(init(network, "browser", server, cwd))).code, 0)
    })
  )

  long("a standby is promoted: starts wait for it, and programs go on; another database in its place is refused", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      yield* opened(server.beside())
      assert.strictEqual((yield* ends(init(network, "npu", server, cwd))).code, 0)
      const standby = serverOn(network, "ai", { of: server })
      const watcher = join(import.meta.dirname, "watcher.mjs")
      const watching = network.spawnOn("backend", cwd, watcher, server.url(), "migrations")
      yield* Effect.promise(() => watching.says(/ready 003/, "stdout"))
      const health = yield* answersOf(watching)
      assert.strictEqual(yield* health, "healthy 003")

      network.pullCable("database")
      network.powerOff("database")
      assert.match(yield* health, /^not ready (ConnectionError Lost|TimeoutException )$/)
      network.takeOver("ai", "database")
      const starters = (["frontend", "npu", "browser"] as const).map((name) => init(network, name, server, cwd))
      for (const { says } of starters) yield* Effect.promise(() => says(/takes no writes \(it is a standby\)/))
      nobodyHasEnded(starters)
      standby.promote()
      for (const one of starters) assert.strictEqual((yield* ends(one)).code, 0)
      // It is the same database: what was written is there.
      yield* Effect.repeat(health, { until: (said) => said === "healthy 003" })

      standby.stop()
      const another = serverOn(network, "ai", { folder: "another" })
      yield* opened(another.beside())
      assert.strictEqual((yield* ends(init(network, "npu", another, cwd))).code, 0)
      yield* Effect.repeat(health, { until: (said) => said === "not ready ConnectionError Replaced" })
    })
  )

  long("a slow line that drops packets, and a loose plug: all are ready, and each migration is applied once", () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      const url = server.beside()
      // What does not fit into three packets is dropped.
      network.runOn(
        "database",
        ...["tc", "qdisc", "add", "dev", "eth0", "root", "tbf"],
        ...["rate", "256kbit", "burst", "1600", "limit", "4500"]
      )
      yield* closed(url)
      const starters = clients.flatMap((name) => [name, name]).map((name) => init(network, name, server, cwd, "--json"))
      yield* until(isSleeping(url))
      const loose = Effect.sync(() => network.pullCable("database")).pipe(
        Effect.zipRight(Effect.sleep("300 millis")),
        Effect.zipRight(Effect.sync(() => network.plugIn("database"))),
        Effect.zipRight(Effect.sleep("700 millis"))
      )
      yield* Effect.repeatN(loose, 7)
      yield* open(url)
      yield* allReady(starters, url)
      const dropped = /dropped (\d+)/.exec(network.runOn("database", "tc", "-s", "qdisc", "show", "dev", "eth0"))
      assert.isAbove(Number(dropped?.[1]), 0)
    })
  )

  pooled(`a pooler on a host between: a start through it is refused by name, and one past it is ready${ofPooler}`, () =>
    Effect.gen(function* () {
      const { cwd, network, server } = yield* six
      yield* opened(server.beside())
      const before = yield* contentsOf(server.beside())
      const settings = [
        "[databases]\n* = host=database user=owner",
        "[pgbouncer]\nlisten_addr=*\nlisten_port=6432\nauth_type=any\npool_mode=transaction\n"
      ]
      writeFileSync(network.pathOf("pgbouncer.ini"), settings.join("\n"))
      // It does not run as root either.
      const command = ["unshare", "--user", "--map-user=65534", pooler ?? "", "/mnt/pgbouncer.ini"] as const
      const between = network.startOn("ai", {}, ...command)
      yield* Effect.promise(() => between.says(/process up/))
      const through = { url: () => "postgres://owner@ai:6432/postgres" }
      const refused = yield* ends(init(network, "npu", through, cwd))
      assert.strictEqual(refused.code, 64, refused.stderr)
      assert.match(refused.stderr, /remedy .*the URL of the server itself/)
      assert.deepStrictEqual(yield* contentsOf(server.beside()), before)
      assert.strictEqual((yield* ends(init(network, "npu", server, cwd))).code, 0)
    })
  )

  hosts("are gone with a test run that is killed, and are never seen on the machine", () =>
    Effect.gen(function* () {
      const before = Object.keys(networkInterfaces())
      const { kill, pids } = yield* killedRun
      assert.deepStrictEqual(Object.keys(networkInterfaces()), before)
      assert.isTrue(pids.every((pid) => existsSync(`/proc/${pid}`)))
      kill()
      yield* until(Effect.sync(() => pids.every((pid) => !existsSync(`/proc/${pid}`))))
    })
  )
})
