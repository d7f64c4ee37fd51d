import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import { type Client, fileForm, type PlannedCleanup } from "../../src/service/Client.ts"
import { execute, rowOf } from "../support/database.ts"
import { accounts, jsonOf, serving, tokenOf } from "../support/service.ts"

const upload = (sessionId: string, name: string) => ({ path: { sessionId }, payload: fileForm(name, name) })

/** Every planned cleanup, page by page. */
const all = Effect.fnUntraced(function* ({ account }: Client, limit = 50) {
  const found: Array<PlannedCleanup> = []
  let after: string | undefined
  for (;;) {
    const page = yield* account.cleanups({ urlParams: { limit, after } })
    assert.isAtMost(page.cleanups.length, limit)
    found.push(...page.cleanups)
    if (page.next === null) return found
    after = page.next
  }
})

const said = (cleanups: ReadonlyArray<PlannedCleanup>) =>
  cleanups.map(({ forGood, name, reason }) => [name, reason, forGood])

describe("an expiry", () => {
  it.scopedLive("is a time that can be stored: one beyond the year 9999 would be in the past", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* serving()
      const { fileId } = yield* client.files.upload(upload("s", "a"))
      for (const expiresAt of ["+010000-01-01T00:00:00Z", "+275000-01-01T00:00:00Z", "-000001-01-01T00:00:00Z"]) {
        const refused = yield* ask(`/api/files/${fileId}/expiry`, {
          method: "PUT",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ expiresAt })
        })
        assert.strictEqual(refused.status, 400)
        assert.match(
          String((yield* jsonOf(refused))["message"]),
          /^`expiresAt` must be a time between the years 1 and 9999/
        )
      }
      // Each of these is some time to JavaScript, most of them one that has passed: the file would be deleted.
      for (const expiresAt of [
        "1",
        "2030",
        "2030-01-01",
        "2030-02-30T00:00:00Z",
        "2030-01-01T00:00:00",
        "May 1, 2030"
      ]) {
        const refused = yield* ask(`/api/files/${fileId}/expiry`, {
          method: "PUT",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ expiresAt })
        })
        assert.strictEqual(refused.status, 400, expiresAt)
        assert.match(String((yield* jsonOf(refused))["message"]), /must be a time such as 2026-01-31T12:00:00Z/)
      }
      assert.isNull((yield* client.files.details({ path: { fileId } })).expiresAt)
      const last = new Date("9999-12-31T23:59:59.999Z")
      const { expiresAt } = yield* client.files.expire({ path: { fileId }, payload: { expiresAt: last } })
      assert.strictEqual(expiresAt, last.toISOString())
    })
  )
})

