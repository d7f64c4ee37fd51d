/** A full disk: reading and deleting still work, uploads are refused. On a small filesystem of its own. */
import { spawnSync } from "node:child_process"
import { existsSync, readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { clientOf, runningBackend, stopped } from "../support/backend.ts"
import { rowsOf, temporaryFolder } from "../support/database.ts"

// In its own namespace, which ends with the command.
const obstacle = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"], { encoding: "utf8" })
const why = obstacle.error?.message ?? (obstacle.status === 0 ? undefined : obstacle.stderr.trim())

const mounted = Effect.tap(temporaryFolder, (folder) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      assert.strictEqual(spawnSync("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", folder]).status, 0)
    ),
    () => Effect.sync(() => assert.strictEqual(spawnSync("umount", ["-l", folder]).status, 0))
  )
)

/** Writes until not one byte more fits. */
const fill = (file: string) => spawnSync("dd", ["if=/dev/zero", `of=${file}`, "bs=4k"])

const inSession = { path: { sessionId: "s" } }

describe.skipIf(why !== undefined)(`a full disk${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  it.scopedLive("still allows reading and deleting; uploads get a typed 507, and health warns", () =>
    Effect.gen(function* () {
      const folder = yield* mounted
      const settings = { DATA_DIRECTORY: folder, HEALTH_CACHE: "0ms", CLEANUP_INTERVAL: "1 second" }
      let backend = yield* runningBackend(settings)
      const { files } = yield* clientOf(backend.url)
      const upload = (bytes: number) =>
        files.upload({ ...inSession, payload: fileForm("a.bin", new Uint8Array(bytes).fill(bytes % 251)) })
      const kept = yield* upload(300_000)
      const doomed = yield* upload(400_001)
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => existsSync(join(folder, "files", "reserve")) })

      fill(join(folder, "filler"))
      assert.strictEqual((yield* Effect.flip(upload(200_002)))._tag, "StorageFull")
      const health = yield* Effect.promise(() => fetch(`${backend.url}/api/health`).then((answer) => answer.text()))
      assert.match(health, /bytes are free\. Below \d+ bytes uploads are refused/)
      const ready = yield* Effect.promise(() => fetch(`${backend.url}/readyz`))
      assert.strictEqual(ready.status, 200)
      for (let n = 0; n < 50; n += 1) {
        assert.strictEqual((yield* files.view({ path: kept })).length, 300_000)
      }
      assert.isString((yield* files.delete({ path: doomed })).deletedAt)
      assert.isNull((yield* files.restore({ path: doomed })).deletedAt)
      yield* files.destroy({ path: doomed })

      // Started again on the full disk, it can still be read.
      fill(join(folder, "more"))
      yield* stopped(backend)
      fill(join(folder, "filler again"))
      backend = yield* runningBackend(settings)
      const again = (yield* clientOf(backend.url)).files
      assert.strictEqual((yield* again.view({ path: kept })).length, 300_000)

      for (const filler of ["filler", "more", "filler again"]) rmSync(join(folder, filler), { force: true })
      yield* again.upload({ ...inSession, payload: fileForm("a.bin", "space again") })
      yield* Effect.repeat(Effect.sleep("20 millis"), { until: () => existsSync(join(folder, "files", "reserve")) })
      // What was read meanwhile is recorded.
      yield* stopped(backend)
      const [views] = yield* rowsOf(
        join(folder, "conversation_files.db"),
        "SELECT count(*) AS n FROM file_access_log WHERE access_type = 'view'"
      )
      assert.isAtLeast(Number(Object(views).n), 1)
    })
  )

  it.scopedLive(
    "without a reserve makes the service not ready, with the reason in the log, until a page can be written again",
    () =>
      Effect.gen(function* () {
        const folder = yield* mounted
        const settings = { DATA_DIRECTORY: folder, HEALTH_CACHE: "0ms", DISK_RESERVE: "0" }
        const backend = yield* runningBackend(settings)
        const { files } = yield* clientOf(backend.url)
        const kept = yield* files.upload({ ...inSession, payload: fileForm("a.bin", new Uint8Array(30_000)) })
        const before = readdirSync(folder).sort()
        const readyz = Effect.promise(() =>
          fetch(`${backend.url}/readyz`).then(async (it) => [it.status, await it.text()])
        )
        const [was] = yield* readyz
        assert.strictEqual(was, 200)
        fill(join(folder, "filler"))
        const [status, text] = yield* readyz
        assert.strictEqual(status, 503)
        assert.match(String(text), /"sqlite:write-lock":\[\{[^}]*"status":"fail"[^}]*There is no space left for/)
        // Existing files can be read, and any other write is a typed refusal.
        assert.strictEqual((yield* files.view({ path: kept })).length, 30_000)
        const renames = Effect.forEach(
          Array.from({ length: 2000 }, (_, n) => n),
          (n) => files.rename({ path: kept, payload: { name: `${"n".repeat(200)}${n}` } })
        )
        assert.strictEqual((yield* Effect.flip(renames))._tag, "StorageFull")
        rmSync(join(folder, "filler"))
        assert.deepStrictEqual([(yield* readyz)[0], readdirSync(folder).sort()], [200, before])
        const { stderr } = yield* stopped(backend)
        assert.match(stderr, /level=ERROR .*Health: sqlite:write-lock is fail, was pass: WriteError.DiskFull: /)
        assert.match(stderr, /level=INFO .*Health: sqlite:write-lock is (pass|warn), was fail/)
        assert.notInclude(stderr, "defect")
      })
  )
})
