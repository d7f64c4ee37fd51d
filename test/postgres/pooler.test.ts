/**
 * Poolers between a program and PostgreSQL: a small one in every run, PgBouncer where PGBOUNCER names its program.
 */
import { spawn } from "node:child_process"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { exitCodeOf, Migrations } from "../../layers/index.ts"
import { DatabaseReady, planDatabase } from "../../layers/postgres.ts"
import { hasPostgres, socketFolder } from "./cluster.ts"
import { ask, clientOn, contentsOf, newDatabase, until, urlOf } from "./databases.ts"
import { pooling } from "./pooler.ts"

const migrations = Migrations.fromRecord({ "001_notes.sql": "CREATE TABLE notes (note text)" })

const refusedOn = (url: string) => Effect.flip(Effect.scoped(Layer.build(DatabaseReady.layer({ url, migrations }))))

/** PgBouncer in front of the server of the tests, with two connections to it. Gives the folder of its socket. */
const bouncing = (folder: string, mode: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const own = mkdtempSync(join(tmpdir(), "pgbouncer-"))
        chmodSync(own, 0o777)
        writeFileSync(
          join(own, "pgbouncer.ini"),
          `[databases]\n* = host=${folder}\n[pgbouncer]\nlisten_port=5432\nunix_socket_dir=${own}\nauth_type=trust\nauth_file=${own}/users\npool_mode=${mode}\ndefault_pool_size=2\nserver_round_robin=1\n`
        )
        writeFileSync(join(own, "users"), '"owner" ""\n')
        const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
        const child = spawn(process.env["PGBOUNCER"] ?? "", ["-q", join(own, "pgbouncer.ini")], {
          cwd: "/",
          stdio: "ignore",
          ...user
        })
        return { child, own }
      }),
      ({ child, own }) =>
        Effect.promise(async () => {
          const ended = new Promise((resolve) => child.once("exit", resolve))
          child.kill("SIGKILL")
          await ended
          rmSync(own, { recursive: true })
        })
    ),
    ({ own }) => own
  )

const refuses = (url: string, pooled: string) =>
  Effect.gen(function* () {
    const before = yield* contentsOf(url)
    const error = yield* refusedOn(pooled)
    assert.deepStrictEqual(
      [error._tag, error.reason, exitCodeOf(error)],
      ["ConnectionError", "PooledConnection", 64],
      error.message
    )
    assert.include(error.remedy, "the URL of the server itself")
    const { obstacle } = yield* planDatabase({ url: pooled, migrations })
    assert.strictEqual(obstacle?.reason, "PooledConnection")
    assert.deepStrictEqual(yield* contentsOf(url), before)
  })

describe.skipIf(!hasPostgres)("a pooler in transaction mode", () => {
  it.scopedLive.each([{ isHidden: false }, { isHidden: true }])(
    "is refused by name, with nothing changed, not for others of its clients either (%o)",
    (options) =>
      Effect.gen(function* () {
        const url = yield* newDatabase
        const [, name = ""] = /\/(\w+)\?/.exec(url) ?? []
        const { folder, transactions } = yield* pooling(yield* Effect.promise(socketFolder), options)
        const pooled = urlOf(folder, name)
        yield* refuses(url, pooled)
        assert.isTrue(
          transactions().every((turns) => turns > 0) && transactions().length === 2,
          "its transactions have gone to both backends"
        )
        // What a session sets stays for the next client of its backend.
        const { sql } = yield* clientOn(pooled, { maxConnections: 1 })
        for (const _ of [1, 2]) {
          const [row] = yield* sql`SELECT current_setting('search_path') AS path, current_setting('TimeZone') AS zone`
          if (!options.isHidden) assert.include(row?.["path"], "$user")
        }
        assert.deepStrictEqual(yield* ask(url, "SELECT FROM pg_locks WHERE locktype = 'advisory'"), [])
      })
  )
})

describe.skipIf(!hasPostgres || process.env["PGBOUNCER"] === undefined)("PgBouncer", () => {
  it.scopedLive.each(["transaction", "session", "statement"])("in %s mode is refused by name", (mode) =>
    Effect.gen(function* () {
      const url = yield* newDatabase
      const [, name = ""] = /\/(\w+)\?/.exec(url) ?? []
      const folder = yield* bouncing(yield* Effect.promise(socketFolder), mode)
      const pooled = urlOf(folder, name)
      yield* until(Effect.map(Effect.option(Effect.sandbox(ask(pooled, "SELECT 1"))), ({ _tag }) => _tag === "Some"))
      yield* refuses(url, pooled)
    })
  )
})
