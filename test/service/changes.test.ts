/** Text files changed in place, files copied and moved. */
import { createHash } from "node:crypto"
import { truncateSync, unlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { execute, rowOf, rowsOf } from "../support/database.ts"
import { accounts, contentsIn, incomingIn, jsonOf, onlySqlite, serving, tokenOf } from "../support/service.ts"

const sha256 = (content: string) => createHash("sha256").update(content).digest("hex")
const tagOf = (content: string) => `"${sha256(content)}"`
const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
const pathOf = (folder: string, content: string) => join(folder, "files", sha256(content).slice(0, 2), sha256(content))

const upload = (sessionId: string, name: string, content: string, options = {}) => ({
  path: { sessionId },
  payload: fileForm(name, content, { type: "text/plain", ...options })
})
const text = (sessionId: string, name: string, content: string, more = {}) => ({
  path: { sessionId },
  payload: { name, text: content, ...more }
})
const replacing = (fileId: string, before: string, payload: string, more = {}) => ({
  path: { fileId },
  headers: { "if-match": tagOf(before), ...more },
  payload
})

const threeUsers = Effect.gen(function* () {
  const at = yield* serving({ accounts })
  return {
    ...at,
    alice: yield* at.clientOf(tokenOf("alice")),
    bob: yield* at.clientOf(tokenOf("bob")),
    root: yield* at.clientOf(tokenOf("root"))
  }
})

/** The maintained counts agree with counting. */
const countsAgree = (file: string) =>
  Effect.gen(function* () {
    assert.deepStrictEqual(
      yield* rowsOf(file, "SELECT session_id, files, bytes FROM session_usage ORDER BY session_id"),
      yield* rowsOf(
        file,
        "SELECT session_id, count(*) AS files, sum(file_size) AS bytes FROM conversation_files GROUP BY session_id ORDER BY session_id"
      )
    )
    assert.deepStrictEqual(
      yield* rowsOf(file, "SELECT files, bytes FROM storage_usage"),
      yield* rowsOf(file, "SELECT count(*) AS files, coalesce(sum(file_size), 0) AS bytes FROM conversation_files")
    )
  })

describe("a text file", () => {
  it.scopedLive("is created, read and changed in place, and each of these is recorded", () =>
    Effect.gen(function* () {
      const { client, file, folder } = yield* serving()
      const made = yield* client.changes.createText(
        text("s1", "plan.md", "Grüße", { mimeType: "text/markdown", messageId: "m1", metadata: { lang: "de" } })
      )
      assert.deepInclude(made, {
        name: "plan.md",
        size: 7,
        sha256: sha256("Grüße"),
        mimeType: "text/markdown",
        messageId: "m1",
        metadata: { lang: "de" }
      })
      const path = { fileId: made.fileId }
      const changed = yield* client.changes.replace(replacing(made.fileId, "Grüße", "second"))
      assert.deepInclude(changed, { fileId: made.fileId, sha256: sha256("second"), size: 6, mimeType: "text/plain" })
      assert.deepStrictEqual(changed.metadata, { lang: "de" })
      assert.strictEqual(textOf(yield* client.files.view({ path })), "second")
      const as = { "content-type": "application/json; charset=UTF-8" }
      const json = yield* client.changes.replace(replacing(made.fileId, "second", "{}", as))
      assert.strictEqual(json.mimeType, "application/json")

      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("{}")])
      assert.deepStrictEqual(incomingIn(folder), [])
      yield* countsAgree(file)
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT access_type FROM file_access_log WHERE access_type <> 'view' ORDER BY log_id"),
        [{ access_type: "upload" }, { access_type: "upload" }, { access_type: "upload" }]
      )
      const { events } = yield* client.sessions.audit({ path: { sessionId: "s1" }, urlParams: { limit: 50, after: 0 } })
      assert.deepStrictEqual(
        events.map(({ action }) => action),
        ["upload", "change", "view", "change"]
      )
      assert.deepInclude(JSON.parse(events[1]?.details ?? ""), { from: sha256("Grüße"), to: sha256("second") })
    })
  )

  it.scopedLive("keeps its type if none is sent, and has an ETag and a location", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      const made = yield* ask("/api/sessions/s1/texts", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: "a.json", text: "{}", mimeType: "application/json" })
      })
      const { fileId } = yield* jsonOf(made)
      assert.deepStrictEqual([made.status, made.headers.get("location")], [201, `/api/files/${fileId}`])
      const changed = yield* ask(`/api/files/${fileId}/content`, {
        method: "PUT",
        headers: { "if-match": tagOf("{}") },
        body: Buffer.from("[]")
      })
      assert.deepStrictEqual([changed.status, changed.headers.get("etag")], [200, tagOf("[]")])
      assert.strictEqual((yield* jsonOf(changed))["mimeType"], "application/json")
    })
  )

  it.scopedLive("that somebody else has changed is not overwritten, and a change must say what it overwrites", () =>
    Effect.gen(function* () {
      const { ask, client, folder } = yield* serving()
      const { fileId } = yield* client.changes.createText(text("s1", "a.txt", "one"))
      const put = (headers: Record<string, string>, body = "two") =>
        Effect.flatMap(ask(`/api/files/${fileId}/content`, { method: "PUT", headers, body }), (response) =>
          Effect.map(jsonOf(response), (answer) => [response.status, answer["_tag"]])
        )
      assert.deepStrictEqual(yield* put({}), [428, "PreconditionRequired"])
      for (const tag of [tagOf("other"), `W/${tagOf("one")}`, sha256("one"), '""', ""]) {
        assert.deepStrictEqual(yield* put({ "if-match": tag }), [412, "PreconditionFailed"], tag)
      }
      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("one")])
      assert.deepStrictEqual(yield* put({ "if-match": `${tagOf("other")}, ${tagOf("one")}` }), [200, undefined])
      assert.deepStrictEqual(yield* put({ "if-match": "*" }, "three"), [200, undefined])
      const failed = yield* Effect.flip(client.changes.replace(replacing(fileId, "one", "four")))
      assert.deepInclude(failed, { _tag: "PreconditionFailed", etag: tagOf("three") })
    })
  )

  it.scopedLive("changed by eight at once with one ETag is changed by one of them, and only that content remains", () =>
    Effect.gen(function* () {
      const { client, file, folder } = yield* serving()
      const { fileId } = yield* client.changes.createText(text("s1", "a.txt", "before"))
      for (let round = 0; round < 3; round += 1) {
        const now = yield* client.files.details({ path: { fileId } })
        const outcomes = yield* Effect.forEach(
          [1, 2, 3, 4, 5, 6, 7, 8],
          (n) =>
            Effect.either(
              client.changes.replace({
                path: { fileId },
                headers: { "if-match": `"${now.sha256}"` },
                payload: `${round} ${n}`
              })
            ),
          { concurrency: "unbounded" }
        )
        const won = outcomes.flatMap((outcome) => (outcome._tag === "Right" ? [outcome.right] : []))
        const lost = outcomes.flatMap((outcome) => (outcome._tag === "Left" ? [outcome.left._tag] : []))
        assert.strictEqual(won.length, 1)
        assert.deepStrictEqual(lost, Array(7).fill("PreconditionFailed"))
        assert.strictEqual((yield* client.files.details({ path: { fileId } })).sha256, won[0]?.sha256)
      }
      const { sha256: last } = yield* client.files.details({ path: { fileId } })
      yield* Effect.repeat(contentsIn(folder), { until: (contents) => contents.length === 1 })
      assert.deepStrictEqual(yield* contentsIn(folder), [last])
      yield* countsAgree(file)
    })
  )

  it.scopedLive("shares its contents with others: a change never removes one that another file has", () =>
    Effect.gen(function* () {
      const { client, folder } = yield* serving()
      const one = yield* client.changes.createText(text("s1", "one.txt", "same"))
      const two = yield* client.changes.createText(text("s1", "two.txt", "same"))
      yield* client.changes.replace(replacing(one.fileId, "same", "other"))
      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("same"), sha256("other")].sort())
      yield* client.changes.replace(replacing(one.fileId, "other", "same"))
      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("same")])
      yield* client.changes.replace(replacing(one.fileId, "same", "same"))
      assert.strictEqual(textOf(yield* client.files.view({ path: two })), "same")
    })
  )

  it.scopedLive("must be text in UTF-8, whatever its type says", () =>
    Effect.gen(function* () {
      const { ask, client, folder } = yield* serving({ maxFileSize: 1000 })
      const { fileId } = yield* client.changes.createText(text("s1", "a.txt", "one"))
      const put = (type: string, body: string | Uint8Array<ArrayBuffer>) =>
        Effect.map(
          ask(`/api/files/${fileId}/content`, {
            method: "PUT",
            headers: { "if-match": tagOf("one"), "content-type": type },
            body
          }),
          ({ status }) => status
        )
      assert.strictEqual(yield* put("image/png", "x"), 415)
      assert.strictEqual(yield* put("application/octet-stream", "x"), 415)
      assert.strictEqual(yield* put("multipart/form-data; boundary=X", "x"), 415)
      assert.strictEqual(yield* put("text/plain; charset=latin1", "x"), 415)
      for (const bytes of [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
        assert.strictEqual(yield* put("text/plain", new Uint8Array(bytes)), 415, `${bytes}`)
      }
      assert.strictEqual(yield* put("text/plain", "x".repeat(1001)), 413)
      assert.deepStrictEqual([yield* contentsIn(folder), incomingIn(folder)], [[sha256("one")], []])

      const createdBy = (body: string, type = "application/json") =>
        ask("/api/sessions/s1/texts", { method: "POST", headers: { "content-type": type }, body })
      const textOf = (body: string) => Effect.flatMap(createdBy(body), (answer) => Effect.promise(() => answer.text()))
      const make = (body: unknown, type?: string) =>
        Effect.map(createdBy(typeof body === "string" ? body : JSON.stringify(body), type), ({ status }) => status)
      assert.strictEqual(yield* make({ name: "a", text: "x", mimeType: "image/png" }), 415)
      assert.strictEqual(yield* make({ name: "a", text: "x" }, "text/plain"), 415)
      assert.strictEqual(yield* make({ name: "a", text: "x" }, "application/json; charset=utf-16"), 415)
      assert.strictEqual(yield* make('{"name":"a","text":"\\ud800"}'), 400)
      assert.strictEqual(yield* make({ name: "a" }), 400)
      assert.strictEqual(yield* make("{"), 400)
      assert.strictEqual(yield* make({ name: "a/b", text: "x" }), 400)
      assert.strictEqual(
        yield* make({
          name: "a",
          text: "x",
          metadata: Object.fromEntries(Array.from({ length: 101 }, (_, n) => [`k${n}`, ""]))
        }),
        400
      )
      const crowded = JSON.stringify({ name: "a", text: "x", metadata: Array.from({ length: 100_000 }, () => 1) })
      assert.include(yield* textOf(crowded), "2000 members at most")
      const quoted = JSON.stringify({ name: "a", text: "x", metadata: Array.from({ length: 50_000 }, String) })
      assert.include(yield* textOf(quoted), "2000 members at most")
      assert.strictEqual(yield* make({ name: "a", text: "x".repeat(1001) }), 413)
      assert.strictEqual(yield* make({ name: "a", text: "x".repeat(1024 * 1024) }), 413)
      assert.deepStrictEqual([yield* contentsIn(folder), incomingIn(folder)], [[sha256("one")], []])
      assert.strictEqual(yield* put("application/problem+json", "{}"), 200)
    })
  )

  it.scopedLive("that is deleted, or whose session has ended, cannot be changed; another user's never", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* threeUsers
      const { fileId } = yield* alice.changes.createText(text("s1", "a.txt", "one"))
      const change = replacing(fileId, "one", "two")
      assert.strictEqual((yield* Effect.flip(bob.changes.replace(change)))._tag, "Forbidden")
      yield* alice.files.delete({ path: { fileId } })
      assert.strictEqual((yield* Effect.flip(alice.changes.replace(change)))._tag, "FileDeleted")
      yield* alice.files.restore({ path: { fileId } })
      yield* alice.sessions.end({ path: { sessionId: "s1" } })
      assert.strictEqual((yield* Effect.flip(alice.changes.replace(change)))._tag, "SessionEnded")
      assert.strictEqual((yield* Effect.flip(alice.changes.createText(text("s1", "b.txt", "x"))))._tag, "SessionEnded")
      assert.strictEqual((yield* Effect.flip(bob.changes.createText(text("s1", "b.txt", "x"))))._tag, "Forbidden")
      const nowhere = replacing("00000000-0000-4000-8000-000000000000", "one", "two")
      assert.strictEqual((yield* Effect.flip(alice.changes.replace(nowhere)))._tag, "FileNotFound")
    })
  )
})

