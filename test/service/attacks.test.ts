/**
 * Attacks on a real process while a good user works, and another process probes `/livez`. `ATTACKS=all` is the long
 * form, which also prints how long probes waited; `ATTACK=<part of a name>` takes some of the attacks.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { text } from "node:stream/consumers"
import { gzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import type Sqlite from "better-sqlite3"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { fileForm } from "../../src/service/Client.ts"
import { runningBackend } from "../support/backend.ts"
import { independently, rowsOf, temporaryFolder } from "../support/database.ts"
import { tokenOf } from "../support/service.ts"

const isLong = process.env["ATTACKS"] === "all"
const chosen = process.env["ATTACK"] ?? ""
const times = isLong ? 10 : 1
/** An attack goes on at least so long (ms): what it does to the 99th percentile needs some hundred probes. */
const shortest = isLong ? 5000 : 0

const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` })
const asBob = `Authorization: Bearer ${tokenOf("bob")}\r\n`

/** A connection that is read from only when told to; closed with the scope. */
const opened = (port: number) =>
  Effect.acquireRelease(
    Effect.async<Socket>((resume) => {
      const socket = connect(port, "127.0.0.1")
      socket.on("error", () => undefined)
      socket.once("connect", () => resume(Effect.succeed(socket)))
      socket.once("close", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

const many = (count: number) => Array.from({ length: count * times }, (_, n) => n)

/** Each on its own connection, all held for a second. */
const onMany = (port: number, count: number, text: (n: number) => string) =>
  Effect.forEach(many(count), (n) =>
    Effect.map(opened(port), (socket) => {
      socket.resume().write(text(n))
    })
  ).pipe(Effect.zipRight(Effect.sleep("1 second")))

const asked = (url: string, init: RequestInit) =>
  Effect.promise(() =>
    fetch(url, init).then(
      (response) => response.arrayBuffer().then(() => response.status),
      () => 0
    )
  )

type Attack = (port: number) => Effect.Effect<unknown, never, Scope.Scope>

const form = `--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n`
const uploading = (more: string) =>
  `POST /api/sessions/bobs/files HTTP/1.1\r\nHost: x\r\n${asBob}Content-Type: multipart/form-data; boundary=X\r\n${more}\r\n\r\n`

const attacks: Readonly<Record<string, Attack>> = {
  "metrics, asked 1,800 times on one connection": (port) =>
    onMany(port, 2 / times, () => "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1800)),
  "probes, asked 1,800 times on one connection": (port) =>
    onMany(port, 2 / times, () => "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1800)),
  "odd methods and paths": (port) =>
    Effect.forEach(many(300), (n) => asked(`http://127.0.0.1:${port}/odd/${n}`, { method: `ODD${n}` }), {
      concurrency: 20
    }),
  "wrong tokens": (port) =>
    Effect.forEach(
      many(500),
      (n) => asked(`http://127.0.0.1:${port}/api/files`, { headers: { authorization: `Bearer wrong-${n}` } }),
      { concurrency: 20 }
    ),
  "connections that say nothing": (port) => onMany(port, 300, () => ""),
  "heads that never end": (port) => onMany(port, 300, () => "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
  "giant heads": (port) => onMany(port, 50, () => `GET / HTTP/1.1\r\nHost: x\r\nX-Giant: ${"x".repeat(100_000)}`),
  "bodies that never end": (port) => onMany(port, 20, () => `${uploading("Content-Length: 100000")}${form}`),
  "bodies in chunks of one byte": (port) =>
    onMany(port, 10 / times, () => `${uploading("Transfer-Encoding: chunked")}${"1\r\n-\r\n".repeat(100_000)}`),
  "uploads that wait to be told to go on": (port) =>
    onMany(port, 20, () => uploading("Expect: 100-continue\r\nContent-Length: 100000")),
  "uploads that are broken off": (port) =>
    Effect.forEach(
      many(200),
      () =>
        Effect.scoped(
          Effect.flatMap(opened(port), (socket) =>
            Effect.async<void>((resume) => {
              socket.write(`${uploading("Content-Length: 1000000")}${form}${"x".repeat(100_000)}`, () =>
                resume(Effect.void)
              )
            })
          )
        ),
      { concurrency: 10 }
    ),
  "thousands of ranges": (port) =>
    Effect.forEach(
      many(50),
      () =>
        asked(`http://127.0.0.1:${port}/api/files/none/content`, {
          headers: { ...bearer("bob"), range: `bytes=${Array.from({ length: 2000 }, (_, n) => `${n}-`).join(",")}` }
        }),
      { concurrency: 5 }
    ),
  "bodies that are compressed a thousand times": (port) =>
    Effect.forEach(
      many(20),
      () =>
        asked(`http://127.0.0.1:${port}/api/sessions/bobs/texts`, {
          method: "POST",
          headers: { ...bearer("bob"), "content-type": "application/json", "content-encoding": "gzip" },
          body: new Uint8Array(gzipSync(Buffer.alloc(50_000_000)))
        }),
      { concurrency: 2 }
    ),
  "searches for names that nobody has, among thousands": (port) =>
    Effect.forEach(
      many(60),
      (n) => asked(`http://127.0.0.1:${port}/api/files?name=nothing-${n}`, { headers: bearer("bob") }),
      { concurrency: 30 }
    ),
  "numbers and plans of thousands of files": (port) =>
    Effect.forEach(
      many(20),
      (n) =>
        asked(`http://127.0.0.1:${port}/api/${n % 2 === 0 ? "storage" : `cleanups?limit=200&n=${n}`}`, {
          headers: bearer("bob")
        }),
      { concurrency: 10 }
    ),
  "the deletion of a session with thousands of files": (port) =>
    asked(`http://127.0.0.1:${port}/api/sessions/large/files`, { method: "DELETE", headers: bearer("bob") }),
  "a session with thousands of planned deletions that is given away again and again": (port) =>
    Effect.forEach(many(6), (n) =>
      asked(`http://127.0.0.1:${port}/api/sessions/planned/owner`, {
        method: "PUT",
        headers: { ...bearer("root"), "content-type": "application/json" },
        body: JSON.stringify({ owner: n % 2 === 0 ? "alice" : "bob" })
      })
    ),
  "thousands of keys of metadata": (port) =>
    Effect.forEach(
      many(20),
      () =>
        asked(`http://127.0.0.1:${port}/api/sessions/bobs/files`, {
          method: "POST",
          headers: bearer("bob"),
          body: fileForm("a", "a", {
            metadata: Object.fromEntries(Array.from({ length: 6000 }, (_, n) => [`k${n}`, ""]))
          })
        }),
      { concurrency: 5 }
    )
}

