/**
 * No statement of the service may have a plan that grows with a table: SQLite explains each one that is run. And none may
 * change many rows, its triggers included.
 */
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { fileForm } from "../../src/service/Client.ts"
import { files as migrationFiles } from "../../src/service/migrations.ts"
import { independently, rowsOf, temporaryFolder } from "../support/database.ts"
import { accounts, jsonOf, serveOn, tokenOf } from "../support/service.ts"

const source = join(import.meta.dirname, "../../src/service")

/** Tables whose size depends on the users. */
const growing = [
  "conversation_files",
  "file_metadata",
  "session_file_associations",
  "file_access_log",
  "file_cleanup_queue",
  "file_expiries",
  "ended_sessions",
  "session_owners",
  "session_summaries",
  "session_usage",
  "audit_log",
  "refusals",
  "file_texts",
  "text_scopes",
  "passages",
  "experiments",
  "experiment_policies",
  "experiment_sessions",
  "experiment_answers"
]

/** What may be scanned from end to end, or sorted, and why it does not grow. */
const allowed: ReadonlyArray<readonly [statement: RegExp, why: string]> = [
  [
    /FROM session_summaries ss CROSS JOIN conversation_files cf /,
    "an owner with 2,000 files and sessions at most: all of them are sorted"
  ],
  [/^SELECT file_hash FROM conversation_files LIMIT 1000$/, "the first 1,000 rows, once at a start"],
  [/^SELECT 1 FROM conversation_files LIMIT 1$/, "the first row"],
  [/^SELECT rowid AS id, .* ORDER BY rowid LIMIT 1000$/, "1,000 rows, from where the step before ended"],
  [
    / FROM session_summaries ss .*ORDER BY ss\.changed_at DESC, ss\.session_id DESC LIMIT \?$/,
    "along an index that has the order, a page or 500 rows"
  ],
  [/^SELECT max\((event_id|refusal_id)\)/, "the last row"],
  [/^SELECT refusal_id FROM \(.* LIMIT \?\) AS old UNION .* LIMIT \?\) AS many$/, "1,000 rows of each half are sorted"],
  [/ FROM json_each\(\?\)/, "as many rows as the statement was given"]
]

const plain = (sql: string): string => sql.replace(/--.*$/gm, "").replace(/\s+/g, " ").trim()

/** How many rows one statement may change: the largest step, and a few of its triggers. */
const mostChanged = 1100

/** Everything prepared on any connection of this process while something runs, with the most rows that it changed. */
const recording = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen = new Map<string, number>()
      const { prepare } = Sqlite.prototype
      const memory = new Sqlite(":memory:")
      const statements: unknown = Object.getPrototypeOf(memory.prepare("SELECT 1"))
      memory.close()
      const { all, get, run } = Object(statements)
      const counted = (method: (...args: ReadonlyArray<unknown>) => unknown) =>
        new Proxy(method, {
          apply: (target, statement: Sqlite.Statement, args) => {
            const changes = () => Number(Object(Reflect.apply(get, totalOf(statement.database), [])).n)
            const before = changes()
            const result = Reflect.apply(target, statement, args)
            const text = plain(statement.source)
            seen.set(text, Math.max(seen.get(text) ?? 0, changes() - before))
            return result
          }
        })
      const totals = new WeakMap<Sqlite.Database, Sqlite.Statement>()
      const totalOf = (connection: Sqlite.Database) => {
        const known = totals.get(connection)
        if (known !== undefined) return known
        const total: Sqlite.Statement = Reflect.apply(prepare, connection, ["SELECT total_changes() AS n"])
        totals.set(connection, total)
        return total
      }
      Sqlite.prototype.prepare = new Proxy(prepare, {
        apply: (target, connection, args) => {
          const text = plain(String(args[0]))
          seen.set(text, seen.get(text) ?? 0)
          return Reflect.apply(target, connection, args)
        }
      })
      Object.assign(Object(statements), { all: counted(all), get: counted(get), run: counted(run) })
      return { seen, prepare, restore: () => Object.assign(Object(statements), { all, get, run }) }
    }),
    ({ seen }) => Effect.as(work, seen),
    ({ prepare, restore }) =>
      Effect.sync(() => {
        Sqlite.prototype.prepare = prepare
        restore()
      })
  )