describe("a copy", () => {
  it.scopedLive("is a file of its own on the same content, with its metadata, in both trails", () =>
    Effect.gen(function* () {
      const { client, file, folder } = yield* serving()
      const options = { messageId: "m1", metadata: { width: "10", "a key": "ünïcode" } }
      const one = yield* client.files.upload(upload("s1", "one.txt", "same", options))
      const two = yield* client.changes.copy({ path: one, payload: { sessionId: "s2" } })
      assert.deepInclude(two, { sessionId: "s2", name: "one.txt", sha256: sha256("same"), messageId: null })
      assert.deepStrictEqual(two.metadata, options.metadata)
      assert.notStrictEqual(two.fileId, one.fileId)
      const three = yield* client.changes.copy({ path: one, payload: { sessionId: "s1", name: "three.txt" } })
      assert.deepInclude(three, { sessionId: "s1", name: "three.txt" })
      assert.deepStrictEqual(yield* contentsIn(folder), [sha256("same")])
      yield* countsAgree(file)

      yield* client.files.destroy({ path: one })
      assert.strictEqual(textOf(yield* client.files.view({ path: two })), "same")
      yield* client.changes.replace(replacing(two.fileId, "same", "other"))
      assert.strictEqual(textOf(yield* client.files.view({ path: three })), "same")
      const actions = (sessionId: string) =>
        Effect.map(client.sessions.audit({ path: { sessionId }, urlParams: { limit: 50, after: 0 } }), ({ events }) =>
          events.map(({ action }) => action)
        )
      assert.deepStrictEqual(yield* actions("s1"), ["upload", "copy", "upload", "copy", "delete", "view"])
      assert.deepStrictEqual(yield* actions("s2"), ["upload", "view", "change"])
    })
  )

  it.scopedLive.skipIf(onlySqlite("damages files of the disk"))(
    "of a content that is missing, too short or changed fails: it is reported as lost",
    () =>
      Effect.gen(function* () {
        const { client, file, folder } = yield* serving()
        const { fileId } = yield* client.files.upload(upload("s1", "one.txt", "sound"))
        const copy = client.changes.copy({ path: { fileId }, payload: { sessionId: "s2" } })
        const content = pathOf(folder, "sound")
        writeFileSync(content, "s0und")
        assert.deepInclude(yield* Effect.flip(copy), { _tag: "ContentLost", reason: "damaged" })
        truncateSync(content, 3)
        assert.deepInclude(yield* Effect.flip(copy), { _tag: "ContentLost", reason: "damaged" })
        unlinkSync(content)
        assert.deepInclude(yield* Effect.flip(copy), { _tag: "ContentLost", reason: "missing" })
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS files FROM conversation_files"), [{ files: 1 }])
        yield* client.files.upload(upload("s1", "again.txt", "sound"))
        assert.strictEqual((yield* copy).sessionId, "s2")
      })
  )

  it.scopedLive("respects the rights of both sessions, and checks its name like an upload", () =>
    Effect.gen(function* () {
      const { alice, bob, root } = yield* threeUsers
      const mine = yield* alice.files.upload(upload("s1", "a.txt", "a"))
      yield* bob.files.upload(upload("s2", "b.txt", "b"))
      const into = (sessionId: string, name?: string) => ({
        path: { fileId: mine.fileId },
        payload: name === undefined ? { sessionId } : { sessionId, name }
      })
      const tag = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
      assert.strictEqual(yield* tag(alice.changes.copy(into("s2"))), "Forbidden")
      assert.strictEqual(yield* tag(bob.changes.copy(into("s2"))), "Forbidden")
      assert.strictEqual(yield* tag(alice.changes.copy(into("s1", "../b"))), "InvalidFileName")
      assert.strictEqual((yield* root.changes.copy(into("s2"))).uploadedBy, "root")
      yield* bob.sessions.end({ path: { sessionId: "s2" } })
      assert.strictEqual(yield* tag(root.changes.copy(into("s2"))), "SessionEnded")
      assert.strictEqual((yield* alice.changes.copy(into("s3"))).sessionId, "s3")
      assert.strictEqual((yield* alice.sessions.get({ path: { sessionId: "s3" } })).owner, "alice")
      yield* alice.files.delete({ path: mine })
      assert.strictEqual(yield* tag(alice.changes.copy(into("s3"))), "FileDeleted")
    })
  )
})

