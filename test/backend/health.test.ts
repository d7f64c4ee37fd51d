import { copyFileSync, renameSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { rivalWriter } from "../../layers/testing.ts"
import { Api, fileForm } from "../../src/backend/Client.ts"
import { independently, temporaryFolder } from "../support/database.ts"
import { jsonOf, type SomeSettings, serveOn, serving } from "../support/service.ts"

const looked = Effect.fnUntraced(function* (settings: SomeSettings = {}) {
  const at = yield* serving({ lockPatience: Duration.millis(50), ...settings })
  const health = Effect.gen(function* () {
    const response = yield* at.ask("/api/health")
    assert.match(response.headers.get("content-type") ?? "", /^application\/health\+json/)
    return { code: response.status, body: yield* jsonOf(response) }
  })
  const codes = Effect.all(
    ["/livez", "/readyz", "/startupz", "/api/health", "/api/files"].map((path) =>
      Effect.map(at.ask(path), ({ status }) => status)
    )
  )
  return { ...at, health, codes }
})

const well = [200, 200, 200, 200, 200]
const unwell = [200, 503, 200, 503, 503]

describe("/api/health", () => {
  it.scopedLive("tells the schema's version, a check per stage, the live database and the start's timeline", () =>
    Effect.gen(function* () {
      const { codes, health } = yield* looked()
      const { body, code } = yield* health
      assert.deepStrictEqual([code, body["status"], body["phase"], body["schemaVersion"]], [200, "pass", "open", "002"])
      const checks = Object(body["checks"])
      assert.deepStrictEqual(Object.keys(checks), [
        "sqlite:directory",
        "sqlite:connection",
        "sqlite:pragmas",
        "sqlite:migrations",
        "sqlite:integrity",
        "sqlite:database",
        "sqlite:write-lock",
        "storage:contents"
      ])
      for (const [check] of Object.values<ReadonlyArray<Record<string, unknown>>>(checks)) {
        assert.containsAllKeys(check, ["componentType", "status", "time", "observedValue", "observedUnit"])
      }
      const startup = Object(body["startup"])
      assert.deepStrictEqual(
        startup.stages.map(({ attempts, name }: { attempts: number; name: string }) => [name, attempts]),
        ["directory", "connection", "pragmas", "migrations", "integrity"].map((name) => [name, 1])
      )
      assert.deepStrictEqual(yield* codes, well)
    })
  )

  for (const [what, harm, repair] of [
    [
      "gone",
      (file: string, aside: string) => renameSync(file, aside),
      (file: string, aside: string) => renameSync(aside, file)
    ],
    [
      "replaced by another",
      (file: string, aside: string) => {
        renameSync(file, aside)
        copyFileSync(aside, file)
      },
      (file: string, aside: string) => renameSync(aside, file)
    ]
  ] as const) {
    it.scopedLive(`turns to 503 when the database is ${what}, and back when it is itself again; liveness stays`, () =>
      Effect.gen(function* () {
        const { codes, file, health } = yield* looked()
        const aside = `${file}.aside`
        yield* Effect.sync(() => harm(file, aside))
        assert.deepStrictEqual(yield* codes, unwell)
        const { body } = yield* health
        assert.strictEqual(body["status"], "fail")
        yield* Effect.sync(() => repair(file, aside))
        assert.deepStrictEqual(yield* codes, well)
      })
    )
  }

  it.scopedLive("turns to 503 when the schema is changed under it, says so, and back when it is mended", () =>
    Effect.gen(function* () {
      const { codes, file, health } = yield* looked()
      const change = (sql: string) => independently(file, (connection) => connection.exec(sql))
      yield* change("DROP INDEX idx_audit_log_session")
      assert.deepStrictEqual(yield* codes, unwell)
      const { body } = yield* health
      assert.match(JSON.stringify(Object(body["checks"])["sqlite:database"]), /idx_audit_log_session/)
      yield* change("CREATE INDEX idx_audit_log_session ON audit_log(session_id, event_id)")
      assert.deepStrictEqual(yield* codes, well)
    })
  )

  it.scopedLive("turns to 503 while the write lock is not to be had, and back; reading goes on meanwhile", () =>
    Effect.gen(function* () {
      const { ask, codes, file, health } = yield* looked()
      const rival = yield* Scope.make()
      yield* Scope.extend(rivalWriter(file), rival)
      assert.deepStrictEqual(yield* codes, [200, 503, 200, 503, 200])
      assert.match(JSON.stringify((yield* health).body["checks"]), /"observedValue":"NotWritable"/)
      const busy = yield* ask("/api/sessions/s1/files", { method: "DELETE" })
      assert.deepStrictEqual([busy.status, busy.headers.get("retry-after")], [503, "1"])
      assert.deepInclude(yield* jsonOf(busy), { _tag: "DatabaseBusy" })
      yield* Scope.close(rival, Exit.void)
      assert.deepStrictEqual(yield* codes, well)
    })
  )

  it.scopedLive("looks once for as long as the cache holds, however many ask", () =>
    Effect.gen(function* () {
      const { codes, file } = yield* looked({ healthCache: Duration.hours(1) })
      assert.deepStrictEqual(yield* codes, well)
      yield* Effect.sync(() => rmSync(file))
      assert.deepStrictEqual(yield* codes, well)
    })
  )

  it.scopedLive("warns of rows whose content was gone at the last sweep, and stays at 200", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const once = Effect.gen(function* () {
        const { client } = yield* serveOn(folder)
        return yield* client.files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "a") })
      })
      const { sha256 } = yield* Effect.scoped(once)
      rmSync(join(folder, "files", sha256.slice(0, 2), sha256))
      const { ask } = yield* serveOn(folder)
      const response = yield* ask("/api/health")
      const body = yield* jsonOf(response)
      assert.deepStrictEqual([response.status, body["status"]], [200, "warn"])
      assert.include(JSON.stringify(Object(body["checks"])["storage:contents"]), sha256)
    })
  )
})

