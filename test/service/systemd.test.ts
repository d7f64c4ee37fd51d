/** What systemd hears of the service. */
import { renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ask, runBackend, runningBackend, stopped } from "../support/backend.ts"
import { temporaryFolder } from "../support/database.ts"
import { because } from "../support/faults.ts"
import { listening, unavailable } from "../support/systemd.ts"

describe.skipIf(unavailable !== undefined)(`systemd${because(unavailable)}`, () => {
  it.scopedLive("hears that the service is ready once it serves, whether it is sound, and that it stops", () =>
    Effect.gen(function* () {
      const { heard, socket, until } = yield* listening
      const folder = yield* temporaryFolder
      const file = join(folder, "conversation_files.db")
      const backend = yield* runningBackend({
        DATA_DIRECTORY: folder,
        NOTIFY_SOCKET: socket,
        WATCHDOG_USEC: "1000000"
      })
      assert.strictEqual(heard.at(-1), `READY=1 | STATUS=ready: ${file}`)
      assert.strictEqual((yield* ask(`${backend.url}/api/me`)).status, 200)
      yield* until(/^WATCHDOG=1$/)
      renameSync(file, `${file}.away`)
      yield* until(/^STATUS=not sound: /)
      renameSync(`${file}.away`, file)
      assert.strictEqual((yield* stopped(backend)).code, 0)
      assert.strictEqual(heard.at(-1), "STOPPING=1")
    })
  )

  it.scopedLive("hears why the database is not ready, and never that a service is ready which does not serve", () =>
    Effect.gen(function* () {
      const { heard, socket } = yield* listening
      const folder = yield* temporaryFolder
      const settings = { DATA_DIRECTORY: folder, NOTIFY_SOCKET: socket }
      const elsewhere = yield* temporaryFolder
      for (const DATA_DIRECTORY of [folder, elsewhere]) yield* stopped(yield* runningBackend({ DATA_DIRECTORY }))
      // The database of other contents is ready, but nothing is served.
      const other = yield* runBackend({ ...settings, DATABASE_FILE: join(elsewhere, "conversation_files.db") })
      assert.strictEqual(other.code, 65)
      assert.notMatch(heard.join("\n"), /READY/)
      heard.length = 0
      const directory = yield* runBackend({ ...settings, DATABASE_FILE: folder })
      assert.notStrictEqual(directory.code, 0)
      assert.match(heard.at(-1) ?? "", /^STATUS=not ready: /)
      assert.notMatch(heard.join("\n"), /READY/)
    })
  )
})