/**
 * Sessions of the attacker with many files, of which half are deleted. The largest has ended, and the others in it have
 * an expiry of their own.
 */
const filledBy = (connection: Sqlite.Database) => {
  connection.exec(`
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${isLong ? 80_000 : 4000})
    INSERT INTO conversation_files
      (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at, is_deleted)
    SELECT 'of-bob-' || n, iif(n % 4 = 0, 'small' || n, iif(n % 4 = 1, 'planned', 'large')), 'name ' || n,
      's' || n, 'p', 1, 'h' || n, strftime('%Y-%m-%d %H:%M:%f', 'now'), n % 2 FROM n;
    INSERT INTO session_owners (session_id, owner)
    SELECT session_id, 'bob' FROM session_summaries
    WHERE session_id IN ('large', 'planned') OR session_id LIKE 'small%';
    INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
    SELECT file_id, session_id, strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day'), 'user_request' FROM conversation_files
    WHERE is_deleted = 1;
    INSERT INTO file_expiries (file_id, expires_at) SELECT file_id, '2100-01-01 00:00:00' FROM conversation_files
    WHERE session_id = 'large' AND is_deleted = 0;
    INSERT INTO ended_sessions (session_id, ended_at, expires_at)
    VALUES ('large', '2026-01-01 00:00:00', strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 day'))`)
}

/** What a user does all day; returns what was not answered correctly. */
const goodUser = (url: string, failures: Array<string>) =>
  Effect.gen(function* () {
    const headers = bearer("alice")
    const content = randomBytes(20_000)
    const uploaded = yield* Effect.promise(async () => {
      const response = await fetch(`${url}/api/sessions/alices/files`, {
        method: "POST",
        headers,
        body: fileForm("a.bin", content)
      })
      if (response.status !== 201) failures.push(`upload: ${response.status}`)
      return Object((await response.json()) ?? {})
    })
    for (const [path, length] of [
      [`/api/files/${String(uploaded.fileId)}/content`, content.length],
      ["/api/sessions/alices/files?limit=5", undefined],
      ["/api/files?name=a&limit=5", undefined]
    ] as const) {
      yield* Effect.promise(async () => {
        const response = await fetch(url + path, { headers })
        const body = await response.arrayBuffer()
        if (response.status !== 200) failures.push(`${path}: ${response.status}`)
        else if (length !== undefined && body.byteLength !== length) failures.push(`${path}: ${body.byteLength} bytes`)
      })
    }
  }).pipe(
    Effect.catchAllCause((cause) => Effect.sync(() => failures.push(String(cause)))),
    Effect.zipRight(Effect.sleep("20 millis")),
    Effect.forever
  )

