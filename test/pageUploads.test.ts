/** Uploads that get no answer, or one of something else than the service. */
import { assert, describe, layer } from "@effect/vitest"
import type { Page } from "playwright-core"
import { noBrowser } from "./support/browser.ts"
import { entry, listed, namesIn, onThePage, ready, Site, said, textFile } from "./support/page.ts"

const skipped = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`

/** From now on the page's own clock can be advanced. */
const withClock = async (page: Page) => {
  await page.clock.install()
  await page.reload()
  await ready(page)
}

/** The next upload reaches nobody, until it is released. */
const holdUpload = async (page: Page) => {
  let release = () => {}
  let isThere = () => {}
  const held = new Promise<void>((resolve) => {
    isThere = resolve
  })
  await page.route(
    /\/files$/,
    async (route) => {
      const gone = new Promise<void>((resolve) => {
        release = resolve
      })
      isThere()
      await gone
      await route.continue().catch(() => {
        // The page has given it up.
      })
    },
    { times: 1 }
  )
  return { held, release: () => release() }
}

describe.skipIf(noBrowser !== undefined)(`the page and uploads without an answer${skipped}`, () => {
  layer(Site.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("says that something else answered, whatever it answered with, and sends the file again", () =>
      onThePage("proxied", async (page) => {
        await ready(page)
        for (const status of [200, 201, 204]) {
          const answer = { status, contentType: "text/html", body: status === 204 ? "" : "<html>Sign in</html>" }
          await page.route(/\/files$/, (route) => route.fulfill(answer), { times: 1 })
          await page.locator("#upload").setInputFiles(textFile(`${status}.txt`))
          await page
            .locator("#uploads .problem", { hasText: /^Something else answered instead of the service\. Look/ })
            .waitFor()
          await page.getByRole("button", { name: `Try again ${status}.txt` }).click()
          await said(page, `${status}.txt is uploaded.`)
        }
        assert.deepStrictEqual(await namesIn(page), ["204.txt", "201.txt", "200.txt"])
      })
    )

    it.scoped("says when an upload does not get on, and takes that back when it does", () =>
      onThePage("stalled", async (page) => {
        await withClock(page)
        const { held, release } = await holdUpload(page)
        await page.locator("#upload").setInputFiles(textFile("a.txt"))
        await held
        const note = page.locator("#upload-list .stalled")
        await page.clock.fastForward(20_000)
        await page.locator("#upload-list progress").waitFor()
        assert.isTrue(await note.isHidden())
        await page.getByRole("button", { name: "Cancel a.txt" }).focus()
        await page.clock.fastForward(20_000)
        await note.filter({ hasText: /^No progress for 30 seconds|^All of it is sent/ }).waitFor()
        // The user's place stays.
        await page.getByRole("button", { name: "Cancel a.txt" }).and(page.locator(":focus")).waitFor()
        release()
        await entry(page, "a.txt").waitFor()
        await page.locator("#uploads").waitFor({ state: "hidden" })
      })
    )

    it.scoped("begins an upload anew that does not get on, when its user wants that", () =>
      onThePage("anew", async (page) => {
        await withClock(page)
        const { held, release } = await holdUpload(page)
        await page.locator("#upload").setInputFiles(textFile("a.txt"))
        await held
        await page.clock.fastForward(40_000)
        const anew = page.getByRole("button", { name: "Start again a.txt" })
        await anew.press("Enter")
        await said(page, "a.txt is uploaded.")
        release()
        await listed(page, "1 file,")
        assert.deepStrictEqual(await namesIn(page), ["a.txt"])
      })
    )
  })
})