describe("/metrics", () => {
  it.scopedLive("is Prometheus' text format, by its grammar, with as many routes as the API has", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* serving()
      yield* client.files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "a") })
      for (const path of [
        "/api/files/00000000-0000-4000-8000-000000000001",
        "/a/b/c/d/e/f",
        '/"\\{}',
        "/api/files/1/2/3/4",
        `/api/files/${"x".repeat(100)}`
      ])
        yield* ask(path)
      const response = yield* ask("/metrics")
      assert.strictEqual(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8")
      const families = familiesOf(yield* Effect.promise(() => response.text()))
      assert.containsAllKeys(families, [
        "http_requests",
        "http_request_duration_ms",
        "conversation_files_uploads",
        "conversation_files_refusals"
      ])
      const routes = new Set(
        families["http_requests"]?.samples.map(({ labels }) => labels["route"]).filter((route) => route !== undefined)
      )
      const known = [
        "unknown",
        "/",
        "/openapi.json",
        ...Object.values(Api.groups).flatMap(({ endpoints }) => Object.values(endpoints).map(({ path }) => `${path}`))
      ]
      for (const route of routes) assert.include(known, route)
    })
  )
})

interface Family {
  type?: string
  readonly samples: Array<{
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }>
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/g

/** Reads the text by the grammar of the format; what it does not allow fails. */
const familiesOf = (text: string): Readonly<Record<string, Family>> => {
  const families: Record<string, Family> = {}
  let current = ""
  assert.isTrue(text.endsWith("\n"))
  for (const line of text.trimEnd().split("\n")) {
    const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line)
    if (comment !== null) {
      const [, kind, name = "", rest] = comment
      if (name !== current) assert.notProperty(families, name, "a family comes in one piece")
      current = name
      families[name] ??= { samples: [] }
      if (kind === "TYPE") {
        assert.match(rest ?? "", /^(counter|gauge|histogram|summary|untyped)$/)
        families[name].type = rest ?? ""
      }
      continue
    }
    const [, name = "", labels = "", value = ""] = sampleLine.exec(line) ?? assert.fail(line)
    const family = families[current] ?? assert.fail(line)
    const suffixes = family.type === "histogram" ? ["_bucket", "_sum", "_count"] : ["", "_sum", "_count"]
    assert.include(
      suffixes.map((suffix) => current + suffix),
      name
    )
    assert.match(value, /^([+-]?\d+(\.\d+)?([eE][+-]?\d+)?|[+-]Inf|NaN)$/)
    family.samples.push({
      name,
      labels: Object.fromEntries([...labels.matchAll(labelPair)].map(([, label = "", text = ""]) => [label, text])),
      value: Number(value.replace("Inf", "Infinity"))
    })
  }
  for (const [name, { samples, type }] of Object.entries(families)) {
    assert.isDefined(type, name)
    const keys = samples.map((sample) => JSON.stringify([sample.name, sample.labels]))
    assert.strictEqual(new Set(keys).size, keys.length, `${name}: each series once`)
    if (type !== "histogram") continue
    const series = new Map<string, ReadonlyArray<Family["samples"][number]>>()
    for (const sample of samples) {
      const { le: _, ...rest } = sample.labels
      const key = JSON.stringify(rest)
      series.set(key, [...(series.get(key) ?? []), sample])
    }
    for (const [key, all] of series) {
      const buckets = all.filter((sample) => sample.name === `${name}_bucket`).map(({ value }) => value)
      assert.deepStrictEqual(
        buckets,
        [...buckets].sort((a, b) => a - b),
        `${name}${key}: buckets add up`
      )
      const last = all.find(({ labels }) => labels["le"] === "+Inf")
      assert.strictEqual(last?.value, all.find((sample) => sample.name === `${name}_count`)?.value, name + key)
    }
  }
  return families
}

describe("/openapi.json", () => {
  it.scopedLive("lists every endpoint, with every error that it can answer with", () =>
    Effect.gen(function* () {
      const { ask } = yield* serving()
      const description = yield* jsonOf(yield* ask("/openapi.json"))
      assert.match(String(description["openapi"]), /^3\.1\./)
      const paths = Object(description["paths"])
      const expected = Object.values(Api.groups).flatMap(({ endpoints }) =>
        Object.values(endpoints).map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`)
      )
      const listed = Object.entries<Record<string, unknown>>(paths).flatMap(([path, methods]) =>
        Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`)
      )
      assert.sameMembers(listed, expected)
      const codes = (path: string, method: string) => Object.keys(paths[path][method].responses)
      assert.includeMembers(codes("/api/sessions/{sessionId}/files", "post"), [
        "201",
        "400",
        "401",
        "403",
        "413",
        "429",
        "500",
        "503",
        "507"
      ])
      assert.includeMembers(codes("/api/files/{fileId}/content", "get"), ["200", "206", "404", "410", "416"])
      const schemas = JSON.stringify(description)
      for (const tag of [
        "Unauthorized",
        "Forbidden",
        "FileNotFound",
        "FileDeleted",
        "InvalidFileName",
        "InvalidUpload",
        "FileTooLarge",
        "RangeNotSatisfiable",
        "TooManyRequests",
        "DatabaseBusy",
        "NotReady",
        "StorageFull",
        "InternalError",
        "HttpApiDecodeError"
      ]) {
        assert.include(schemas, `"${tag}"`)
      }
      // Every reference leads somewhere.
      for (const [, name = ""] of schemas.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
        assert.property(Object(Object(description["components"])["schemas"]), name)
      }
    })
  )
})
