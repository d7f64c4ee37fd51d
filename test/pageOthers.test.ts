/** What the page says stays true while others, and other tabs, change things. */
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { noBrowser } from "./support/browser.ts"
import {
  choose,
  comeBack,
  entry,
  holdAnswers,
  listed,
  namesIn,
  onThePage,
  ready,
  Site,
  said,
  textOf,
  withFiles
} from "./support/page.ts"

const skipped = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`

/** What somebody else does, by the API. */
const others = (path: string, method: string) =>
  Effect.map(Site, ({ url }) => async () => {
    const response = await fetch(`${url}/api/${path}`, { method })
    assert.isTrue(response.ok, `${method} ${path}: ${response.status}`)
  })

describe.skipIf(noBrowser !== undefined)(`the page while others change things${skipped}`, () => {
  layer(Site.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("says which sessions there are not: none that ended, or none with that name", () =>
      Effect.gen(function* () {
        yield* withFiles("only-one", ["a.txt"])
        yield* onThePage("", async (page) => {
          await ready(page)
          const none = page.locator("#no-sessions")
          await page.getByRole("button", { name: "Ended", exact: true }).click()
          await none.filter({ hasText: /^No session has ended\.$/ }).waitFor()
          await page.getByLabel("Find or begin a session").fill("nothing-like-it")
          await none.filter({ hasText: /^No session that ended has this in its name\.$/ }).waitFor()
          await page.getByRole("button", { name: "All", exact: true }).click()
          await none.filter({ hasText: /^No session has this in its name\.$/ }).waitFor()
          await page.getByLabel("Find or begin a session").fill("only")
          await page.locator("#sessions-spoken", { hasText: /^1 session$/ }).waitFor({ state: "attached" })
        })
      })
    )

    it.scoped("does not call files filtered before they are", () =>
      Effect.gen(function* () {
        yield* withFiles("filtered", ["a.txt", "b.txt"])
        yield* onThePage("filtered", async (page) => {
          await listed(page, "2 files,")
          const { held, release } = await holdAnswers(page, /name=a/, 1)
          await page.getByLabel("Filter by name").fill("a")
          await held
          assert.notInclude(await textOf(page.locator("#count")), "in the name")
          release()
          await listed(page, "in the name")
          assert.deepStrictEqual(await namesIn(page), ["a.txt"])
        })
      })
    )

    it.scoped("empties a session to its last file, in as many steps as the service needs", () =>
      Effect.gen(function* () {
        yield* withFiles("emptied", ["a.txt", "b.txt"])
        yield* onThePage("emptied", async (page) => {
          await listed(page, "2 files,")
          await page.route(
            "**/emptied/files",
            (route) => route.fulfill({ status: 202, json: { deleted: 5, remaining: 2 } }),
            { times: 1 }
          )
          await choose(page, "emptied", "Delete all for good")
          await page.locator("#asker-do").click()
          await said(page, "7 files of emptied are deleted for good.")
          await listed(page, "No files.")
        })
      })
    )

    it.scoped("shows what another tab did when its user comes back, wherever they are", () =>
      Effect.gen(function* () {
        const [file] = yield* withFiles("before", ["tab-a.txt"])
        yield* onThePage("", async (page) => {
          await page.locator("#sessions a", { hasText: "before" }).waitFor()
          await page.evaluate("location.hash = '/all'")
          await entry(page, "tab-a.txt").waitFor()
          const { origin } = new URL(page.url())
          await page.request.delete(`${origin}/api/files/${file?.fileId}`)
          await page.request.post(`${origin}/api/sessions/after/texts`, { data: { name: "tab-b.txt", text: "b" } })
          await comeBack(page)
          await page.locator("#sessions a", { hasText: "after" }).waitFor()
          await entry(page, "tab-b.txt").waitFor()
          await entry(page, "tab-a.txt").waitFor({ state: "detached" })
        })
      })
    )

    it.scoped("tells that somebody deleted the file that is shown, and shows it again when it is restored", () =>
      Effect.gen(function* () {
        const [file] = yield* withFiles("shown", ["a.txt", "b.txt"])
        const remove = yield* others(`files/${file?.fileId}`, "DELETE")
        const destroy = yield* others(`files/${file?.fileId}/permanently`, "DELETE")
        yield* onThePage(
          "shown",
          async (page) => {
            await page.locator("#files").getByRole("button", { name: "a.txt", exact: true }).click()
            await page.locator("#preview pre").waitFor()
            await remove()
            await page.locator("#preview", { hasText: "This file is deleted." }).waitFor()
            await page.locator("#viewer-spoken", { hasText: "a.txt is deleted" }).waitFor({ state: "attached" })
            await page.locator("#viewer-actions").getByRole("button", { name: "Restore" }).click()
            await page.locator("#preview pre", { hasText: "content of a.txt" }).waitFor()
            await remove()
            await page.locator("#preview", { hasText: "This file is deleted." }).waitFor()
            await destroy()
            await page.locator("#preview", { hasText: "This file is gone for good." }).waitFor()
            assert.strictEqual(await page.getByRole("button", { name: "Restore" }).count(), 0)
            await page.keyboard.press("Escape")
            await page.locator("#viewer").waitFor({ state: "hidden" })
            assert.deepStrictEqual(await namesIn(page), ["b.txt"])
          },
          { provoked: /status of (404|410)/ }
        )
      })
    )

    it.scoped("keeps what is written in a file that somebody deletes, and offers to bring it back", () =>
      Effect.gen(function* () {
        const [file] = yield* withFiles("written", ["a.txt"])
        const remove = yield* others(`files/${file?.fileId}`, "DELETE")
        const destroy = yield* others(`files/${file?.fileId}/permanently`, "DELETE")
        yield* onThePage(
          "written",
          async (page) => {
            const edit = async (text: string) => {
              await page.getByRole("button", { name: "Edit" }).click()
              await page.getByLabel("Text of a.txt").fill(text)
            }
            await page.locator("#files").getByRole("button", { name: "a.txt", exact: true }).click()
            await edit("roses")
            await remove()
            await page.getByRole("button", { name: "Save", exact: true }).click()
            await page.getByText("Somebody deleted this file. Your text is not saved.").waitFor()
            await page.getByRole("button", { name: "Restore the file and save" }).click()
            await said(page, "a.txt is saved.")
            await page.locator("#preview pre", { hasText: "roses" }).waitFor()
            await edit("tulips")
            await remove()
            await destroy()
            await page.getByRole("button", { name: "Save", exact: true }).click()
            await page.getByText("This file is gone for good. Your text is not saved.").waitFor()
            await page.getByRole("button", { name: "Save as a new file" }).click()
            await said(page, "a.txt is saved.")
            await page.locator("#preview pre", { hasText: "tulips" }).waitFor()
          },
          { provoked: /status of (404|410|412)/ }
        )
      })
    )
  })
})
