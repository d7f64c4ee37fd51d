/** The browser machine: opens the page on a session, waits until it shows the files, and saves what it looks like. */
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { fileForm } from "conversation-files/client"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { chromium } from "playwright-core"
import { runMachine } from "./machine.mjs"

const viewport = { width: 1024, height: 768 }

const launched = Effect.acquireRelease(
  Effect.promise(() =>
    readFile(new URL("../chromium.json", import.meta.url), "utf8").then((launch) => chromium.launch(JSON.parse(launch)))
  ),
  (browser) => Effect.promise(() => browser.close())
)

/** The names that the page shows once it shows as many as are expected, and its picture. */
const look = async (browser, { baseUrl, sessionId, token }, expected) => {
  const page = await browser.newPage({ viewport })
  await page.goto(`${baseUrl}/#${sessionId}`)
  await page.locator("#token").fill(Redacted.value(token))
  await page.locator("#token").press("Enter")
  const files = page.locator("#files [data-file-id]")
  await files.nth(expected - 1).waitFor()
  return { seen: await files.locator(".name").allTextContents(), picture: await page.screenshot() }
}

runMachine(
  Effect.fnUntraced(function* ({ files }, settings, expected) {
    const browser = yield* launched
    const { picture, seen } = yield* Effect.promise(() => look(browser, settings, Number(expected)))
    const payload = fileForm("screenshot.png", picture, {
      type: "image/png",
      metadata: { width: String(viewport.width), height: String(viewport.height) }
    })
    const file = yield* files.upload({ path: { sessionId: settings.sessionId }, payload })
    return { seen, file, taken: createHash("sha256").update(picture).digest("hex") }
  })
)