describe("the list of planned deletions", () => {
  it.scopedLive("is for the file's user and administrators, next first, with the reason and whether for good", () =>
    Effect.gen(function* () {
      const { clientOf } = yield* serving({ accounts, retention: Duration.days(7), sessionRetention: Duration.days(3) })
      const [alice, bob, root] = yield* Effect.all([
        clientOf(tokenOf("alice")),
        clientOf(tokenOf("bob")),
        clientOf(tokenOf("root"))
      ])
      const inADay = new Date(Date.now() + 86_400_000)
      const expiring = yield* alice.files.upload(upload("a", "expiring"))
      yield* alice.files.expire({ path: expiring, payload: { expiresAt: inADay } })
      const deleted = yield* alice.files.upload(upload("a", "deleted"))
      const gone = yield* alice.files.delete({ path: deleted })
      const kept = yield* bob.files.upload(upload("b", "kept"))
      yield* bob.files.expire({ path: kept, payload: { expiresAt: null } })
      yield* bob.files.upload(upload("b", "ending"))
      const ended = yield* bob.sessions.end({ path: { sessionId: "b" } })
      yield* bob.files.upload(upload("other", "stays"))

      const hers = yield* all(alice)
      assert.deepStrictEqual(said(hers), [
        ["expiring", "expired", false],
        ["deleted", "retention", true]
      ])
      assert.deepInclude(hers[0], { fileId: expiring.fileId, sessionId: "a", size: 8, dueAt: inADay.toISOString() })
      assert.strictEqual(hers[1]?.dueAt, gone.expiresAt)
      const his = yield* all(bob)
      assert.deepStrictEqual(said(his), [["ending", "session_ended", false]])
      assert.strictEqual(his[0]?.dueAt, ended.expiresAt)
      for (const limit of [1, 2, 50]) {
        assert.deepStrictEqual(said(yield* all(root, limit)), [
          ["expiring", "expired", false],
          ["ending", "session_ended", false],
          ["deleted", "retention", true]
        ])
      }

      // A restored file is not planned any more; a session that was given away belongs to its new owner.
      yield* alice.files.restore({ path: deleted })
      yield* bob.sessions.reopen({ path: { sessionId: "b" } })
      assert.deepStrictEqual(said(yield* all(root)), [["expiring", "expired", false]])
      yield* root.sessions.give({ path: { sessionId: "a" }, payload: { owner: "bob" } })
      assert.deepStrictEqual(said(yield* all(alice)), [])
      assert.deepStrictEqual(said(yield* all(bob)), [["expiring", "expired", false]])
    })
  )

  it.scopedLive("comes page by page, each entry once, even if many are due at the same moment", () =>
    Effect.gen(function* () {
      const { clientOf, file } = yield* serving({ accounts })
      const alice = yield* clientOf(tokenOf("alice"))
      const root = yield* clientOf(tokenOf("root"))
      const due = FastCheck.constantFrom("2100-01-01 00:00:00.000", "2100-01-01 00:00:01", "2100-01-02 00:00:00.000")
      const planned = FastCheck.record({
        session: FastCheck.constantFrom("a1", "a2", "b1", "b2", "nobodys"),
        plan: FastCheck.oneof(
          FastCheck.record({ kind: FastCheck.constantFrom("queued" as const, "expiring" as const), due }),
          FastCheck.constant({ kind: "with its session" as const, due: "" })
        )
      })
      const world = FastCheck.record({
        files: FastCheck.array(planned, { maxLength: 25, size: "max" }),
        ends: FastCheck.array(FastCheck.record({ session: FastCheck.constantFrom("a1", "a2", "b2"), due }), {
          maxLength: 3
        }),
        limit: FastCheck.integer({ min: 1, max: 6 })
      })
      for (const { ends, files, limit } of FastCheck.sample(world, { numRuns: 25, seed: 14 })) {
        const statements = [
          `DELETE FROM conversation_files; DELETE FROM ended_sessions; DELETE FROM session_owners;
            INSERT INTO session_owners (session_id, owner) VALUES
              ('a1', 'alice'), ('a2', 'alice'), ('b1', 'bob'), ('b2', 'bob')`,
          ...ends.map(
            ({ due, session }) => `INSERT INTO ended_sessions (session_id, ended_at, expires_at)
              VALUES ${rowOf(session, "2026-01-01", due)} ON CONFLICT DO NOTHING`
          ),
          ...files.flatMap(({ plan, session }, index) => {
            const id = `f${index}`
            return [
              `INSERT INTO conversation_files
                (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, is_deleted)
                VALUES ${rowOf(id, session, id, id, "x", 1, "none", plan.kind === "queued" ? 1 : 0)}`,
              ...(plan.kind === "queued"
                ? [
                    `INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time)
                      VALUES ${rowOf(id, session, plan.due)}`
                  ]
                : []),
              ...(plan.kind === "expiring"
                ? [`INSERT INTO file_expiries (file_id, expires_at) VALUES ${rowOf(id, plan.due)}`]
                : [])
            ]
          })
        ]
        yield* execute(file, statements.join(";"))
        const endOf = new Map([...ends].reverse().map(({ due, session }) => [session as string, due]))
        const expected = files.flatMap(({ plan, session }, index) => {
          const at = plan.kind === "with its session" ? endOf.get(session) : plan.due
          return at === undefined ? [] : [{ id: `f${index}`, at, isHers: session.startsWith("a") }]
        })
        for (const [client, mine] of [
          [root, expected],
          [alice, expected.filter(({ isHers }) => isHers)]
        ] as const) {
          const found = yield* all(client, limit)
          assert.deepStrictEqual(found.map(({ fileId }) => fileId).sort(), mine.map(({ id }) => id).sort())
          const times = found.map(({ fileId }) => mine.find(({ id }) => id === fileId)?.at ?? "")
          assert.deepStrictEqual(times, [...times].sort())
        }
      }
    })
  )
})