/** What the prober saw: how long each answer took, and by how much its own event loop was late meanwhile (ms). */
const Seen = Schema.parseJson(
  Schema.Struct({
    probes: Schema.Array(Schema.Struct({ waited: Schema.Number, late: Schema.Number })),
    failures: Schema.Array(Schema.String)
  })
)

/** Probes from a process of its own. Returns when the first probe is answered; the inner effect ends it. */
const probing = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ChildProcessByStdio<Writable, Readable, null>>((resume) => {
        const prober = spawn(process.execPath, [join(import.meta.dirname, "../support/prober.mjs"), `${url}/livez`], {
          stdio: ["pipe", "pipe", "inherit"]
        })
        prober.stdout.once("data", () => resume(Effect.succeed(prober)))
      }),
      (prober) => Effect.sync(() => prober.kill("SIGKILL"))
    ),
    (prober) =>
      Effect.promise(async () => {
        prober.stdin.end()
        return Schema.decodeUnknownSync(Seen)(await text(prober.stdout))
      })
  )

/** A wait during which the prober itself was late by so much (ms) says nothing about the service. */
const tolerable = 2

const rssOf = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024)

/** How long the service's main thread has waited for a processor since it began (ms); Linux tells it. */
const starvedOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6

const quantile = (values: ReadonlyArray<number>, share: number): string =>
  ([...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN).toFixed(1)

describe("a good user and the probes", () => {
  it.scopedLive(
    "are answered under every attack, and the memory of the service stays bounded",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const backend = yield* runningBackend({
          DATA_DIRECTORY: folder,
          API_TOKENS: ["alice", "bob", "root"]
            .map((name) => `${name}:${tokenOf(name)}${name === "root" ? ":administrator" : ""}`)
            .join(",")
        })
        const { url } = backend
        yield* independently(join(folder, "conversation_files.db"), filledBy)
        const port = Number(new URL(url).port)
        const pid = backend.process.pid ?? 0
        const wrong: Array<string> = []
        const table: Array<string> = []
        for (const [name, attack] of Object.entries(attacks).filter(([name]) => name.includes(chosen))) {
          const failures: Array<string> = []
          const before = rssOf(pid)
          const begun = { at: performance.now(), starved: starvedOf(pid) }
          const probes = yield* Effect.scoped(
            Effect.gen(function* () {
              const endProbing = yield* probing(url)
              const user = yield* Effect.fork(goodUser(url, failures))
              yield* Effect.sleep("100 millis")
              const end = performance.now() + shortest
              yield* Effect.scoped(attack(port)).pipe(Effect.repeat({ while: () => performance.now() < end }))
              yield* Effect.sleep("100 millis")
              yield* Fiber.interrupt(user)
              const seen = yield* endProbing
              failures.push(...seen.failures)
              return seen.probes
            })
          )
          const starved = (starvedOf(pid) - begun.starved) / (performance.now() - begun.at)
          const late = probes.map((probe) => probe.late)
          const waits = probes.filter((probe) => probe.late <= tolerable).map(({ waited }) => waited)
          const after = rssOf(pid)
          const open = readdirSync(`/proc/${pid}/fd`).length
          table.push(
            `| ${name} | ${waits.length} of ${probes.length} | ${quantile(waits, 0.5)} | ${quantile(waits, 0.99)} | ${quantile(waits, 1)} | ${quantile(late, 0.99)} | ${(100 * starved).toFixed(0)} % | ${before} | ${after} |`
          )
          if (failures.length > 0) wrong.push(`${name}: ${failures.length} failures, the first: ${failures[0]}`)
          if (after - before > 300) wrong.push(`${name}: from ${before} to ${after} MiB`)
          if (open > 1100) wrong.push(`${name}: ${open} descriptors`)
        }
        if (isLong) {
          yield* Console.log(
            [
              "| attack | probes | p50 ms | p99 ms | max ms | p99 ms by which the prober was late | time the service waited for a processor | RSS before, MiB | after |",
              ...table
            ].join("\n")
          )
        }
        assert.deepStrictEqual(wrong, [])
        const [rows] = yield* rowsOf(join(folder, "conversation_files.db"), "SELECT count(*) AS count FROM refusals")
        assert.isBelow(Number(Object(rows).count), 100 * (isLong ? 60 : 10))
      }),
    isLong ? 1_800_000 : 300_000
  )
})
