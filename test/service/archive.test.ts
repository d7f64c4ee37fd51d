/** Files of a session as one archive, created while it is sent. */
import { createHash } from "node:crypto"
import { truncateSync, unlinkSync, writeFileSync } from "node:fs"
import { type IncomingMessage, request } from "node:http"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { archiveNames } from "../../src/service/archiveNames.ts"
import { fileForm } from "../../src/service/Client.ts"
import { unsigned, unsignedByTable } from "../../src/service/crc32.ts"
import { execute, independently, openDescriptors, rowOf, rowsOf } from "../support/database.ts"
import { accounts, jsonOf, onlySqlite, serving, tokenOf } from "../support/service.ts"
import { entriesOfZip } from "../support/zip.ts"

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex")
const pathOf = (folder: string, content: string) => join(folder, "files", sha256(content).slice(0, 2), sha256(content))

const upload = (sessionId: string, name: string, content: string, type = "text/plain") => ({
  path: { sessionId },
  payload: fileForm(name, content, { type })
})
const of = (sessionId: string, fileIds?: ReadonlyArray<string>) => ({
  path: { sessionId },
  payload: fileIds === undefined ? {} : { fileIds }
})
const namesAndTexts = (zip: Uint8Array) => entriesOfZip(zip).map(({ name, text }) => [name, text])

/** The begun answer; nothing of its body is read before that is asked for. */
const begun = (url: string) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<IncomingMessage>((resolve, reject) => {
          const asked = request(url, { method: "POST", agent: false, headers: { "content-type": "application/json" } })
          asked.once("response", resolve).once("error", reject).end("{}")
        })
    ),
    (response) => Effect.sync(() => response.destroy())
  )

const ended = (response: IncomingMessage) =>
  Effect.async<{ readonly bytes: Buffer; readonly isWhole: boolean }>((resume) => {
    const chunks: Array<Buffer> = []
    response.on("data", (chunk: Buffer) => chunks.push(chunk))
    response.on("error", () => undefined)
    response.once("close", () => resume(Effect.succeed({ bytes: Buffer.concat(chunks), isWhole: response.complete })))
  })

const eventually = <A>(look: Effect.Effect<A>, holds: (value: A) => boolean): Effect.Effect<A> =>
  Effect.flatMap(Effect.delay(look, "10 millis"), (value) =>
    holds(value) ? Effect.succeed(value) : eventually(look, holds)
  )

const downloads = (file: string) =>
  rowsOf(file, "SELECT file_id FROM file_access_log WHERE access_type = 'download' ORDER BY log_id")

describe("the checksum of archives", () => {
  it("is CRC-32, also of bytes in pieces, and on Node.js versions without one", () => {
    const bytes = Buffer.from("123456789")
    for (const sum of [unsigned, unsignedByTable]) {
      // The check value of CRC-32/ISO-HDLC.
      assert.strictEqual(sum(bytes), 0xcbf43926)
      assert.strictEqual(sum(bytes.subarray(4), sum(bytes.subarray(0, 4))), 0xcbf43926)
    }
  })
})

