/** The end-to-end workflow of the six machines. */
import { readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { FileDetails, fileForm } from "../../src/service/Client.ts"
import { clientOf } from "./backend.ts"
import { refusal, temporaryFolder } from "./database.ts"
import {
  Answer,
  as,
  databaseIn,
  everyEvent,
  everyFile,
  inSession,
  machine,
  Reading,
  Screenshot,
  type System,
  settingsFor,
  sha256,
  tokenOf,
  uploadInThePage
} from "./sixMachines.ts"

/** A user, four machines, a stranger, and a backend that is killed in between. */
export const endToEnd = (system: System) =>
  Effect.gen(function* () {
    const dataDirectory = yield* temporaryFolder
    const settings = settingsFor(dataDirectory)
    const before = yield* system.serve(settings)

    // A user uploads in the page; the NPU worker fetches it and returns its result.
    const text = "what the user wrote"
    yield* Effect.scoped(uploadInThePage("ann", before.url, "report.txt", text))
    const [report] = (yield* Effect.flatMap(as("ann", before.url), (files) => files.list(everyFile))).files
    assert.isDefined(report)
    const result = yield* machine(system, "npu", FileDetails, before.at, report.fileId)
    assert.include(result.metadata, { source: report.fileId, words: "4" })

    // The administrators compare two ways of choosing what a model sees.
    const administrator = yield* clientOf(before.url, tokenOf.ai)
    const policies = (["relevant", "whole"] as const).map((policy) => ({ policy, share: 50 }))
    const endsAt = new Date(Date.now() + 3_600_000)
    yield* administrator.experiments.create({ payload: { name: "which-helps", policies, endsAt } })

    // The backend is killed: its memory is gone, but what it acknowledged is in SQLite's log. What it was extracting is
    // extracted again soon after.
    assert.strictEqual((yield* before.end("SIGKILL")).code, "SIGKILL")
    assert.isAbove(statSync(`${databaseIn(dataDirectory)}-wal`).size, 0)
    const { at, url } = yield* system.serve(settings)

    // The browser machine adds a screenshot; the AI machine lists and reads all of it.
    const { file: screenshot, seen } = yield* machine(system, "browser", Screenshot, at, "2")
    assert.deepStrictEqual(seen, ["result.json", "report.txt"])
    const all = [screenshot, result, report]
    assert.deepStrictEqual(
      yield* machine(system, "ai", Reading, at),
      all.map(({ name, sha256, size }) => ({ name, size, sha256 }))
    )
    assert.strictEqual(report.sha256, sha256(text))

    // It answers a message from what it finds in the files, and reports what was of help.
    const answered = yield* machine(system, "ai", Answer, at, "What did the user write?")
    assert.include(answered.answer, { name: "answer.txt", mimeType: "text/plain", messageId: "answer-1" })
    assert.deepStrictEqual([answered.experiment, answered.reports], ["which-helps", [true, true]])
    const shown = yield* Effect.flatMap(clientOf(url, tokenOf.ai), ({ experiments }) =>
      experiments.result({ path: { name: "which-helps" } })
    )
    assert.deepStrictEqual(
      shown.policies
        .map(({ countedSessions, helpfulSessions, passages, policy, sessions }) =>
          policy === answered.policy
            ? [sessions, countedSessions, helpfulSessions, passages]
            : [sessions, countedSessions]
        )
        .sort(),
      [
        [0, 0],
        [1, 1, 1, { used: 0, helpful: 1, ignored: 1 }]
      ]
    )

    // A second user can neither read nor write anything of it.
    const path = { fileId: report.fileId }
    const stranger = yield* as("bob", url)
    const refused = yield* Effect.all([
      refusal(stranger.list(everyFile)),
      refusal(stranger.download({ path })),
      refusal(stranger.upload({ ...inSession, payload: fileForm("note.txt", "bob was here") }))
    ])
    assert.deepStrictEqual(
      refused.map(({ _tag }) => _tag),
      ["Forbidden", "Forbidden", "Forbidden"]
    )
    const plainly = yield* Effect.promise(() =>
      fetch(`${url}/api/files/${report.fileId}/content`, { headers: { authorization: `Bearer ${tokenOf.bob}` } })
    )
    assert.strictEqual(plainly.status, 403)

    // The session is emptied: no row, no content.
    const { account, files, sessions } = yield* clientOf(url, tokenOf.ann)
    assert.include(yield* sessions.deleteFiles(inSession), { deleted: 4 })
    assert.deepStrictEqual((yield* files.list(everyFile)).files, [])
    assert.include(yield* account.storage(), { files: 0, deletedFiles: 0, bytes: 0, storedBytes: 0 })
    const contents = readdirSync(join(dataDirectory, "files"), { recursive: true, withFileTypes: true })
    assert.deepStrictEqual(
      contents.filter((entry) => entry.isFile() && !["identity", "proof", "reserve"].includes(entry.name)),
      []
    )

    // Only the record remains, in order.
    const { events } = yield* sessions.audit(everyEvent)
    assert.deepStrictEqual(
      events.map(({ action, actor, name, outcome, reason }) => [actor, action, name, reason ?? outcome]),
      [
        ["ann", "upload", "report.txt", "done"],
        ["npu", "download", "report.txt", "done"],
        ["npu", "upload", "result.json", "done"],
        ["browser", "upload", "screenshot.png", "done"],
        ["ai", "view", "screenshot.png", "done"],
        ["ai", "view", "result.json", "done"],
        ["ai", "view", "report.txt", "done"],
        ["ai", "view", "report.txt", "done"],
        ["ai", "view", "result.json", "done"],
        ["ai", "upload", "answer.txt", "done"],
        ["bob", "list", null, "Forbidden"],
        ["bob", "download", "report.txt", "Forbidden"],
        ["bob", "upload", null, "Forbidden"],
        ["bob", "view", "report.txt", "Forbidden"],
        ["ann", "delete", "report.txt", "done"],
        ["ann", "delete", "result.json", "done"],
        ["ann", "delete", "screenshot.png", "done"],
        ["ann", "delete", "answer.txt", "done"]
      ]
    )
  })
