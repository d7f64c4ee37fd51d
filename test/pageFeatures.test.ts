/** What people do on the page with many files, texts, sessions, and a service with several users. */
import { readFileSync } from "node:fs"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { fileForm } from "../src/service/Client.ts"
import { clientOf, runningBackend } from "./support/backend.ts"
import { noBrowser } from "./support/browser.ts"
import { temporaryFolder } from "./support/database.ts"
import {
  choose,
  entry,
  image,
  listed,
  namesIn,
  onThePage,
  Site,
  said,
  textFile,
  textOf,
  uploaded,
  withFiles
} from "./support/page.ts"

const skipped = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`

/** Puts one file with these facts into a session, by the API. */
const withFile = (session: string, name: string, content: string, facts: Parameters<typeof fileForm>[2] = {}) =>
  Effect.gen(function* () {
    const { url } = yield* Site
    const { files } = yield* clientOf(url)
    const payload = fileForm(name, content, { type: "text/plain", ...facts })
    return yield* files.upload({ path: { sessionId: session }, payload })
  })

describe.skipIf(noBrowser !== undefined)(`what the page does${skipped}`, () => {
  layer(Site.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("lists the sessions with what they hold, finds one by part of its name, and begins another", () =>
      Effect.gen(function* () {
        yield* withFiles("list-one", ["a.txt", "b.txt"])
        yield* withFiles("list-two", ["c.txt"])
        yield* onThePage("", async (page) => {
          const rows = page.locator("#sessions li")
          await page.getByText("Choose a session to see its files.").waitFor()
          await page.getByLabel("Find or begin a session").fill("LIST-")
          await rows.filter({ hasText: "Open or begin LIST-" }).waitFor()
          await rows.filter({ hasText: /list-one2 files · 32 bytes/ }).waitFor()
          assert.strictEqual(await rows.count(), 3)
          await rows.filter({ hasText: "list-two" }).getByRole("link").click()
          await listed(page, "1 file,")
          assert.deepStrictEqual(await namesIn(page), ["c.txt"])
          await page.locator("#sessions [aria-current=page]", { hasText: "list-two" }).waitFor()
          await page.getByLabel("Find or begin a session").fill("not/a/name")
          await page.keyboard.press("Enter")
          await page.locator("#session-problem", { hasText: "A session name has letters, digits" }).waitFor()
          await page.getByLabel("Find or begin a session").fill("list-three")
          await page.keyboard.press("Enter")
          await listed(page, "No files.")
          await uploaded(page, "first.txt")
          await rows.filter({ hasText: "list-three1 file" }).waitFor()
        })
      })
    )

    it.scoped("lists the files of all sessions, searches in them, and leads to the session of each", () =>
      Effect.gen(function* () {
        yield* withFiles("everywhere-1", ["needle one.txt", "hay.txt"])
        yield* withFiles("everywhere-2", ["needle two.txt"])
        yield* onThePage("/all", async (page) => {
          await page.getByLabel("Filter by name").fill("needle")
          await listed(page, "2 files with “needle” in the name")
          await entry(page, "needle one.txt").getByRole("link", { name: "everywhere-1" }).click()
          await listed(page, "2 files,")
          assert.strictEqual(await textOf(page.locator("#files-heading")), "everywhere-1")
        })
      })
    )

    it.scoped("sorts all of a list, not only the shown part, by name, size and time", () =>
      Effect.gen(function* () {
        yield* withFile("sorted", "file 10.txt", "x".repeat(10))
        for (let index = 0; index < 25; index += 1) yield* withFile("sorted", `other ${index}.txt`, "xxx")
        yield* withFile("sorted", "file 9.txt", "x".repeat(2000))
        yield* onThePage("sorted", async (page) => {
          await listed(page, "The newest 25 files")
          const sort = page.getByLabel("Sort by")
          const firstTwo = async () => (await namesIn(page)).slice(0, 2)
          await sort.selectOption("Name")
          await listed(page, /^27 files/)
          assert.deepStrictEqual(await firstTwo(), ["file 9.txt", "file 10.txt"])
          await sort.selectOption("Largest first")
          await entry(page, "file 9.txt").and(page.locator("li:first-child")).waitFor()
          assert.deepStrictEqual(await firstTwo(), ["file 9.txt", "file 10.txt"])
          await sort.selectOption("Oldest first")
          await entry(page, "file 10.txt").and(page.locator("li:first-child")).waitFor()
        })
      })
    )

    it.scoped("selects one by one, by range and all, and deletes, restores and destroys the selection", () =>
      Effect.gen(function* () {
        yield* withFiles("bulk", ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"])
        yield* onThePage("bulk", async (page) => {
          await listed(page, "5 files")
          const [first = "", , third = ""] = await namesIn(page)
          const bulk = page.locator("#bulk")
          await page.getByLabel(`Select ${first}`).check()
          await bulk.getByText("1 selected").waitFor()
          await page.getByLabel(`Select ${third}`).click({ modifiers: ["Shift"] })
          await bulk.getByText("3 selected").waitFor()
          await bulk.getByRole("button", { name: "Delete" }).click()
          await said(page, "3 files are deleted.")
          await listed(page, "2 files")
          await page.getByRole("button", { name: "Undo" }).click()
          await said(page, "3 files are restored.")
          await listed(page, "5 files")
          await page.getByLabel("Select all shown files").check()
          await bulk.getByText("5 selected").waitFor()
          await bulk.getByRole("button", { name: "Delete" }).click()
          await said(page, "5 files are deleted.")
          await page.getByRole("button", { name: "Deleted", exact: true }).click()
          await listed(page, "5 deleted files")
          await page.getByLabel(`Select ${first}`).check()
          await page.getByLabel(`Select ${third}`).check()
          await bulk.getByRole("button", { name: "Restore" }).click()
          await said(page, "2 files are restored.")
          await listed(page, "3 deleted files")
          await page.getByLabel("Select all shown files").check()
          await bulk.getByRole("button", { name: "Delete for good" }).click()
          await page.getByRole("dialog").getByText("3 files are gone then.").waitFor()
          await page.getByRole("dialog").getByRole("button", { name: "Delete for good" }).click()
          await said(page, "3 files are deleted for good.")
          await listed(page, "No deleted files.")
        })
      })
    )

    it.scoped("uploads many files, several at a time, tells how many of how many, shows few, and cancels all", () =>
      onThePage("two-hundred", async (page) => {
        await listed(page, "No files.")
        let waiting = 0
        let most = 0
        const release: Array<() => void> = []
        await page.route("**/two-hundred/files", async (route) => {
          if (route.request().method() !== "POST") return route.continue()
          waiting += 1
          most = Math.max(most, waiting)
          await new Promise<void>((resolve) => release.push(resolve))
          waiting -= 1
          await route.continue().catch(() => undefined)
        })
        const next = async () => {
          while (release.length === 0) await page.waitForTimeout(10)
          release.shift()?.()
        }
        const names = Array.from({ length: 200 }, (_, index) => `f${index}.txt`)
        await page.locator("#upload").setInputFiles(names.map((name) => textFile(name)))
        const heading = page.locator("#uploads-heading")
        await heading.filter({ hasText: "Uploading 3 of 200, 0 bytes of 1.8 KB done" }).waitFor()
        for (let index = 0; index < 4; index += 1) await next()
        await heading.filter({ hasText: "Uploading 7 of 200" }).waitFor()
        assert.strictEqual(await page.locator("#upload-list li").count(), 3)
        await page.getByText("193 files wait.").waitFor()
        await page.getByRole("button", { name: "Cancel all" }).click()
        await said(page, "4 files are uploaded. 196 uploads are cancelled.")
        await page.locator("#uploads").waitFor({ state: "hidden" })
        for (const go of release) go()
        assert.strictEqual(most, 3)
        assert.isAtLeast((await namesIn(page)).length, 4)
      })
    )

    it.scoped("shows images as pictures in the list, and goes from one file to the next in the large view", () =>
      onThePage("pictures", async (page) => {
        await page.locator("#upload").setInputFiles({ name: "dot.png", mimeType: "image/png", buffer: image })
        await said(page, "dot.png is uploaded.")
        await page
          .locator("#upload")
          .setInputFiles({ name: "no image.png", mimeType: "image/png", buffer: Buffer.from("no image") })
        await said(page, "no image.png is uploaded.")
        await uploaded(page, "text.txt")
        await entry(page, "dot.png").locator("canvas").waitFor()
        assert.strictEqual(await entry(page, "no image.png").locator(".kind").textContent(), "png")
        await page.getByRole("button", { name: "text.txt", exact: true }).click()
        const place = page.locator("#viewer-place")
        await place.filter({ hasText: "1 of 3" }).waitFor()
        assert.isTrue(await page.getByRole("button", { name: "Previous" }).isDisabled())
        await page.getByRole("button", { name: "Next" }).click()
        await place.filter({ hasText: "2 of 3" }).waitFor()
        await page.keyboard.press("ArrowRight")
        await page.locator("#viewer-name", { hasText: "dot.png" }).waitFor()
        await page.locator("#preview img").waitFor()
        await page.keyboard.press("ArrowLeft")
        await page.locator("#viewer-name", { hasText: "no image.png" }).waitFor()
        await page.keyboard.press("ArrowLeft")
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("dialog").getByRole("button", { name: "Download" }).click()
        ])
        assert.strictEqual(download.suggestedFilename(), "text.txt")
        // When this page deletes a file, the next one takes its place.
        await page.getByRole("dialog").getByRole("button", { name: "More for text.txt" }).click()
        await page.getByRole("menuitem", { name: "Delete", exact: true }).click()
        await page.locator("#viewer-name", { hasText: "no image.png" }).waitFor()
        await page.keyboard.press("Escape")
        assert.deepStrictEqual(await namesIn(page), ["no image.png", "dot.png"])
      })
    )

    it.scoped("writes a text, edits it in place with its own line ends, and never discards a change unasked", () =>
      onThePage("texts", async (page) => {
        await page.getByRole("button", { name: "New text" }).click()
        await page.getByLabel("Name", { exact: true }).fill("poem.txt")
        await page.getByLabel("Text", { exact: true }).fill("roses\nviolets")
        await page.keyboard.press("Escape")
        await page.locator("#asker-problem", { hasText: "This text is not saved." }).waitFor()
        await page.getByRole("button", { name: "Create" }).click()
        await said(page, "poem.txt is created.")
        await page.locator("#upload").setInputFiles(textFile("windows.txt", "one\r\ntwo\r\n"))
        await said(page, "windows.txt is uploaded.")
        await page.getByRole("button", { name: "windows.txt", exact: true }).click()
        await page.getByRole("button", { name: "Edit" }).click()
        const area = page.getByLabel("Text of windows.txt")
        await area.waitFor()
        // The details beside it are longer. It begins at the top all the same, and saving is in sight.
        assert.isBelow((await area.boundingBox())?.y ?? Infinity, 200)
        assert.isBelow((await page.getByRole("button", { name: "Save" }).boundingBox())?.y ?? Infinity, 680)
        await area.fill("one\ntwo\nthree\n")
        await page.keyboard.press("Escape")
        await page.locator("#preview .problem", { hasText: "Your changes are not saved." }).waitFor()
        // Neither another file nor editing once more takes them away.
        await page.getByRole("button", { name: "Edit" }).click()
        assert.strictEqual(await area.inputValue(), "one\ntwo\nthree\n")
        await page.getByRole("button", { name: "Save" }).click()
        await said(page, "windows.txt is saved.")
        await page.locator("#preview pre", { hasText: "three" }).waitFor()
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("dialog").getByRole("button", { name: "Download" }).click()
        ])
        assert.strictEqual(readFileSync(await download.path(), "utf8"), "one\r\ntwo\r\nthree\r\n")
      })
    )

    it.scoped("keeps the buttons of the preview while the file does not change, so no click is lost", () =>
      Effect.gen(function* () {
        const { url } = yield* Site
        const { fileId } = yield* withFile("steady", "steady.txt", "text")
        yield* onThePage("steady", async (page) => {
          await page.getByRole("button", { name: "steady.txt", exact: true }).click()
          const download = page.getByRole("dialog").getByRole("button", { name: "Download" })
          await download.evaluate((element) => element.setAttribute("data-kept", ""))
          const listedAgain = page.waitForResponse((answer) => answer.url().includes("/api/sessions/steady/files?"))
          const body = JSON.stringify({ name: "steady.txt" })
          const headers = { "content-type": "application/json" }
          assert.strictEqual(
            (await fetch(`${url}/api/files/${fileId}`, { method: "PATCH", body, headers })).status,
            200
          )
          await (await listedAgain).finished()
          // The page draws what it received before it takes anything else.
          await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)))
          assert.strictEqual(await download.getAttribute("data-kept"), "")
        })
      })
    )

    it.scoped("overwrites nothing that somebody else changed meanwhile, and offers to show it", () =>
      Effect.gen(function* () {
        const { url } = yield* Site
        const { fileId } = yield* withFile("conflict", "shared.txt", "begin")
        const change = async (text: string) => {
          const headers = { "if-match": "*", "content-type": "text/plain" }
          const answer = await fetch(`${url}/api/files/${fileId}/content`, { method: "PUT", body: text, headers })
          assert.strictEqual(answer.status, 200)
        }
        const now = async () => (await fetch(`${url}/api/files/${fileId}/content`)).text()
        yield* onThePage(
          "conflict",
          async (page) => {
            await page.getByRole("button", { name: "shared.txt", exact: true }).click()
            await page.getByRole("button", { name: "Edit" }).click()
            const area = page.getByLabel("Text of shared.txt")
            await area.fill("mine")
            await change("theirs")
            await page.getByRole("button", { name: "Save" }).click()
            await page.getByText("Somebody changed this file after you opened it. Nothing was overwritten.").waitFor()
            assert.strictEqual(await now(), "theirs")
            await page.getByRole("button", { name: "Look at the other version" }).click()
            await page.locator(".others pre", { hasText: "theirs" }).waitFor()
            await page.getByRole("button", { name: "Take the other version" }).click()
            assert.strictEqual(await area.inputValue(), "theirs")
            await area.fill("theirs and mine")
            await page.getByRole("button", { name: "Save" }).click()
            await said(page, "shared.txt is saved.")
            assert.strictEqual(await now(), "theirs and mine")
          },
          { provoked: /status of 412/ }
        )
      })
    )

    it.scoped("copies a file to another session, and moves it", () =>
      Effect.gen(function* () {
        yield* withFiles("from", ["copied.txt", "moved.txt"])
        yield* onThePage("from", async (page) => {
          await choose(page, "copied.txt", "Copy or move")
          await page.getByLabel("To the session").fill("to")
          await page.keyboard.press("Enter")
          await said(page, "copied.txt is copied to to.")
          await choose(page, "moved.txt", "Copy or move")
          await page.getByLabel("Move it").check()
          await page.getByLabel("To the session").fill("to")
          await page.keyboard.press("Enter")
          await said(page, "moved.txt is moved to to.")
          assert.deepStrictEqual(await namesIn(page), ["copied.txt"])
          await page.locator("#sessions a", { hasText: /^to2 files/ }).click()
          await listed(page, "2 files")
          assert.deepStrictEqual((await namesIn(page)).toSorted(), ["copied.txt", "moved.txt"])
        })
      })
    )

    it.scoped("shows the details of a file, copies its hash, and tells who did what with it", () =>
      Effect.gen(function* () {
        const metadata = { model: "<b>yolo</b>", width: "640" }
        const { sha256 } = yield* withFile("known", "facts.txt", "facts", { messageId: "m-17", metadata })
        yield* withFile("known", "other.txt", "other")
        yield* onThePage(
          "known",
          async (page) => {
            await page.getByRole("button", { name: "facts.txt", exact: true }).click()
            const details = page.locator("#details")
            for (const text of ["m-17", "<b>yolo</b>", "640", sha256, "5 bytes", "text/plain"]) {
              await details.getByText(text, { exact: true }).first().waitFor()
            }
            await page.getByRole("button", { name: "Copy SHA-256" }).click()
            await said(page, "The SHA-256 is copied.")
            assert.strictEqual(await page.evaluate("navigator.clipboard.readText()"), sha256)
            await page.getByText("Who did what").click()
            await details.locator("li", { hasText: "local uploaded facts.txt" }).waitFor()
            assert.strictEqual(await details.locator("li", { hasText: "other.txt" }).count(), 0)
          },
          { permissions: ["clipboard-read", "clipboard-write"] }
        )
      })
    )

    it.scoped(
      "finds what is in the files, marks the words, opens the file, and says which files cannot be searched",
      () =>
        Effect.gen(function* () {
          const text = "Nobody knows engines.\n"
            .repeat(20)
            .concat("The <b>rocket</b> engines were late.\n", "All is well.\n".repeat(60))
          yield* withFile("contents", "report.txt", text)
          yield* withFile("contents", "locked.pdf", "no PDF", { type: "application/pdf" })
          yield* onThePage("contents", async (page) => {
            await listed(page, "2 files")
            await page.getByRole("button", { name: "locked.pdf", exact: true }).click()
            await page.locator("#text-state", { hasText: "no, it is damaged, or is not what its name says" }).waitFor()
            await page.keyboard.press("Escape")

            await page.getByLabel("Search in contents and names").fill("rockets & ENGINE")
            await page.keyboard.press("Enter")
            const found = page.locator("#found-list li")
            await page.locator("#found-note", { hasText: "1 passage, best first." }).waitFor()
            // The part that has both words, although one of them is in every line before it.
            assert.deepStrictEqual((await found.locator("mark").allTextContents()).slice(-2), ["rocket", "engines"])
            assert.match(await textOf(found), /^report.txt lines 1 to \d+… .*The <b>rocket<\/b> engines were late\./s)
            await found.getByRole("button", { name: "report.txt" }).click()
            await page.locator("#viewer-name", { hasText: "report.txt" }).waitFor()
            await page.locator("#text-state", { hasText: /^yes$/ }).waitFor()
            await page.keyboard.press("Escape")

            await page.getByLabel("Search in contents and names").fill("LOCKED")
            await page.keyboard.press("Enter")
            await page.locator("#found-note", { hasText: "1 name, best first." }).waitFor()
            assert.strictEqual(await textOf(found), "locked.pdf its name")
            assert.deepStrictEqual(await found.locator("mark").allTextContents(), ["locked"])

            await page.getByLabel("Search in contents and names").fill("turbine")
            await page.getByRole("button", { name: "Search", exact: true }).click()
            await page.locator("#found-note", { hasText: "No file says “turbine”." }).waitFor()
            await page.getByRole("button", { name: "Clear", exact: true }).click()
            await page.locator("#found").waitFor({ state: "hidden" })
            await page.evaluate("location.hash = '/all'")
            await page.locator("#find").waitFor({ state: "hidden" })
          })
        })
    )

    it.scoped("shows an administrator what an experiment says so far, and that it is not enough", () =>
      Effect.gen(function* () {
        const { url } = yield* Site
        const { context, experiments } = yield* clientOf(url)
        yield* withFile("experiment", "report.txt", "The rocket engines were late.")
        yield* Effect.repeat(
          context.search({ path: { sessionId: "experiment" }, urlParams: { q: "rocket", limit: 1 } }),
          { until: ({ passages }) => passages.length > 0, schedule: Schedule.spaced("100 millis") }
        )
        yield* experiments.create({
          payload: {
            name: "which-one",
            policies: [
              { policy: "relevant", share: 50 },
              { policy: "diverse", share: 50 }
            ],
            endsAt: new Date(Date.now() + 3_600_000)
          }
        })
        const { receipt } = yield* context.choose({
          path: { sessionId: "experiment" },
          payload: { message: "rocket", budget: 100 }
        })
        yield* experiments.report({
          path: { sessionId: "experiment", answerId: "1" },
          payload: { experiment: "which-one", receipt: receipt ?? "none", outcomes: [] }
        })
        yield* onThePage("/administration", async (page) => {
          const table = page.getByRole("region", { name: "Experiment which-one" })
          const row = (policy: string) => table.getByRole("row").filter({ hasText: policy })
          await row("diverse").getByText("not enough yet").waitFor()
          await row("relevant").getByText("the first").waitFor()
          // The session has one of them, by a hash.
          await table.getByText(/^0 % \(0 % to \d+(\.\d)? %\)$/).waitFor()
          await table.getByText("none yet").waitFor()
        })
        yield* experiments.end({ path: { name: "which-one" } })
      })
    )

    it.scoped("says when a file is deleted automatically, changes that and cancels it", () =>
      Effect.gen(function* () {
        yield* withFiles("expiry", ["passing.txt"])
        yield* onThePage("expiry", async (page) => {
          await choose(page, "passing.txt", "Change when it is deleted")
          await page.getByRole("button", { name: "In a week" }).click()
          await page.getByRole("button", { name: "Save" }).click()
          await said(page, /^passing\.txt is deleted on /)
          await entry(page, "passing.txt").getByText("deleted in 7 days").waitFor()
          await page.getByRole("button", { name: "passing.txt", exact: true }).click()
          await page.getByRole("button", { name: "Change when it is deleted" }).click()
          await page.getByLabel("Never automatically").check()
          await page.getByRole("button", { name: "Save" }).click()
          await said(page, "passing.txt is never deleted automatically.")
          await page.locator("#details").getByText("never").waitFor()
        })
      })
    )

    it.scoped("keeps the focus when the focused control goes away, by its own action or by that of another", () =>
      Effect.gen(function* () {
        const { url } = yield* Site
        const on = async (path: string, verb: string) => {
          assert.isTrue((await fetch(`${url}/api/${path}`, { method: verb })).ok, path)
        }
        yield* onThePage(
          "focus",
          async (page) => {
            const isFocused = (name: string) =>
              page.getByRole("button", { name, exact: true }).and(page.locator(":focus-visible")).waitFor()
            const press = async (name: string, key = "Enter") => {
              await page.getByRole("button", { name, exact: true }).focus()
              await page.keyboard.press(key)
            }
            await page.route("**/focus/files?*", (route) => route.fulfill({ status: 503, body: "{}" }))
            await page.reload()
            await press("Try again")
            await listed(page, "status 503")
            await isFocused("Try again")
            await page.unroute("**/focus/files?*")
            await page.keyboard.press("Enter")
            await listed(page, "No files.")
            await isFocused("Deleted")

            // The buttons of the session are drawn anew, because it has a file now.
            await press("New text")
            await page.keyboard.press("Tab")
            await page.keyboard.type("roses")
            await press("Create")
            await said(page, "note.txt is created.")
            await page.locator("#session-facts", { hasText: "1 file" }).waitFor()
            await isFocused("New text")
            await press("More for focus")
            await page.keyboard.type("e")
            await page.keyboard.press("Enter")
            await said(page, "focus has ended.")
            await press("Reopen")
            await said(page, "focus is open again.")
            await isFocused("More for focus")

            // The row and the details are drawn anew.
            await press("note.txt")
            await press("Change when it is deleted")
            await press("In a week")
            await press("Save")
            await said(page, /^note\.txt is deleted on /)
            await page.locator("#details time", { hasText: "in 7 days" }).waitFor()
            await isFocused("Change when it is deleted")
            await page.keyboard.press("Enter")
            await page.getByLabel("At this time").and(page.locator(":focus")).waitFor()
            await page.keyboard.press("Escape")
            await page.locator("#asker").waitFor({ state: "hidden" })
            await page.keyboard.press("Escape")
            await isFocused("note.txt")

            // The list keeps the place of a row that is gone for good, and the message does not take it.
            await page
              .locator("#upload")
              .setInputFiles([..."abcd"].map((name) => textFile(`${name}.txt`, `text of ${name}`)))
            await said(page, "4 files are uploaded.")
            await page.getByLabel("Sort by").selectOption("Name")
            await page.locator("#files > li:nth-child(2)", { hasText: "b.txt" }).waitFor()
            await press("Delete b.txt")
            await said(page, "b.txt is deleted.")
            await isFocused("c.txt")
            await page.keyboard.press("Control+z")
            await said(page, "b.txt is restored.")
            await isFocused("c.txt")
            // With keys, the way to the message passes all the rest, which is no place to return to.
            await press("Delete b.txt")
            await said(page, "b.txt is deleted.")
            await page.locator("#trail summary").focus()
            await page.keyboard.press("Tab")
            await isFocused("Undo")
            await page.keyboard.press("Enter")
            await said(page, "b.txt is restored.")
            await isFocused("c.txt")
            await page.getByLabel("Select all shown files").check()
            await page.locator("#bulk").getByRole("button", { name: "Delete" }).press("Enter")
            await said(page, "5 files are deleted.")
            await page.locator("#files-heading:focus-visible").waitFor()
            await press("Deleted")
            await listed(page, "5 deleted files")
            await press("Delete for good c.txt")
            await page.keyboard.press("Shift+Tab")
            await page.keyboard.press("Enter")
            await said(page, "c.txt is deleted for good.")
            await isFocused("Restore d.txt")
            const { files } = await (await page.request.get(`${url}/api/sessions/focus/files?deleted=true`)).json()
            const d = files.find(({ name }: { readonly name: string }) => name === "d.txt")
            await on(`files/${d.fileId}/restore`, "POST")
            await isFocused("note.txt")

            // What a message undoes belongs to the place where it was done.
            await press("Kept")
            await press("Delete d.txt")
            await page.getByRole("button", { name: "Undo" }).waitFor()
            await page.evaluate("location.hash = 'elsewhere'")
            await page.getByRole("button", { name: "Undo" }).waitFor({ state: "hidden" })
            await page.locator("#files-heading:focus-visible", { hasText: "elsewhere" }).waitFor()
          },
          { provoked: /status of 503/ }
        )
      })
    )

    it.scoped("shows changes of others in a session as they happen, and reconnects after an interruption", () =>
      Effect.gen(function* () {
        const { url } = yield* Site
        yield* withFiles("live", ["mine.txt"])
        const add = async (name: string) => {
          const body = fileForm(name, name, { type: "text/plain" })
          assert.strictEqual((await fetch(`${url}/api/sessions/live/files`, { method: "POST", body })).status, 201)
        }
        yield* onThePage(
          "live",
          async (page) => {
            await entry(page, "mine.txt").waitFor()
            await page.getByLabel("Select mine.txt").check()
            await add("theirs.txt")
            await entry(page, "theirs.txt").waitFor()
            // The user's own state stays: the selection, and the place.
            assert.isTrue(await page.getByLabel("Select mine.txt").isChecked())
            await page.context().setOffline(true)
            await add("meanwhile.txt")
            await page.context().setOffline(false)
            await entry(page, "meanwhile.txt").waitFor()
          },
          { provoked: /ERR_/ }
        )
      })
    )

    it.scoped("ends a session, undoes that, and shows that an ended session takes no files", () =>
      Effect.gen(function* () {
        yield* withFiles("ending", ["a.txt"])
        yield* onThePage("ending", async (page) => {
          await choose(page, "ending", "End the session")
          await said(page, "ending has ended.")
          await page.getByText(/^This session ended/).waitFor()
          assert.isTrue(await page.locator("#drop").isHidden())
          await page.getByRole("button", { name: "Ended", exact: true }).click()
          await page.locator("#sessions a", { hasText: /^ending/ }).waitFor()
          await page.getByRole("button", { name: "Undo" }).click()
          await said(page, "ending is open again.")
          await page.locator("#drop").waitFor()
        })
      })
    )

    it.scoped("shows each user their own account, and lets an administrator give a session away", () =>
      Effect.gen(function* () {
        const { url } = yield* runningBackend({
          DATA_DIRECTORY: yield* temporaryFolder,
          API_TOKENS: "ada:token-of-ada-0123:administrator,bob:token-of-bob-0123",
          USER_QUOTA_BYTES: "40",
          USER_QUOTA_FILES: "10"
        })
        yield* onThePage(
          "gift",
          async (page) => {
            const signIn = async (token: string) => {
              await page.getByLabel("Token").fill(token)
              await page.keyboard.press("Enter")
            }
            await signIn("token-of-ada-0123")
            await uploaded(page, "a.txt")
            await page.locator("#usage", { hasText: "You store 1 file, 9 bytes." }).waitFor()
            await choose(page, "gift", "Give it away")
            await page.getByLabel("New owner").fill("bob")
            await page.keyboard.press("Enter")
            await said(page, "gift belongs to bob now.")
            await page.locator("#session-facts", { hasText: "belongs to bob" }).waitFor()
            await page.getByRole("button", { name: "Sign out" }).click()
            await signIn("token-of-bob-0123")
            await page.locator("#sessions a", { hasText: "gift" }).click()
            await listed(page, "1 file,")
            await page.locator("#usage", { hasText: "9 bytes of 40 bytes" }).waitFor()
            // What does not fit any more is not sent.
            await page
              .locator("#upload")
              .setInputFiles([textFile("b.txt", "x".repeat(20)), textFile("c.txt", "x".repeat(20))])
            await page
              .locator("#uploads .problem", { hasText: "It has 20 bytes. There is room for 11 bytes more." })
              .waitFor()
            await entry(page, "b.txt").waitFor()
          },
          { url, provoked: /status of 401/ }
        )
      })
    )
  })
})
