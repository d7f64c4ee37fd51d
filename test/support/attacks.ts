/** What an attacker with or without a token sends, as often as `times` says. */
import { randomUUID } from "node:crypto"
import { connect, type Socket } from "node:net"
import { gzipSync } from "node:zlib"
import type Sqlite from "better-sqlite3"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fileForm } from "../../src/service/Client.ts"
import { tokenOf } from "./service.ts"

export const isLong = process.env["ATTACKS"] === "all"
const times = isLong ? 10 : 1
/** How long connections are held. */
const held = isLong ? "1 second" : "400 millis"

export const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` })
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

/** Each on its own connection, all held for a while. */
const onMany = (port: number, count: number, text: (n: number) => string) =>
  Effect.forEach(many(count), (n) =>
    Effect.map(opened(port), (socket) => {
      socket.resume().write(text(n))
    })
  ).pipe(Effect.zipRight(Effect.sleep(held)))

const asked = (url: string, init: RequestInit) =>
  Effect.promise(() =>
    fetch(url, init).then(
      (response) => response.arrayBuffer().then(() => response.status),
      () => 0
    )
  )

export type Attack = (port: number) => Effect.Effect<unknown, never, Scope.Scope>

/** A file of some megabytes of the attacker's. */
const uploaded = (port: number) =>
  Effect.promise(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/api/sessions/bobs/files`, {
      method: "POST",
      headers: bearer("bob"),
      body: fileForm("a.bin", Buffer.alloc(8_000_000, "a"))
    })
    return String(Object(await response.json()).fileId)
  })

/** Asks on many connections, and reads none of the answers. */
const unread = (port: number, count: number, text: string) =>
  Effect.forEach(many(count), () =>
    Effect.map(opened(port), (socket) => {
      socket.pause().write(text)
    })
  ).pipe(Effect.zipRight(Effect.sleep(held)))

/** 50 MB of nothing. */
const compressed = new Uint8Array(gzipSync(Buffer.alloc(50_000_000)))
const form = `--X\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n`
const uploading = (more: string) =>
  `POST /api/sessions/bobs/files HTTP/1.1\r\nHost: x\r\n${asBob}Content-Type: multipart/form-data; boundary=X\r\n${more}\r\n\r\n`

export const attacks: Readonly<Record<string, Attack>> = {
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
  "thousands of small ranges of one file": (port) =>
    Effect.flatMap(uploaded(port), (fileId) =>
      Effect.forEach(
        many(100),
        (n) =>
          asked(`http://127.0.0.1:${port}/api/files/${fileId}/content`, {
            headers: { ...bearer("bob"), range: `bytes=${n}-${n + 1}` }
          }),
        { concurrency: 30 }
      )
    ),
  "downloads that nobody reads": (port) =>
    Effect.flatMap(uploaded(port), (fileId) =>
      unread(port, 3, `GET /api/files/${fileId}/download HTTP/1.1\r\nHost: x\r\n${asBob}\r\n`)
    ),
  "archives that nobody reads": (port) =>
    Effect.zipRight(
      uploaded(port),
      unread(
        port,
        3,
        `POST /api/sessions/bobs/archive HTTP/1.1\r\nHost: x\r\n${asBob}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`
      )
    ),
  "streams of events that are opened and left again": (port) =>
    Effect.forEach(
      many(100),
      () =>
        Effect.promise(async () => {
          const leaving = new AbortController()
          const url = `http://127.0.0.1:${port}/api/sessions/bobs/events`
          await fetch(url, { headers: bearer("bob"), signal: leaving.signal }).catch(() => undefined)
          leaving.abort()
        }),
      { concurrency: 10 }
    ),
  "hundreds of new sessions": (port) =>
    Effect.forEach(
      many(60),
      () =>
        asked(`http://127.0.0.1:${port}/api/sessions/new-${randomUUID()}/texts`, {
          method: "POST",
          headers: { ...bearer("bob"), "content-type": "application/json" },
          body: JSON.stringify({ name: "a.txt", text: "a" })
        }),
      { concurrency: 20 }
    ),
  "queries of twelve kilobytes": (port) =>
    Effect.forEach(
      many(100),
      (n) =>
        asked(
          `http://127.0.0.1:${port}/api/${n % 2 === 0 ? "files?name=" : "sessions/bobs/search?q="}${`a${n}+`.repeat(2000)}`,
          { headers: bearer("bob") }
        ),
      { concurrency: 20 }
    ),
  "bodies that are compressed a thousand times": (port) =>
    Effect.forEach(
      many(20),
      () =>
        asked(`http://127.0.0.1:${port}/api/sessions/bobs/texts`, {
          method: "POST",
          headers: { ...bearer("bob"), "content-type": "application/json", "content-encoding": "gzip" },
          body: compressed
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
export const filledBy = (connection: Sqlite.Database) => {
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
