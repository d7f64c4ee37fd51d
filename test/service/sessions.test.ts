import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Option from "effect/Option"
import { type Client, fileForm, type SessionSummary } from "../../src/service/Client.ts"
import { timestampOf } from "../../src/service/timestamp.ts"
import { execute, rowOf, rowsOf } from "../support/database.ts"
import { accounts, onlySqlite, serving, tokenOf } from "../support/service.ts"

const upload = (sessionId: string, content = "x") => ({ path: { sessionId }, payload: fileForm("a.txt", content) })

const threeUsers = Effect.gen(function* () {
  const at = yield* serving({ accounts })
  return {
    ...at,
    alice: yield* at.clientOf(tokenOf("alice")),
    bob: yield* at.clientOf(tokenOf("bob")),
    root: yield* at.clientOf(tokenOf("root"))
  }
})

type Query = Omit<Parameters<Client["sessions"]["list"]>[0]["urlParams"], "limit"> & { readonly limit?: number }

/** Every session of a list, page by page, and the number of pages. */
const all = Effect.fnUntraced(function* (
  { sessions }: Client,
  query: Query = {},
  between: Effect.Effect<void> = Effect.void
) {
  const found: Array<SessionSummary> = []
  let after: string | undefined
  for (let pages = 1; ; pages += 1) {
    const page = yield* sessions.list({ urlParams: { limit: 50, ...query, after } })
    found.push(...page.sessions)
    if (page.next === null) return { found, ids: found.map(({ sessionId }) => sessionId), pages }
    after = page.next
    yield* between
  }
})

