/** What the running service reports of itself: metrics, traces, and how much memory it takes. */
import { readFileSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { ask, clientOf, runBackend, runningBackend, stopped } from "../support/backend.ts"
import { temporaryFolder } from "../support/database.ts"

const stages = ["directory", "connection", "pragmas", "migrations", "integrity"]

describe("/metrics", () => {
  it.scopedLive("has the stages of the start, requests by route and status, and files", () =>
    Effect.gen(function* () {
      const { url } = yield* runningBackend({ DATA_DIRECTORY: yield* temporaryFolder })
      const { files } = yield* clientOf(url)
      const { fileId } = yield* files.upload({ path: { sessionId: "s" }, payload: fileForm("a.txt", "four") })
      yield* ask(`${url}/api/files/${fileId}/content`)
      yield* ask(`${url}/api/files/nobody-knows-it`)
      yield* files.destroy({ path: { fileId } })
      const { headers, status, text } = yield* ask(`${url}/metrics`)
      assert.deepStrictEqual([status, headers.get("content-type")], [200, "text/plain; version=0.0.4; charset=utf-8"])
      for (const stage of stages) {
        assert.match(text, new RegExp(`^database_ready_stage_attempts_total\\{stage="${stage}"\\} [12]$`, "m"))
        assert.include(text, `database_ready_stage_duration_seconds_count{stage="${stage}"}`)
      }
      const lines = [
        `http_requests_total{method="POST",route="/api/sessions/:sessionId/files",status="201"} 1`,
        `http_requests_total{method="GET",route="/api/files/:fileId/content",status="200"} 1`,
        `http_requests_total{method="GET",route="/api/files/:fileId",status="404"} 1`,
        "conversation_files_uploads_total 1",
        "conversation_files_uploaded_bytes_total 4",
        "conversation_files_deletions_total 1"
      ]
      const labels = (line: string) => line.replace(/\{(.*)\}/, (_, inside: string) => `{${inside.split(",").sort()}}`)
      const seen = text.split("\n").map(labels)
      for (const line of lines) assert.include(seen, labels(line))
      assert.include(text, "# TYPE http_request_duration_seconds histogram")
    })
  )
})

interface Batch {
  readonly type: string | undefined
  readonly path: string | undefined
  readonly body: {
    readonly resourceSpans: ReadonlyArray<{
      readonly resource: unknown
      readonly scopeSpans: ReadonlyArray<{ readonly spans: ReadonlyArray<{ readonly name: string }> }>
    }>
  }
}

/** Collects everything that is sent to it, as long as the scope lives. */
const collector = Effect.gen(function* () {
  const batches: Array<Batch> = []
  const server = yield* Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Server>((resolve) => {
          const server = createServer((request, response) => {
            let text = ""
            request.setEncoding("utf8").on("data", (part: string) => {
              text += part
            })
            request.on("end", () => {
              batches.push({ type: request.headers["content-type"], path: request.url, body: JSON.parse(text) })
              response.end("{}")
            })
          }).listen(0, "127.0.0.1", () => resolve(server))
        })
    ),
    (server) =>
      Effect.promise(() => {
        server.closeAllConnections()
        return new Promise((resolve) => server.close(resolve))
      })
  )
  const address = server.address()
  const port = address === null || typeof address === "string" ? 0 : address.port
  return { batches, endpoint: `http://127.0.0.1:${port}` }
})

const spansOf = (batches: ReadonlyArray<Batch>) =>
  batches.flatMap(({ body }) =>
    body.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans.map(({ name }) => name)))
  )

describe("with OTEL_EXPORTER_OTLP_ENDPOINT", () => {
  it.scopedLive("spans of the start and of requests arrive as JSON, the last of them when it is told to stop", () =>
    Effect.gen(function* () {
      const { batches, endpoint } = yield* collector
      const backend = yield* runningBackend({
        DATA_DIRECTORY: yield* temporaryFolder,
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint
      })
      const { files } = yield* clientOf(backend.url)
      yield* files.upload({ path: { sessionId: "s" }, payload: fileForm("a.txt", "a") })
      const { code, stderr } = yield* stopped(backend)
      assert.strictEqual(code, 0, stderr)
      for (const { path, type } of batches) assert.deepStrictEqual([path, type], ["/v1/traces", "application/json"])
      const spans = spansOf(batches)
      for (const stage of stages) assert.include(spans, `database-ready.${stage}`)
      assert.include(spans, "http.server POST")
      assert.include(spans, "conversation-files.add")
      assert.include(JSON.stringify(batches[0]?.body.resourceSpans[0]?.resource), "conversation-files")
    })
  )

  it.scopedLive("a refused start is sent too", () =>
    Effect.gen(function* () {
      const { batches, endpoint } = yield* collector
      const settings = { DATA_DIRECTORY: "/dev/null/data", OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }
      assert.strictEqual((yield* runBackend(settings)).code, 73)
      assert.include(spansOf(batches), "database-ready.directory")
    })
  )

  it.scopedLive("a missing collector prevents neither serving nor ending with 0", () =>
    Effect.gen(function* () {
      const backend = yield* runningBackend({
        DATA_DIRECTORY: yield* temporaryFolder,
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9"
      })
      assert.strictEqual((yield* ask(`${backend.url}/readyz`)).status, 200)
      const { code, stderr } = yield* stopped(backend)
      assert.strictEqual(code, 0, stderr)
    })
  )
})

const MiB = 1024 * 1024

/** The peak memory of a process since it was last reset (proc(5)), in bytes. */
const peakOf = (pid: number | undefined) =>
  Effect.sync(() => {
    const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? []
    // Writing 5 resets it to the current value.
    writeFileSync(`/proc/${pid}/clear_refs`, "5")
    return Number(kibibytes) * 1024
  })

describe.skipIf(process.platform !== "linux")("the memory (only Linux tells its peak)", () => {
  it.scopedLive("grows by less than half of a file of 200 MiB while that is uploaded and downloaded", () =>
    Effect.gen(function* () {
      const backend = yield* runningBackend({
        DATA_DIRECTORY: yield* temporaryFolder,
        MAX_FILE_SIZE: String(200 * MiB)
      })
      const { files } = yield* clientOf(backend.url)
      const upload = (size: number) =>
        files.upload({ path: { sessionId: "s" }, payload: fileForm("a.bin", Buffer.alloc(size, "a")) })
      yield* upload(MiB)
      const before = yield* peakOf(backend.process.pid)
      const { fileId, size } = yield* upload(200 * MiB)
      const uploading = yield* peakOf(backend.process.pid)
      assert.strictEqual(size, 200 * MiB)
      // Processed chunks wait for a garbage collection, some 50 MiB of them, however large the file is.
      assert.isBelow(uploading - before, 100 * MiB)
      assert.strictEqual((yield* ask(`${backend.url}/api/files/${fileId}/download`)).text.length, 200 * MiB)
      const downloading = yield* peakOf(backend.process.pid)
      assert.isBelow(downloading - before, 100 * MiB)
      console.log(
        `peak ${before / MiB} MiB before, ${uploading / MiB} MiB uploading, ${downloading / MiB} MiB downloading`
      )
    })
  )
})
