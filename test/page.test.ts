/** The page at `/`, in a real browser, on a real service. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runningBackend } from "./support/backend.ts"
import { noBrowser, page } from "./support/browser.ts"
import { temporaryFolder } from "./support/database.ts"

describe.skipIf(noBrowser !== undefined)(`the page${noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`}`, () => {
  it.scopedLive("has a name", () =>
    Effect.gen(function* () {
      const { url } = yield* runningBackend({ DATA_DIRECTORY: yield* temporaryFolder })
      const tab = yield* page
      yield* Effect.promise(() => tab.goto(url))
      assert.strictEqual(yield* Effect.promise(() => tab.title()), "Conversation files")
    })
  )
})