describe("the list of sessions", () => {
  it.scopedLive("has the user's own sessions, and all for an administrator, last changed first", () =>
    Effect.gen(function* () {
      const { alice, bob, root } = yield* threeUsers
      const first = yield* alice.files.upload(upload("a1", "12345"))
      yield* bob.files.upload(upload("b1"))
      yield* alice.files.upload(upload("a2"))
      yield* alice.files.upload(upload("a1", "123"))
      assert.deepStrictEqual((yield* all(alice)).ids, ["a1", "a2"])
      assert.deepStrictEqual((yield* all(bob)).ids, ["b1"])
      assert.deepStrictEqual((yield* all(root)).ids, ["a1", "a2", "b1"])
      assert.deepStrictEqual((yield* all(root, { owner: "bob" })).ids, ["b1"])
      assert.deepStrictEqual((yield* all(alice, { owner: "alice" })).ids, ["a1", "a2"])

      // A deletion is a change, and the file is counted separately until it is gone.
      yield* bob.files.upload(upload("b1"))
      yield* alice.files.delete({ path: first })
      const [changed] = (yield* all(root)).found
      assert.deepInclude(changed, {
        sessionId: "a1",
        owner: "alice",
        files: 1,
        bytes: 3,
        deletedFiles: 1,
        endedAt: null,
        expiresAt: null
      })
      assert.match(changed?.changedAt ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepStrictEqual(yield* alice.sessions.get({ path: { sessionId: "a1" } }), changed)
      yield* alice.files.destroy({ path: first })
      assert.deepInclude((yield* all(alice)).found[0], { sessionId: "a1", files: 1, deletedFiles: 0 })
    })
  )

  it.scopedLive("can be narrowed to open or ended ones, and to a part of the id", () =>
    Effect.gen(function* () {
      const { alice } = yield* threeUsers
      for (const id of ["Report-2026", "report-2025", "notes"]) yield* alice.files.upload(upload(id))
      const ended = yield* alice.sessions.end({ path: { sessionId: "report-2025" } })
      assert.isString(ended.endedAt)
      assert.isString(ended.expiresAt)
      assert.deepStrictEqual((yield* all(alice, { state: "ended" })).found, [ended])
      assert.deepStrictEqual((yield* all(alice, { state: "open" })).ids, ["notes", "Report-2026"])
      assert.deepStrictEqual((yield* all(alice, { name: "REPORT" })).ids, ["report-2025", "Report-2026"])
      assert.deepStrictEqual((yield* all(alice, { name: "report", state: "open" })).ids, ["Report-2026"])
      // Wildcards stand for themselves here.
      assert.deepStrictEqual((yield* all(alice, { name: "%" })).ids, [])
      yield* alice.sessions.reopen({ path: { sessionId: "report-2025" } })
      assert.deepStrictEqual((yield* all(alice, { state: "ended" })).ids, [])
    })
  )

  it.scopedLive("reveals nothing of other users' sessions: not the owner, not how many, not by its pages", () =>
    Effect.gen(function* () {
      const { alice, bob, file, root } = yield* threeUsers
      yield* alice.files.upload(upload("mine"))
      for (let n = 0; n < 20; n += 1) yield* bob.files.upload(upload(`theirs-${n}`))
      // A session from a program without owners belongs to the administrators.
      yield* execute(
        file,
        `INSERT INTO conversation_files
          (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
          VALUES ('1', 'nobodys', 'a', '1', 'x', 1, 'none')`
      )
      for (const query of [{}, { limit: 1 }, { name: "theirs" }, { name: "e", limit: 1 }, { state: "open" as const }]) {
        const { ids, pages } = yield* all(alice, query)
        assert.deepStrictEqual(ids, query.name === "theirs" ? [] : ["mine"])
        assert.strictEqual(pages, 1)
      }
      assert.strictEqual(
        (yield* Effect.flip(alice.sessions.list({ urlParams: { limit: 50, owner: "bob" } })))._tag,
        "Forbidden"
      )
      const theirs = yield* Effect.flip(alice.sessions.get({ path: { sessionId: "theirs-1" } }))
      assert.strictEqual(theirs._tag, "Forbidden")
      yield* Effect.repeat(
        Effect.delay(rowsOf(file, "SELECT * FROM audit_log WHERE outcome = 'refused'"), "20 millis"),
        {
          until: (rows) => rows.length === 2
        }
      )
      assert.deepInclude((yield* all(root, { name: "nobody" })).found[0], {
        sessionId: "nobodys",
        owner: null,
        files: 1
      })
    })
  )

  it.scopedLive("comes page by page, every session once and in order, whatever its id and times are", () =>
    Effect.gen(function* () {
      const { file, root } = yield* threeUsers
      // Few times and many sessions, so that many changed at the same moment; some ids as an earlier system had them.
      const session = FastCheck.record({
        id: FastCheck.oneof(
          FastCheck.stringMatching(/^[a-cA-C][a-c._-]{0,5}$/),
          FastCheck.string({ unit: "grapheme", minLength: 1, maxLength: 8 })
        ),
        owner: FastCheck.constantFrom("alice", "bob", null),
        changedAt: FastCheck.constantFrom(
          ...(onlySqlite("keeps any text as a time")
            ? ["2026-01-02 00:00:00.001", "2026-01-02 00:00:00.000", "2026-01-01 00:00:00.000"]
            : ["2026-01-02 00:00:00.000", "2026-01-02 00:00:00", "2026-01-01T00:00:00Z", ""])
        ),
        hasEnded: FastCheck.boolean()
      })
      const query = FastCheck.record(
        {
          limit: FastCheck.integer({ min: 1, max: 7 }),
          owner: FastCheck.constantFrom("alice", "bob"),
          state: FastCheck.constantFrom("open" as const, "ended" as const),
          name: FastCheck.constantFrom("a", "B", "c.")
        },
        { requiredKeys: ["limit"] }
      )
      const sessions = FastCheck.uniqueArray(session, {
        selector: ({ id }) => id,
        minLength: 0,
        maxLength: 40,
        size: "max"
      })
      const samples = FastCheck.sample(
        FastCheck.tuple(sessions, FastCheck.array(query, { minLength: 3, maxLength: 3 })),
        {
          numRuns: 25,
          seed: 14
        }
      )
      for (const [given, queries] of samples) {
        const statements = given.flatMap(({ changedAt, hasEnded, id, owner }) => [
          `INSERT INTO session_summaries (session_id, owner, files, changed_at) VALUES ${rowOf(id, owner, 1, changedAt)}`,
          ...(hasEnded ? [`INSERT INTO ended_sessions (session_id, ended_at) VALUES ${rowOf(id, "2026-01-03")}`] : [])
        ])
        yield* execute(file, ["DELETE FROM session_summaries", "DELETE FROM ended_sessions", ...statements].join(";"))
        for (const asked of queries) {
          const expected = given
            .filter(
              ({ hasEnded, id, owner }) =>
                (asked.owner === undefined || owner === asked.owner) &&
                (asked.state === undefined || (asked.state === "ended") === hasEnded) &&
                (asked.name === undefined || id.toLowerCase().includes(asked.name.toLowerCase()))
            )
            .sort((one, other) => order(other.changedAt, one.changedAt) || order(other.id, one.id))
          assert.deepStrictEqual(
            (yield* all(root, asked)).ids,
            expected.map(({ id }) => id),
            JSON.stringify(asked)
          )
        }
      }
    })
  )

  it.scopedLive("shows a session that changes between two pages at most once, and all others once", () =>
    Effect.gen(function* () {
      const { alice } = yield* threeUsers
      const ids = Array.from({ length: 9 }, (_, n) => `s${n}`)
      for (const id of ids) yield* alice.files.upload(upload(id))
      // Newest first: s8 and s7 are seen by then, s1 is not.
      let times = 0
      const change = Effect.suspend(() => {
        times += 1
        return times > 1
          ? Effect.void
          : Effect.orDie(
              Effect.all(
                [alice.files.upload(upload("s8")), alice.files.upload(upload("s1")), alice.files.upload(upload("new"))],
                { discard: true }
              )
            )
      })
      const walk = yield* all(alice, { limit: 2 }, change)
      assert.deepStrictEqual(walk.ids, ["s8", "s7", "s6", "s5", "s4", "s3", "s2", "s0"])
      assert.deepStrictEqual((yield* all(alice, { limit: 2 })).ids, ["new", "s1", "s8", ...walk.ids.slice(1)])
    })
  )

  it.scopedLive("searches thousands of sessions in steps: a page may be short, and the next one continues", () =>
    Effect.gen(function* () {
      const { file, root } = yield* threeUsers
      const rows = Array.from({ length: 12_000 }, (_, n) => {
        const kind = [1, 7000, 11_999].includes(n + 1) ? "needle" : "straw"
        const at = timestampOf(1_700_000_000_000 + n * 1000)
        return rowOf(`${kind}-${String(n + 1).padStart(5, "0")}`, "alice", 1, at)
      })
      yield* execute(
        file,
        `INSERT INTO session_summaries (session_id, owner, files, changed_at) VALUES ${rows.join(", ")}`
      )
      const first = yield* root.sessions.list({ urlParams: { limit: 50, name: "NEEDLE" } })
      assert.deepStrictEqual(
        first.sessions.map(({ sessionId }) => sessionId),
        ["needle-11999"]
      )
      assert.isString(first.next)
      const { ids, pages } = yield* all(root, { name: "needle" })
      assert.deepStrictEqual(ids, ["needle-11999", "needle-07000", "needle-00001"])
      assert.strictEqual(pages, 3)
      assert.deepStrictEqual((yield* all(root, { name: "needle", limit: 1 })).ids, ids)
    })
  )

  it.scopedLive("accepts only its own cursors, and no unknown state, owner or limit", () =>
    Effect.gen(function* () {
      const { alice, ask } = yield* threeUsers
      yield* alice.files.upload(upload("s1"))
      yield* alice.files.upload(upload("s2"))
      const { next } = yield* alice.sessions.list({ urlParams: { limit: 1 } })
      const headers = { authorization: `Bearer ${tokenOf("alice")}` }
      for (const [query, status] of [
        [`after=${next}`, 200],
        [`after=${next}x`, 400],
        ["after=x", 400],
        [`after=${Buffer.from('["a"]').toString("base64url")}`, 400],
        [`after=${Buffer.from('[1,"a"]').toString("base64url")}`, 400],
        ["after=", 400],
        ["state=gone", 400],
        ["owner=", 400],
        ["name=", 400],
        ["limit=0", 400],
        ["limit=201", 400]
      ] as const) {
        assert.strictEqual((yield* ask(`/api/sessions?${query}`, { headers })).status, status, query)
      }
      // A cursor of another user leads to nothing of theirs.
      const root = { authorization: `Bearer ${tokenOf("root")}` }
      assert.strictEqual((yield* ask(`/api/sessions?after=${next}`, { headers: root })).status, 200)
    })
  )
})

describe("/api/me", () => {
  it.scopedLive("names the user, whether an administrator, and what they store, including deleted files", () =>
    Effect.gen(function* () {
      const { alice, bob, root } = yield* threeUsers
      const nothing = { usage: { files: 0, bytes: 0 }, quota: { files: null, bytes: null } }
      assert.deepInclude(yield* alice.account.me(), { name: "alice", isAdministrator: false, ...nothing })
      const path = yield* alice.files.upload(upload("s1", "12345"))
      yield* alice.files.upload(upload("s2", "123"))
      yield* bob.files.upload(upload("s3", "1"))
      yield* alice.files.delete({ path })
      assert.deepStrictEqual((yield* alice.account.me()).usage, { files: 2, bytes: 8 })
      yield* alice.files.destroy({ path })
      assert.deepStrictEqual((yield* alice.account.me()).usage, { files: 1, bytes: 3 })
      assert.deepInclude(yield* root.account.me(), { name: "root", isAdministrator: true, ...nothing })
    })
  )

  it.scopedLive("has the quotas", () =>
    Effect.gen(function* () {
      const { client } = yield* serving({ userQuotaFiles: Option.some(3), userQuotaBytes: Option.some(1000) })
      assert.deepStrictEqual((yield* client.account.me()).quota, { files: 3, bytes: 1000 })
    })
  )
})

const order = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other))
