/** Texts for machines, checked by their own grammars. */
import { assert, describe, it } from "@effect/vitest"
import { createConfig, lintFromString } from "@redocly/openapi-core"
import * as Effect from "effect/Effect"
import packageJson from "../../package.json" with { type: "json" }
import { Api, fileForm } from "../../src/service/Client.ts"
import { description } from "../../src/service/Description.ts"
import { isOnPostgres, jsonOf, serving } from "../support/service.ts"

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
        "http_requests_total",
        "http_request_duration_seconds",
        "conversation_files_uploads_total",
        "conversation_files_refusals_total",
        "conversation_files_ready",
        "conversation_files_build_info",
        "conversation_files_disk_free_bytes"
      ])
      for (const [name, { help, type }] of Object.entries(families)) {
        assert.match(help ?? "", /\S/, name)
        assert.strictEqual(name.endsWith("_total"), type === "counter", name)
        assert.notMatch(name, /_(ms|millis|milliseconds|kb|mb)(_|$)/, name)
      }
      assert.deepInclude(families["conversation_files_ready"]?.samples[0], { value: 1 })
      assert.deepInclude(families["conversation_files_build_info"]?.samples[0]?.labels, {
        version: packageJson.version,
        node: process.versions.node
      })
      const engine = isOnPostgres ? "postgresql" : "sqlite"
      assert.match(families["conversation_files_build_info"]?.samples[0]?.labels[engine] ?? "", /^\d+\.\d+/)
      const routes = new Set(
        families["http_requests_total"]?.samples
          .map(({ labels }) => labels["route"])
          .filter((route) => route !== undefined)
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

describe("the description", () => {
  it.effect("is accepted by Redocly's linter, has the release's version, and every error as a problem", () =>
    Effect.gen(function* () {
      const config = yield* Effect.promise(() => createConfig({ extends: ["recommended"] }))
      const found = yield* Effect.promise(() => lintFromString({ source: JSON.stringify(description), config }))
      assert.deepStrictEqual(
        found.map(({ message, ruleId }) => `${ruleId}: ${message}`),
        []
      )
      assert.strictEqual(description.info.version, packageJson.version)
      for (const [path, item] of Object.entries(description.paths)) {
        for (const [method, operation] of Object.entries(item)) {
          const responses = Object.entries<{ readonly content?: object; readonly headers: object }>(
            Object(operation)["responses"]
          )
          assert.includeMembers(
            responses.map(([status]) => status),
            ["400", "404", "405", "408", "413", "415", "429", "431"],
            `${method} ${path}`
          )
          for (const [status, { content = {}, headers }] of responses) {
            if (Number(status) < 400 || "application/health+json" in content) continue
            assert.hasAllKeys(content, ["application/problem+json"], `${method} ${path} ${status}`)
            if (status === "405") assert.property(headers, "Allow")
            if (status === "429" || status === "503") assert.property(headers, "Retry-After")
            if (status === "401") assert.property(headers, "WWW-Authenticate")
          }
        }
      }
    })
  )
})

interface Family {
  type?: string
  help?: string
  readonly samples: Array<{
    readonly name: string
    readonly labels: Readonly<Record<string, string>>
    readonly value: number
  }>
}

const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/
const labelPair = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"/g

/** Parses the text by the grammar of the format; anything else fails. */
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
      if (kind === "HELP") {
        assert.notProperty(families[name], "type", "what it means comes before its type")
        families[name].help = rest ?? ""
      }
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
