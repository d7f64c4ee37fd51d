/**
 * Two processes of the service on one data directory: one uploads what the other deletes, the same content repeatedly.
 * Long form: `RACE_ROUNDS=2000 npx vitest run --config test/vitest.config.ts service/race`.
 */
import { createHash } from "node:crypto"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Client, fileForm } from "../../src/service/Client.ts"
import { clientOf, runningBackend } from "../support/backend.ts"
import { rowsOf, temporaryFolder } from "../support/database.ts"
import { contentsIn, onlySqlite } from "../support/service.ts"

const rounds = Number(process.env["RACE_ROUNDS"] ?? 10)

const hashOf = (content: string) => createHash("sha256").update(content).digest("hex")

const upload = ({ files }: Client, sessionId: string, content: string) =>
  files.upload({ path: { sessionId }, payload: fileForm("a.txt", content) })

describe("two processes on one data directory", () => {
  it.scopedLive.skipIf(onlySqlite("compares the disk with the rows"))(
    "never leave a row without its content or an unwanted content, while one uploads what the other deletes",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        // Both write all the time, on a machine that may be busy.
        const settings = { DATA_DIRECTORY: folder, LOCK_PATIENCE: "1 minute", REQUESTS_PER_SECOND: "100000" }
        const [one, two] = yield* Effect.all(
          [
            Effect.map(runningBackend(settings), ({ url }) => url),
            Effect.map(runningBackend(settings), ({ url }) => url)
          ],
          { concurrency: "unbounded" }
        )
        const [first, second] = [yield* clientOf(one), yield* clientOf(two)]
        const acknowledged = new Set<string>()
        for (let round = 0; round < rounds; round += 1) {
          const doomed = yield* upload(first, "s1", "the same")
          const [kept] = yield* Effect.all(
            [
              upload(first, "s1", "the same"),
              first.files.destroy({ path: doomed }),
              upload(second, "s2", "the same"),
              second.sessions.deleteFiles({ path: { sessionId: "s3" } }),
              upload(second, "s3", `another ${round % 2}`)
            ],
            { concurrency: "unbounded" }
          )
          acknowledged.add(kept.fileId)
          // Read through the other process: what one acknowledged can be read from both.
          const content = yield* second.files.view({ path: kept })
          assert.strictEqual(new TextDecoder().decode(content), "the same")
          if (round % 3 === 0) {
            yield* Effect.all(
              [
                first.sessions.deleteFiles({ path: { sessionId: "s2" } }),
                ...[...acknowledged].map((fileId) => second.files.destroy({ path: { fileId } }))
              ],
              { concurrency: "unbounded" }
            )
            acknowledged.clear()
          }
        }
        const rows = yield* rowsOf(
          join(folder, "conversation_files.db"),
          "SELECT file_id, file_hash FROM conversation_files"
        )
        const wanted = new Set(rows.map((row) => String(Object(row).file_hash)))
        assert.includeMembers([...(yield* contentsIn(folder))], [...wanted])
        for (const fileId of acknowledged) assert.deepInclude(rows, { file_id: fileId, file_hash: hashOf("the same") })
        // Unwanted contents are deleted with the last file, not by a sweep.
        yield* first.sessions.deleteFiles({ path: { sessionId: "s1" } })
        yield* second.sessions.deleteFiles({ path: { sessionId: "s2" } })
        yield* first.sessions.deleteFiles({ path: { sessionId: "s3" } })
        assert.deepStrictEqual(yield* contentsIn(folder), [])
      }),
    60_000 + rounds * 2000
  )

  it.scopedLive("give a session to one user if both claim it at once", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const settings = {
        DATA_DIRECTORY: folder,
        LOCK_PATIENCE: "1 minute",
        API_TOKENS: "alice:0123456789abcdef,bob:fedcba9876543210"
      }
      const alice = yield* clientOf((yield* runningBackend(settings)).url, "0123456789abcdef")
      const bob = yield* clientOf((yield* runningBackend(settings)).url, "fedcba9876543210")
      for (let n = 0; n < 5; n += 1) {
        const outcomes = yield* Effect.all(
          [alice, bob].map((client) => Effect.either(upload(client, `s${n}`, "mine"))),
          { concurrency: "unbounded" }
        )
        assert.sameMembers(
          outcomes.map((outcome) => (outcome._tag === "Right" ? "stored" : outcome.left._tag)),
          ["stored", "Forbidden"]
        )
      }
      const owners = yield* rowsOf(
        join(folder, "conversation_files.db"),
        `SELECT count(*) AS wrong FROM conversation_files f JOIN session_owners o ON o.session_id = f.session_id
         WHERE f.uploaded_by <> o.owner`
      )
      assert.deepStrictEqual(owners, [{ wrong: 0 }])
    })
  )
})