/** Without the statements that only PostgreSQL runs: `pg: () => sql...`. */
const withoutPostgres = (text: string): string => text.replace(/\bpg: \([^)]*\) =>\s*sql(<[^`]*>)?`[^`]*`/g, "")

/** The texts of statements and fragments in a file, without the inserted values. */
const templatesOf = (file: string): ReadonlyArray<ReadonlyArray<string>> => {
  // Comments have backticks of their own.
  const text = file.replace(/\/\*\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "")
  /** Where the template ends that begins here, and its parts. */
  const template = (from: number): { readonly end: number; readonly parts: ReadonlyArray<string> } => {
    const parts: Array<string> = []
    let begin = from
    let at = from
    for (; at < text.length && text[at] !== "`"; at += 1) {
      if (text[at] === "\\") at += 1
      else if (text.startsWith("${", at)) {
        parts.push(text.slice(begin, at))
        at = code(at + 2)
        begin = at + 1
      }
    }
    return { end: at, parts: [...parts, text.slice(begin, at)].map((part) => part.replace(/\\(.)/g, "$1")) }
  }
  /** Where the inserted code of a template ends. */
  const code = (from: number): number => {
    let depth = 0
    for (let at = from; at < text.length; at += 1) {
      if (text[at] === "`") at = template(at + 1).end
      else if (text[at] === "{") depth += 1
      else if (text[at] === "}") {
        if (depth === 0) return at
        depth -= 1
      }
    }
    return text.length
  }
  return [...text.matchAll(/\bsql(?:<(?:[^`;]|;(?! *\n))*?>)?`/g)].map(
    (found) => template(found.index + found[0].length).parts
  )
}

/** Migrations run once, on as much of a table as there is. */
const migrations = Object.values(migrationFiles).map(plain).join(" ")

const escaped = (text: string): string => plain(text).replace(/[.*+?^${}()|[\]\\]/g, "\\$&")

/** Whether a statement that was run comes from this template. */
const wasRun = (parts: ReadonlyArray<string>, seen: Iterable<string>): boolean => {
  const pattern = new RegExp(
    parts
      .map(escaped)
      .filter((part) => part !== "")
      .join(".*")
  )
  return [...seen].some((statement) => pattern.test(statement))
}

/**
 * An owner with more files than one statement reads, a deletion that an earlier system queued, and two sessions with more
 * planned deletions than one statement changes: bob's and nobody's.
 */
const fillBy = (connection: Sqlite.Database) => {
  connection.exec(`
    INSERT INTO session_owners (session_id, owner) VALUES ('large', 'bob'), ('queued', 'bob');
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n <= 2100)
    INSERT INTO conversation_files
      (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at)
    SELECT 'large' || n, iif(n = 1, 'queued', 'large'), 'name', 'large' || n, 'p', 1, 'none', '2020-01-01 00:00:00' FROM n;
    INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
    VALUES ('large1', 'queued', '2020-01-01 00:00:00', 'expired');
    INSERT INTO session_owners (session_id, owner) VALUES ('planned', 'bob');
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 4800)
    INSERT INTO conversation_files
      (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at, is_deleted)
    SELECT 'planned' || n, iif(n % 4 < 2, 'planned', 'nobodys'), 'name', 'planned' || n, 'p', 1, 'none',
      '2020-01-01 00:00:00', n % 2 FROM n;
    INSERT INTO file_cleanup_queue (file_id, session_id, scheduled_deletion_time, cleanup_reason)
    SELECT file_id, session_id, '2100-01-01 00:00:00', 'user_request' FROM conversation_files
    WHERE file_id LIKE 'planned%' AND is_deleted = 1;
    INSERT INTO session_owners (session_id, owner) VALUES ('texts', 'root');
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5)
    INSERT INTO conversation_files
      (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_at, mime_type)
    SELECT 'texts' || n, 'texts', 'name.txt', 'texts' || n, 'p', 1, 'none', '2020-01-01 00:00:00', 'text/plain' FROM n;
    INSERT INTO text_scopes (scope, session_id, passages, terms) VALUES (1000, 'texts', 1500, 1500);
    WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 1499)
    INSERT INTO passages (file_id, ordinal, scope, text, tokens, terms, line, end_line)
    SELECT 'texts' || (n % 5 + 1), n / 5, 1000, 'a', 1, 1, 1, 1 FROM n;
    INSERT INTO passage_terms (rowid, terms) SELECT passage_id, '1000xa' FROM passages;
    UPDATE file_texts SET state = 'done', passages = 300 WHERE file_id LIKE 'texts%';
    INSERT INTO file_expiries (file_id, expires_at, set_by)
    SELECT file_id, '2100-01-01 00:00:00', 'bob' FROM conversation_files WHERE file_id LIKE 'planned%' AND is_deleted = 0`)
}

const settings = {
  accounts,
  extractsTexts: true,
  proofRate: 1_000_000_000,
  userQuotaBytes: Option.some(1_000_000),
  totalQuotaBytes: Option.some(1_000_000),
  retention: Duration.zero,
  sessionRetention: Duration.zero,
  refusalRetention: Duration.zero
}

/** Uses everything that the service offers, as a user and as an administrator. */
const asked = Effect.fnUntraced(function* (folder: string) {
  const { ask, baseUrl, clientOf, file: database } = yield* serveOn(folder, settings)
  yield* independently(database, fillBy)
  const bob = yield* clientOf(tokenOf("bob"))
  yield* bob.files.search({ urlParams: { limit: 1, name: "nothing" } })
  yield* bob.account.storage()
  const root = yield* clientOf(tokenOf("root"))
  const claimed = (state: string, claim: string, until: string) =>
    independently(database, (connection) =>
      connection.exec(`UPDATE file_texts SET state = '${state}', claim = ${claim}, claimed_until = ${until}
        WHERE file_id LIKE 'large%'`)
    )
  // Thousands of files are another process's for a moment.
  yield* claimed("running", "'another'", "'2100-01-01 00:00:00'")
  yield* root.context.search({ path: { sessionId: "large" }, urlParams: { q: "one", limit: 1 } })
  yield* claimed("unsupported", "NULL", "NULL")
  // Files with many passages.
  const [deleted, destroyed, moved, replaced] = ["texts1", "texts2", "texts3", "texts4"].map((fileId) => ({ fileId }))
  if (deleted === undefined || destroyed === undefined || moved === undefined || replaced === undefined) return
  yield* root.files.delete({ path: deleted })
  yield* root.files.destroy({ path: destroyed })
  yield* root.changes.move({ path: moved, payload: { sessionId: "texts-2" } })
  const headers = { "if-match": "*", "content-type": "text/plain" } as const
  yield* root.changes.replace({ path: replaced, headers, payload: "another text" })
  yield* root.sessions.deleteFiles({ path: { sessionId: "texts" } })
  yield* root.sessions.give({ path: { sessionId: "planned" }, payload: { owner: "carol" } })
  yield* root.changes.createText({ path: { sessionId: "nobodys" }, payload: { name: "first.txt", text: "first" } })
  yield* rowsOf(
    database,
    `/* the test */ SELECT (SELECT count(*) FROM file_cleanup_queue WHERE owner = 'carol') AS queued,
      (SELECT count(*) FROM file_expiries WHERE owner = 'root') AS expiring`
  ).pipe(Effect.map((rows) => assert.deepStrictEqual(rows, [{ queued: 1200, expiring: 1200 }])))
  for (const name of ["alice", "root"]) {
    const { account, changes, context, experiments, files, operator, sessions } = yield* clientOf(tokenOf(name))
    const sessionId = `of-${name}`
    const path = { sessionId }
    const upload = (text: string) =>
      files.upload({
        path,
        payload: fileForm(`${text}.txt`, text, { messageId: "m", metadata: { some: "thing" } })
      })
    const file = yield* upload("one")
    const other = yield* upload("two")
    for (const name of [undefined, "one"]) {
      for (const deleted of [false, true]) {
        const first = yield* files.list({ path, urlParams: { limit: 1, deleted, name } })
        if (first.next !== null) yield* files.list({ path, urlParams: { limit: 1, deleted, name, after: first.next } })
        yield* files.list({ path, urlParams: { limit: 1, deleted, name, after: "~zzz" } })
      }
      const first = yield* files.search({ urlParams: { limit: 1, name } })
      if (first.next !== null) yield* files.search({ urlParams: { limit: 1, name, after: first.next } })
      yield* files.search({ urlParams: { limit: 1, name, after: "~zzz" } })
      yield* sessions.list({ urlParams: { limit: 1, name } })
      const all = yield* sessions.list({ urlParams: { limit: 1, state: "open" } })
      if (all.next !== null) yield* sessions.list({ urlParams: { limit: 1, after: all.next } })
    }
    yield* files.details({ path: file })
    const states = "/* the test */ SELECT 1 FROM file_texts WHERE state IN ('queued', 'running')"
    yield* Effect.repeat(Effect.delay(rowsOf(database, states), "100 millis"), { until: (rows) => rows.length === 0 })
    yield* context.search({ path, urlParams: { q: "one", limit: 1 } })
    yield* context.textState({ path: file })
    for (const policy of ["diverse", "named", "newest", "pinned", "whole"] as const) {
      yield* context.choose({ path, payload: { message: "one", budget: 100, policy, pinned: [file.fileId] } })
    }
    if (name === "root") {
      const create = (name: string) =>
        experiments.create({
          payload: { name, policies: halves, endsAt: new Date(Date.now() + 3_600_000) }
        })
      yield* create("first")
      const { experiment, receipt } = yield* context.choose({ path, payload: { message: "one", budget: 100 } })
      const report = experiments.report({
        path: { sessionId, answerId: "1" },
        payload: { experiment: experiment ?? "none", receipt: receipt ?? "none", outcomes: [] }
      })
      yield* report
      yield* experiments.list({ urlParams: { limit: 1 } })
      yield* experiments.result({ path: { name: "first" } })
      yield* independently(database, (connection) => connection.exec("DELETE FROM experiment_sessions"))
      yield* report
      yield* experiments.end({ path: { name: "first" } })
    }
    yield* files.view({ path: file })
    yield* files.rename({ path: file, payload: { name: "other.txt" } })
    yield* changes.createText({ path, payload: { name: "text.txt", text: "text" } })
    const copy = yield* changes.copy({ path: file, payload: { sessionId } })
    yield* changes.move({ path: copy, payload: { sessionId: `${sessionId}-2` } })
    yield* Effect.ignore(files.delete({ path: other }))
    yield* Effect.ignore(files.restore({ path: other }))
    yield* Effect.ignore(files.destroy({ path: other }))
    yield* Effect.ignore(files.details({ path: other }))
    for (const action of [changes.deleteFiles, changes.restoreFiles, changes.destroyFiles]) {
      yield* action({ payload: { fileIds: [copy.fileId] } })
    }
    yield* account.storage()
    yield* files.expire({ path: file, payload: { expiresAt: new Date(0) } })
    yield* account.me()
    yield* sessions.get({ path })
    yield* sessions.audit({ path, urlParams: { limit: 1, after: 0 } })
    yield* sessions.end({ path })
    yield* sessions.reopen({ path })
    yield* Effect.ignore(sessions.give({ path, payload: { owner: "bob" } }))
    yield* sessions.end({ path: { sessionId: `${sessionId}-2` } })
    yield* Effect.ignore(context.rebuild())
    yield* Effect.ignore(operator.refusals({ urlParams: { limit: 1 } }))
    yield* ask("/api/files", { headers: { authorization: "Bearer wrong" } })
    const headers = { authorization: `Bearer ${tokenOf(name)}` }
    yield* changes.replace({
      path: file,
      headers: { "if-match": "*", "content-type": "text/plain" },
      payload: "another text"
    })
    for (const fileIds of [undefined, [file.fileId]]) {
      const body = JSON.stringify({ fileIds })
      const archived = yield* ask(`/api/sessions/${sessionId}/archive`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body
      })
      assert.strictEqual(archived.status, 200)
      yield* Effect.promise(() => archived.arrayBuffer())
    }
    yield* Effect.promise(async () => {
      const abort = new AbortController()
      const followed = await fetch(`${baseUrl}/api/sessions/${sessionId}/events?after=0`, {
        headers,
        signal: abort.signal
      })
      await followed.body?.getReader().read()
      abort.abort()
    })
    yield* changes.createText({ path, payload: { name: "more.txt", text: "more" } })
    yield* changes.createText({ path, payload: { name: "most.txt", text: "most" } })
    yield* Effect.ignore(sessions.end({ path }))
    for (const path of ["/api/cleanups?limit=1", "/api/database", "/api/health/history"]) {
      let next: unknown = null
      // What is due in 2100 comes last.
      for (let pages = 0; pages === 0 || (next !== null && pages < 30); pages += 1) {
        const after = next === null ? "" : `&after=${encodeURIComponent(String(next))}`
        next = (yield* jsonOf(yield* ask(`${path}${after}`, { headers })))["next"] ?? null
      }
    }
  }
})

const halves = [
  { policy: "whole", share: 50 },
  { policy: "newest", share: 50 }
] as const

/** Its own work, on unmarked contents. */
const cleanedUp = (folder: string) =>
  Effect.gen(function* () {
    rmSync(join(folder, "files", "identity"))
    const { clientOf, file } = yield* serveOn(folder, { ...settings, cleanupInterval: Duration.millis(100) })
    const left = rowsOf(
      file,
      `/* the test */ SELECT 1 FROM file_cleanup_queue WHERE is_processed = 0 AND scheduled_deletion_time < '2100'
        UNION SELECT 1 FROM refusals`
    )
    yield* Effect.repeat(Effect.delay(left, "100 millis"), { until: (rows) => rows.length === 0 })
    const { files, sessions } = yield* clientOf(tokenOf("root"))
    yield* sessions.deleteFiles({ path: { sessionId: "queued" } })
    yield* sessions.end({ path: { sessionId: "queued" } })
    // The service ends while it extracts this text: first it has to start a process for it.
    yield* files.upload({ path: { sessionId: "long" }, payload: fileForm("long.txt", "some words ".repeat(50_000)) })
    const running = rowsOf(file, "/* the test */ SELECT 1 FROM file_texts WHERE state = 'running'")
    yield* Effect.repeat(Effect.delay(running, "10 millis"), { until: (rows) => rows.length > 0 })
  })

describe("every statement of the service", () => {
  it.scopedLive("has a plan whose cost does not grow with a table, and changes a bounded number of rows", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const seen = yield* recording(Effect.zipRight(Effect.scoped(asked(folder)), Effect.scoped(cleanedUp(folder))))
      const unbounded: Array<string> = []
      yield* independently(join(folder, "app.db"), (connection) => {
        for (const statement of seen.keys()) {
          if (migrations.includes(statement)) continue
          if (!/^(SELECT|WITH|INSERT|UPDATE|DELETE)\b/i.test(statement)) continue
          if (!growing.some((table) => new RegExp(`\\b${table}\\b`).test(statement))) continue
          const values = (statement.match(/\?/g) ?? []).map(() => null)
          const plan = connection.prepare(`EXPLAIN QUERY PLAN ${statement}`).all(...values)
          const lines = plan.map((row) => String(Object(row)["detail"]))
          if (readsJsonAgain(plan)) unbounded.push(`${statement}\n    reads its JSON again for each row`)
          const names = [...growing, ...aliasesIn(statement)]
          const bad = lines.filter(
            (line) =>
              names.some((name) => new RegExp(`^SCAN ${name}( USING|$)`).test(line)) || /USE TEMP B-TREE/.test(line)
          )
          if (bad.length > 0 && !allowed.some(([pattern]) => pattern.test(statement))) {
            unbounded.push(`${statement}\n    ${bad.join("\n    ")}`)
          }
        }
      })
      assert.deepStrictEqual(unbounded, [])
      const writesMany = [...seen].filter(([statement, rows]) => rows > mostChanged && !migrations.includes(statement))
      assert.deepStrictEqual(writesMany, [])

      const never: Array<string> = []
      for (const name of readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
        (name) => name.endsWith(".ts") && !/^(dist|postgres)\//.test(name) && name !== "Dialect.ts"
      )) {
        for (const parts of templatesOf(withoutPostgres(readFileSync(join(source, name), "utf8")))) {
          if (!wasRun(parts, seen.keys())) never.push(`${name}: ${plain(parts.join("..."))}`)
        }
      }
      assert.deepStrictEqual(never, [])
    })
  )
})

/** Whether an array that the statement was given is the inner one of two loops: it is parsed again for each row. */
const readsJsonAgain = (plan: ReadonlyArray<unknown>): boolean => {
  const loops = plan.map((row) => ({ parent: Number(Object(row)["parent"]), detail: String(Object(row)["detail"]) }))
  const isLoop = ({ detail }: { readonly detail: string }) => /^(SCAN|SEARCH) /.test(detail)
  return loops.some(
    (one, at) =>
      /^SCAN (given|json_each) /.test(one.detail) &&
      loops.slice(0, at).some((other) => other.parent === one.parent && isLoop(other))
  )
}

/** Other names of growing tables in a statement. */
const aliasesIn = (statement: string): ReadonlyArray<string> =>
  growing.flatMap((table) =>
    [...statement.matchAll(new RegExp(`\\b${table} (?:AS )?([a-z]{1,10})\\b`, "g"))].flatMap(([, alias]) =>
      alias === undefined ? [] : [alias]
    )
  )