describe("a move", () => {
  it.scopedLive("takes the file with everything that belongs to it, and is in both trails", () =>
    Effect.gen(function* () {
      const { client, file } = yield* serving()
      const one = yield* client.files.upload(upload("s1", "one.txt", "x", { messageId: "m1", metadata: { a: "b" } }))
      const path = { fileId: one.fileId }
      const at = new Date(Date.now() + 60_000)
      yield* client.files.expire({ path, payload: { expiresAt: at } })
      const moved = yield* client.changes.move({ path, payload: { sessionId: "s2" } })
      assert.deepInclude(moved, { fileId: one.fileId, sessionId: "s2", expiresAt: at.toISOString() })
      assert.deepInclude(yield* client.files.details({ path }), { messageId: "m1", metadata: { a: "b" } })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT session_id, message_id FROM session_file_associations"), [
        { session_id: "s2", message_id: "m1" }
      ])
      yield* countsAgree(file)
      const again = yield* client.changes.move({ path, payload: { sessionId: "s2" } })
      assert.deepStrictEqual(again, moved)
      const trail = yield* rowsOf(
        file,
        "SELECT action, session_id FROM audit_log WHERE action <> 'view' ORDER BY event_id"
      )
      assert.deepStrictEqual(trail, [
        { action: "upload", session_id: "s1" },
        { action: "expire", session_id: "s1" },
        { action: "move", session_id: "s1" },
        { action: "move", session_id: "s2" }
      ])
    })
  )

  it.scopedLive("out of an ended session saves the file from deletion, and frees a session that is empty", () =>
    Effect.gen(function* () {
      const { alice, bob } = yield* threeUsers
      const { fileId } = yield* alice.files.upload(upload("s1", "a.txt", "a"))
      yield* alice.sessions.end({ path: { sessionId: "s1" } })
      assert.isString((yield* alice.files.details({ path: { fileId } })).expiresAt)
      const moved = yield* alice.changes.move({ path: { fileId }, payload: { sessionId: "s2" } })
      assert.isNull(moved.expiresAt)
      assert.isNull((yield* alice.sessions.get({ path: { sessionId: "s1" } })).owner)
      yield* bob.files.upload(upload("s1", "b.txt", "b"))
    })
  )

  it.scopedLive("respects the rights of both sessions; no ended session accepts one, and no deleted file moves", () =>
    Effect.gen(function* () {
      const { alice, bob, file, root } = yield* threeUsers
      const mine = yield* alice.files.upload(upload("s1", "a.txt", "a"))
      const his = yield* bob.files.upload(upload("s2", "b.txt", "b"))
      const tag = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(effect), ({ _tag }) => _tag)
      const move = (fileId: string, sessionId: string) => ({ path: { fileId }, payload: { sessionId } })
      assert.strictEqual(yield* tag(alice.changes.move(move(mine.fileId, "s2"))), "Forbidden")
      assert.strictEqual(yield* tag(alice.changes.move(move(his.fileId, "s1"))), "Forbidden")
      yield* alice.changes.move(move(mine.fileId, "s3"))
      yield* alice.sessions.end({ path: { sessionId: "s3" } })
      const more = yield* alice.files.upload(upload("s1", "c.txt", "c"))
      assert.strictEqual(yield* tag(alice.changes.move(move(more.fileId, "s3"))), "SessionEnded")
      yield* alice.files.delete({ path: more })
      assert.strictEqual(yield* tag(alice.changes.move(move(more.fileId, "s1"))), "FileDeleted")
      assert.strictEqual((yield* root.changes.move(move(mine.fileId, "s2"))).sessionId, "s2")
      yield* countsAgree(file)
    })
  )

  it.scopedLive("of a file that an earlier system shared leaves the other session's use of it", () =>
    Effect.gen(function* () {
      const { client, file } = yield* serving()
      const { fileId } = yield* client.files.upload(upload("s1", "a.txt", "a", { messageId: "m1" }))
      yield* execute(
        file,
        `INSERT INTO session_file_associations (session_id, file_id, message_id)
          VALUES ${rowOf("s2", fileId, "m1")}, ${rowOf("s3", fileId, "m2")}`
      )
      yield* client.changes.move({ path: { fileId }, payload: { sessionId: "s2" } })
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT session_id, message_id FROM session_file_associations ORDER BY session_id"),
        [
          { session_id: "s2", message_id: "m1" },
          { session_id: "s3", message_id: "m2" }
        ]
      )
    })
  )
})
