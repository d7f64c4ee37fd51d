/** Who owns database and contents: a service run by root owns nothing, and users of a group follow one another. */
import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { fileForm } from "../../src/service/Client.ts"
import { backend, clientOf, spawnBackend, stopped } from "../support/backend.ts"
import { temporaryFolder } from "../support/database.ts"

const group = 54_321
const [alice, bob] = [
  { uid: 54_001, gid: group },
  { uid: 54_002, gid: group }
]

const why =
  process.getuid?.() === 0
    ? spawnSync("cat", [backend], { stdio: "ignore", ...alice }).status === 0
      ? undefined
      : "another user than root cannot read this checkout"
    : "only root can be several users"

/** Owner, group and mode of everything in a directory, each once. */
const permissionsIn = (directory: string) => {
  const found = { file: new Set<string>(), directory: new Set<string>() }
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    const { gid, mode, uid } = statSync(join(entry.parentPath, entry.name))
    found[entry.isDirectory() ? "directory" : "file"].add(`${uid}:${gid} ${(mode & 0o7777).toString(8)}`)
  }
  return { file: [...found.file].sort(), directory: [...found.directory].sort() }
}

/** One run of the service, with an upload. */
const run = Effect.fnUntraced(function* (
  folder: string,
  content: string,
  permissions: string,
  user?: { readonly uid: number; readonly gid: number }
) {
  const env = { DATA_DIRECTORY: folder, DATABASE_PERMISSIONS: permissions }
  const running = spawnBackend(env, user)
  const { files } = yield* clientOf(yield* Effect.promise(() => running.serving))
  yield* files.upload({ path: { sessionId: "s" }, payload: fileForm("a.txt", content) })
  const { code, stderr } = yield* stopped(running)
  assert.strictEqual(code, 0, stderr)
  assert.notMatch(stderr, /level=(WARN|ERROR).*(EACCES|EPERM)/)
})

describe.skipIf(why !== undefined)(`the service's files${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  it.scopedLive("belong to the owner of the data directory if root runs it; that user can then run it alone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      chownSync(folder, alice.uid, alice.gid)
      yield* run(folder, "root's", "owner")
      const own = `${alice.uid}:${alice.gid}`
      const expected = { file: [`${own} 600`], directory: [`${own} 700`] }
      assert.deepStrictEqual(permissionsIn(folder), expected)
      yield* run(folder, "alice's", "owner", alice)
      assert.deepStrictEqual(permissionsIn(folder), expected)
    })
  )

  it.scopedLive("belong to a group with DATABASE_PERMISSIONS=group: its users run it one after the other", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      chownSync(folder, 0, group)
      chmodSync(folder, 0o2770)
      yield* run(folder, "alice's", "group", alice)
      yield* run(folder, "bob's", "group", bob)
      yield* run(folder, "root's", "group")
      const { directory, file } = permissionsIn(folder)
      for (const [of, mode] of [
        [file, "660"],
        [directory, "2770"]
      ] as const) {
        for (const one of of) assert.match(one, new RegExp(`^\\d+:${group} ${mode}$`))
      }
    })
  )
})