describe("an archive", () => {
  it.scopedLive("has the files of a session that are not deleted, or those that are named, with their times", () =>
    Effect.gen(function* () {
      const { ask, client, file } = yield* serving()
      const one = yield* client.files.upload(upload("s1", "größe 😀.txt", "Grüße"))
      const two = yield* client.files.upload(upload("s1", "two.bin", "\u0000\u0001", "application/octet-stream"))
      const empty = yield* client.files.upload(upload("s1", "empty.txt", ""))
      const gone = yield* client.files.upload(upload("s1", "gone.txt", "gone"))
      const other = yield* client.files.upload(upload("s2", "other.txt", "other"))
      yield* client.files.delete({ path: gone })

      const response = yield* ask("/api/sessions/s1/archive", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}"
      })
      assert.deepStrictEqual(
        ["content-type", "content-disposition", "cache-control", "content-encoding"].map((name) =>
          response.headers.get(name)
        ),
        ["application/zip", 'attachment; filename="s1.zip"', "no-store", null]
      )
      const entries = entriesOfZip(new Uint8Array(yield* Effect.promise(() => response.arrayBuffer())))
      assert.deepStrictEqual(
        entries.map(({ name, text }) => [name, text]),
        [
          ["größe 😀.txt", "Grüße"],
          ["two.bin", "\u0000\u0001"],
          ["empty.txt", ""]
        ]
      )
      for (const { isUtf8 } of entries) assert.isTrue(isUtf8)
      assert.strictEqual(entries[0]?.modified, Math.floor(Date.parse(one.uploadedAt ?? "") / 1000))
      yield* eventually(downloads(file), (rows) => rows.length === 3)
      assert.deepStrictEqual(
        (yield* downloads(file)).map((row) => Object(row).file_id),
        [one.fileId, two.fileId, empty.fileId]
      )

      const some = yield* client.streams.archive(of("s1", [two.fileId, two.fileId]))
      assert.deepStrictEqual(namesAndTexts(some), [["two.bin", "\u0000\u0001"]])
      const missing = yield* Effect.flip(client.streams.archive(of("s1", [two.fileId, other.fileId])))
      assert.deepInclude(missing, { _tag: "FileNotFound", fileId: other.fileId })
      const deleted = yield* Effect.flip(client.streams.archive(of("s1", [two.fileId, gone.fileId])))
      assert.deepInclude(deleted, { _tag: "FileDeleted", fileId: gone.fileId })
      assert.deepStrictEqual(namesAndTexts(yield* client.streams.archive(of("nobodys"))), [])
    })
  )

  it.scopedLive("is only for users of the session", () =>
    Effect.gen(function* () {
      const { clientOf } = yield* serving({ accounts })
      const alice = yield* clientOf(tokenOf("alice"))
      const bob = yield* clientOf(tokenOf("bob"))
      const root = yield* clientOf(tokenOf("root"))
      const { fileId } = yield* alice.files.upload(upload("s1", "a.txt", "a"))
      yield* bob.files.upload(upload("s2", "b.txt", "b"))
      assert.strictEqual((yield* Effect.flip(bob.streams.archive(of("s1"))))._tag, "Forbidden")
      // Another user's file does not exist under one's own session.
      assert.strictEqual((yield* Effect.flip(bob.streams.archive(of("s2", [fileId]))))._tag, "FileNotFound")
      assert.strictEqual(entriesOfZip(yield* root.streams.archive(of("s1"))).length, 1)
    })
  )

  it.scopedLive.skipIf(onlySqlite("damages files of the disk"))(
    "lists what is not on the disk as it was stored, and has all the rest",
    () =>
      Effect.gen(function* () {
        const { client, folder } = yield* serving()
        const ids: Record<string, string> = {}
        for (const name of ["sound", "absent", "short", "other"]) {
          ids[name] = (yield* client.files.upload(upload("s1", `${name}.txt`, `${name}!`))).fileId
        }
        yield* client.files.upload(upload("s1", "MISSING.txt", "mine"))
        unlinkSync(pathOf(folder, "absent!"))
        truncateSync(pathOf(folder, "short!"), 2)
        writeFileSync(pathOf(folder, "other!"), "0ther!")
        const entries = Object.fromEntries(namesAndTexts(yield* client.streams.archive(of("s1"))))
        assert.hasAllKeys(entries, ["sound.txt", "other.txt", "MISSING (2).txt", "MISSING.txt"])
        assert.deepStrictEqual([entries["sound.txt"], entries["MISSING (2).txt"]], ["sound!", "mine"])
        assert.deepStrictEqual(String(entries["MISSING.txt"]).split("\n").slice(2, -1), [
          `absent.txt: missing (${ids["absent"]})`,
          `short.txt: damaged (${ids["short"]})`,
          `other.txt: damaged (${ids["other"]})`
        ])
      })
  )

  it.scopedLive.skipIf(onlySqlite("stores a name with U+0000 and a time that is none"))(
    "has each name once, and none that leads out of the folder where it is unpacked",
    () =>
      Effect.gen(function* () {
        const { client, file } = yield* serving()
        const bad = [
          "../../etc/passwd",
          "..",
          "/abs",
          "C:\\x",
          "a\u0000b",
          "con",
          "",
          " x. ",
          "\ud800",
          "a:b",
          "x".repeat(300)
        ]
        const same = ["a.txt", "A.TXT", "a.txt", "a (2).txt", "e\u0301.txt", "\u00e9.txt"]
        const { sha256: hash } = yield* client.files.upload(upload("s1", "first", "x"))
        yield* independently(file, (connection) => {
          const insert = connection.prepare(
            `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at)
           VALUES (?, 's1', ?, ?, 'nowhere', 1, ?, '2020-01-01 00:00:00')`
          )
          for (const [n, name] of [...bad, ...same].entries()) insert.run(`old-${n}`, name, `old-${n}`, hash)
          insert.run("old-time", "time", "old-time", hash)
          connection.exec("UPDATE conversation_files SET uploaded_at = 'yesterday' WHERE file_id = 'old-time'")
        })
        const names = entriesOfZip(yield* client.streams.archive(of("s1"))).map(({ name }) => name)
        assert.strictEqual(names.length, bad.length + same.length + 2)
        assert.strictEqual(new Set(names.map((name) => name.normalize("NFC").toLowerCase())).size, names.length)
        for (const name of names) {
          assert.notMatch(name, /[/\\:\p{Cc}]|^\.*$|^con$|[ .]$/u)
          assert.isAtMost(Buffer.byteLength(name), 255)
        }
      })
  )

  it("numbers equal names before the extension, within 255 bytes", () => {
    const nameOf = archiveNames(["MISSING.txt"])
    const long = `${"ä".repeat(125)}.txt`
    assert.deepStrictEqual(
      ["a.txt", "a.txt", "A.txt", "a (2).txt", "noext", "noext", ".env", ".env", "missing.TXT"].map(nameOf),
      ["a.txt", "a (2).txt", "A (3).txt", "a (2) (2).txt", "noext", "noext (2)", ".env", ".env (2)", "missing (2).TXT"]
    )
    assert.deepStrictEqual([long, long].map(nameOf), [long, `${"ä".repeat(123)} (2).txt`])
  })

  it.scopedLive("is made no faster than it is read, with one content open, and ends when its reader hangs up", () =>
    Effect.gen(function* () {
      const { baseUrl, client, file, folder } = yield* serving({ maxFileSize: 4 * 1024 * 1024 })
      const count = 12
      for (let n = 0; n < count; n += 1) {
        yield* client.files.upload(upload("s1", `${n}.bin`, `${n}`.padEnd(2 * 1024 * 1024, "x"), "image/png"))
      }
      const opened = Effect.map(downloads(file), (rows) => rows.length)
      const contents = Effect.sync(() => openDescriptors(join(folder, "files")))
      const response = yield* begun(`${baseUrl}/api/sessions/s1/archive`)
      // It stands still while nobody reads.
      let before = -1
      yield* eventually(Effect.delay(opened, "300 millis"), (now) => {
        const isStill = now === before && now > 0
        before = now
        return isStill
      })
      assert.isBelow(before, count / 2)
      assert.isAtMost((yield* contents).length, 1)
      response.destroy()
      yield* eventually(contents, (open) => open.length === 0)
      assert.isBelow(yield* opened, count / 2)
      const whole = yield* Effect.flatMap(begun(`${baseUrl}/api/sessions/s1/archive`), ended)
      assert.isTrue(whole.isWhole)
      assert.strictEqual(entriesOfZip(whole.bytes).length, count)
    })
  )

  it.scopedLive.skipIf(onlySqlite("damages files of the disk"))(
    "ends the connection if a file ends too early: nobody takes a part for the whole",
    () =>
      Effect.gen(function* () {
        const { baseUrl, client, folder } = yield* serving({ maxFileSize: 32 * 1024 * 1024 })
        const content = "x".repeat(24 * 1024 * 1024)
        yield* client.files.upload(upload("s1", "a.bin", content, "image/png"))
        const response = yield* begun(`${baseUrl}/api/sessions/s1/archive`)
        truncateSync(pathOf(folder, content), 23 * 1024 * 1024)
        const { isWhole } = yield* ended(response)
        assert.isFalse(isWhole)
        yield* eventually(
          Effect.sync(() => openDescriptors(join(folder, "files"))),
          (open) => open.length === 0
        )
      })
  )

  it.scopedLive("does not wait for its record while another process writes; the record is made afterwards", () =>
    Effect.gen(function* () {
      const { client, file } = yield* serving({ lockPatience: Duration.minutes(10) })
      for (const name of ["a", "b", "c"]) yield* client.files.upload(upload("s1", name, name))
      yield* Effect.acquireUseRelease(
        Effect.sync(() => new Sqlite(file)),
        (other) => {
          other.exec("BEGIN IMMEDIATE")
          return Effect.map(client.streams.archive(of("s1")), (zip) => assert.strictEqual(entriesOfZip(zip).length, 3))
        },
        (other) => Effect.sync(() => other.close())
      )
      yield* eventually(downloads(file), (rows) => rows.length === 3)
    })
  )

  it.scopedLive("has a thousand files at most", () =>
    Effect.gen(function* () {
      const { ask, client, file } = yield* serving()
      const { sha256: hash } = yield* client.files.upload(upload("s1", "first", "x"))
      const insert = (count: number) =>
        execute(
          file,
          `INSERT INTO conversation_files
            (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
            VALUES ${Array.from({ length: count }, (_, n) => {
              const id = `${count}-${n}`
              return rowOf(id, "s1", id, id, "nowhere", 1, hash)
            }).join(", ")}`
        )
      yield* insert(999)
      assert.strictEqual(entriesOfZip(yield* client.streams.archive(of("s1"))).length, 1000)
      yield* insert(1)
      assert.deepInclude(yield* Effect.flip(client.streams.archive(of("s1"))), {
        _tag: "TooManyFiles",
        limitFiles: 1000
      })
      const response = yield* ask("/api/sessions/s1/archive", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}"
      })
      assert.deepStrictEqual([response.status, (yield* jsonOf(response))["_tag"]], [422, "TooManyFiles"])
      // An earlier system may have named a file anything; none has this id.
      for (const [body, status] of [
        ['{"fileIds":[]}', 400],
        ['{"fileIds":[""]}', 400],
        ['{"fileIds":["../x"]}', 404],
        ["{", 400]
      ] as const) {
        const refused = yield* ask("/api/sessions/s1/archive", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body
        })
        assert.strictEqual(refused.status, status, body)
      }
    })
  )
})
