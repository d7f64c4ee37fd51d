/** The page at `/`, in a real browser, on a real service. */
import { readdirSync, readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Locator } from "playwright-core"
import { backendProcess, runningBackend } from "./support/backend.ts"
import { noBrowser } from "./support/browser.ts"
import { rivalProcess, temporaryFolder } from "./support/database.ts"
import {
  choose,
  comeBack,
  entry,
  holdAnswers,
  image,
  listed,
  maxFileSize,
  namesIn,
  onThePage,
  ready,
  Site,
  said,
  sound,
  textFile,
  textOf,
  uploaded,
  withFiles
} from "./support/page.ts"

/** The page counts 1024 bytes as a KB, as everywhere else on it; the library counts 1000. */
const inUnits = (found: string) =>
  found.replace(/^(.*, )([\d.]+) (MB|GB) free$/, (_, before, count, unit) => {
    const value = Number(count) * (unit === "GB" ? 1e9 : 1e6)
    const [in1024, name] = value < 1000 * 1024 ** 2 ? [value / 1024 ** 2, "MB"] : [value / 1024 ** 3, "GB"]
    return `${before}${Number(in1024.toFixed(in1024 < 10 ? 1 : 0))} ${name} free`
  })
const skipped = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(`the page${skipped}`, () => {
  layer(Site.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("is there in every browser, whatever it calls its language", () =>
      onThePage("", async (page) => {
        await page.addInitScript('Object.defineProperty(navigator, "language", { value: "en-US@posix" })')
        await page.reload()
        await ready(page)
      })
    )

    it.scoped(
      "shows readiness in one line, and the start behind it as a picture in which each stage has its place",
      () =>
        onThePage("", async (page) => {
          await ready(page)
          assert.isTrue(await page.locator("#readiness").isHidden())
          await page.getByRole("button", { name: "Ready" }).click()
          const health = await (await page.request.get(new URL("/api/health", page.url()).href)).json()
          const { durationMs, stages, startedAt } = health.startup
          assert.include(await textOf(page.locator("#detail")), `Schema version ${health.schemaVersion}`)
          assert.strictEqual(await page.locator("#stages li").count(), 5)
          for (const [index, stage] of stages.entries()) {
            const row = page.locator("#stages li").nth(index)
            const text = await textOf(row)
            for (const part of [stage.name, inUnits(stage.found), " ms"]) assert.include(text, part)
            const track = await row.locator(".track").boundingBox()
            const bar = await row.locator(".bar").boundingBox()
            assert(track !== null && bar !== null)
            const offset = Date.parse(stage.startedAt) - Date.parse(startedAt)
            assert.closeTo((bar.x - track.x) / track.width, offset / durationMs, 0.02)
            assert.closeTo(bar.width, Math.max(3, (stage.durationMs / durationMs) * track.width), 2)
          }
          await page.locator("#pragmas", { hasText: "journal_mode" }).waitFor()
          await page.locator("#checks li").nth(2).waitFor()
          assert.strictEqual(await page.locator("#checks [data-state=pass]").count(), 5)
          await page.getByRole("button", { name: "Ready" }).click()
          assert.isTrue(await page.locator("#readiness").isHidden())
        })
    )

    it.scoped("uploads picked and dropped files, several at once, and lists them newest first", () =>
      onThePage("upload", async (page) => {
        await page.locator("#upload").setInputFiles([textFile("one.txt"), textFile("two.txt")])
        await entry(page, "one.txt").waitFor()
        await entry(page, "two.txt").waitFor()
        const dropped = await page.evaluateHandle(`(() => {
          const dropped = new DataTransfer()
          dropped.items.add(new File(["{}"], "three.json", { type: "application/json" }))
          dropped.items.add(new File([], "four"))
          return dropped
        })()`)
        await page.dispatchEvent("#drop", "dragenter", { dataTransfer: dropped })
        await page.locator("#drop.over").waitFor()
        await page.dispatchEvent("#drop", "drop", { dataTransfer: dropped })
        await page.locator("#drop:not(.over)").waitFor()
        await entry(page, "four").waitFor()
        await listed(page, "4 files")
        const names = await namesIn(page)
        // Files chosen together are sent together.
        assert.deepStrictEqual(names.slice(0, 2).toSorted(), ["four", "three.json"])
        assert.deepStrictEqual(names.slice(2).toSorted(), ["one.txt", "two.txt"])
        await page.reload()
        await listed(page, "4 files")
        assert.deepStrictEqual((await namesIn(page)).slice(2).toSorted(), ["one.txt", "two.txt"])
      })
    )

    it.scoped("keeps uploaded files while an older answer about the list is still on its way", () =>
      onThePage("overtaken", async (page) => {
        await ready(page)
        await listed(page, "No files.")
        // The answer exists before the upload begins, and reaches the page after its end.
        const { held, release } = await holdAnswers(page, /\/sessions\/overtaken\/files\?/)
        await page.getByRole("button", { name: "Kept" }).click()
        await held
        await page.locator("#upload").setInputFiles(textFile("a.txt"))
        await said(page, "a.txt is uploaded.")
        release()
        await page.locator("#files:not([aria-busy=true])").waitFor()
        await listed(page, "1 file,")
        assert.deepStrictEqual(await namesIn(page), ["a.txt"])
      })
    )

    it.scoped("treats an address that is not its own as a session name, and continues", () =>
      onThePage(
        "%",
        async (page) => {
          await ready(page)
          assert.strictEqual(await textOf(page.locator("#files-heading")), "%")
          await listed(page, "No files.")
          // A session of that name of an earlier system is found, but no new one may get this name.
          await page.locator("#upload").setInputFiles(textFile("a.txt"))
          await page.locator("#uploads .problem", { hasText: "letters, digits" }).waitFor()
        },
        { provoked: /status of 400/ }
      )
    )

    it.scoped("shows how far an upload is, and cancels it", () =>
      onThePage("progress", async (page) => {
        await ready(page)
        const session = await page.context().newCDPSession(page)
        const atSpeed = (uploadThroughput: number) =>
          session.send("Network.emulateNetworkConditions", {
            offline: false,
            latency: 0,
            downloadThroughput: -1,
            uploadThroughput
          })
        await atSpeed(200_000)
        await page.locator("#upload").setInputFiles([textFile("long.txt", "x".repeat(1_000_000)), textFile("next.txt")])
        await page.locator('#upload-list progress:not([value="0"]):not([value="1"])').waitFor()
        await page.getByRole("button", { name: "Cancel long.txt" }).click()
        await atSpeed(-1)
        await entry(page, "next.txt").waitFor()
        assert.strictEqual(await page.locator("#upload-list li").count(), 0)
        assert.deepStrictEqual(await namesIn(page), ["next.txt"])
      })
    )

    it.scoped("does not send a file that is too large, tells why, and keeps the others", () =>
      onThePage("refused", async (page) => {
        const sent: Array<string> = []
        page.on("request", (request) => request.method() === "POST" && sent.push(request.url()))
        await page.locator("#upload").setInputFiles([textFile("large", "x".repeat(maxFileSize + 1)), textFile("small")])
        await entry(page, "small").waitFor()
        await page
          .locator("#uploads .problem", { hasText: "It is larger than 1 MB, which is the most that a file may have." })
          .waitFor()
        // It would be refused again.
        assert.strictEqual(await page.getByRole("button", { name: "Try again large" }).count(), 0)
        await page.getByRole("button", { name: "Dismiss large" }).click()
        await page.locator("#uploads").waitFor({ state: "hidden" })
        assert.strictEqual(sent.length, 1)
      })
    )

    it.scoped("shows the service's reason for a refused upload, and tries it again", () =>
      onThePage(
        "again",
        async (page) => {
          await ready(page)
          const body = { _tag: "StorageFull", detail: "The disk is full: 123456789 bytes are needed." }
          await page.route(
            "**/files",
            (route) =>
              route.fulfill({ status: 507, contentType: "application/problem+json", body: JSON.stringify(body) }),
            { times: 1 }
          )
          await page.locator("#upload").setInputFiles(textFile("a.txt"))
          await page.locator("#uploads .problem", { hasText: /^The disk is full: 118 MB are needed\.$/ }).waitFor()
          await page.getByRole("button", { name: "Try again a.txt" }).click()
          await said(page, "a.txt is uploaded.")
          assert.deepStrictEqual(await namesIn(page), ["a.txt"])
        },
        { provoked: /status of 507/ }
      )
    )

    it.scoped("previews an image, a text, a sound and a PDF document, and closes each with Escape", () =>
      onThePage("preview", async (page) => {
        await page
          .locator("#upload")
          .setInputFiles([
            { name: "a.png", mimeType: "image/png", buffer: image },
            textFile("b.txt", `${"<b>".repeat(30_000)}end`),
            { name: "c.wav", mimeType: "audio/wav", buffer: sound },
            { name: "d.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.4\n%%EOF\n") },
            { name: "e.html", mimeType: "text/html", buffer: Buffer.from("<script>document.title = 'run'</script>") }
          ])
        await entry(page, "e.html").waitFor()
        const preview = async (name: string, look: () => Promise<void>) => {
          await entry(page, name).getByRole("button", { name, exact: true }).click()
          await look()
          await page.keyboard.press("Escape")
          await page.locator("#viewer:not([open])").waitFor({ state: "hidden" })
        }
        await preview("a.png", async () => {
          await page.locator("#preview img").waitFor()
          const size = page.evaluate(
            "(image => image.decode().then(() => image.naturalWidth))(document.querySelector('#preview img'))"
          )
          assert.strictEqual(await size, 1)
        })
        await preview("b.txt", async () => {
          await page.locator("#preview pre").waitFor()
          assert.isTrue((await textOf(page.locator("#preview pre"))).startsWith("<b><b>"))
          await page.getByText("This is the beginning: 64 KB of 88 KB.").waitFor()
        })
        await preview("c.wav", async () => {
          await page.locator("#preview audio").waitFor()
          const duration = page.evaluate(`new Promise((resolve) => {
            const audio = document.querySelector("#preview audio")
            if (audio.readyState > 0) resolve(audio.duration)
            else audio.onloadedmetadata = () => resolve(audio.duration)
          })`)
          assert.strictEqual(await duration, 0.25)
        })
        await preview("d.pdf", () => page.locator("#preview iframe[src^=blob]").waitFor())
        await preview("e.html", () => page.locator("#preview pre", { hasText: "<script>" }).waitFor())
        assert.strictEqual(await page.title(), "preview – Conversation files")
      })
    )

    it.scoped("downloads the bytes that were uploaded, under the file's name", () =>
      onThePage("download", async (page) => {
        const buffer = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7919) % 256))
        await page.locator("#upload").setInputFiles({ name: "bytes & more.bin", mimeType: "", buffer })
        const [download] = await Promise.all([
          page.waitForEvent("download"),
          page.getByRole("button", { name: "Download bytes & more.bin" }).click()
        ])
        assert.strictEqual(download.suggestedFilename(), "bytes & more.bin")
        assert.isTrue(readFileSync(await download.path()).equals(buffer))
      })
    )

    it.scoped("renames a file, deletes it, undoes that, and restores it later", () =>
      onThePage(
        "changes",
        async (page) => {
          await uploaded(page, "kept.txt", "old.txt")
          await choose(page, "old.txt", "Rename")
          await page.getByLabel("New name").fill("a/b")
          await page.keyboard.press("Enter")
          await page.locator("#asker-problem", { hasText: "/" }).waitFor()
          assert.notInclude(await textOf(page.locator("#asker-problem")), "InvalidFileName")
          await page.getByLabel("New name").fill("new.txt")
          await page.keyboard.press("Enter")
          await said(page, "old.txt is now new.txt.")
          await page.getByRole("button", { name: "Delete new.txt" }).click()
          await said(page, "new.txt is deleted.")
          assert.deepStrictEqual(await namesIn(page), ["kept.txt"])
          await page.getByRole("button", { name: "Undo" }).click()
          await said(page, "new.txt is restored.")
          await entry(page, "new.txt").waitFor()
          await page.getByRole("button", { name: "Delete new.txt" }).click()
          await said(page, "new.txt is deleted.")
          const { held, release } = await holdAnswers(page, /deleted=true/)
          await page.getByRole("button", { name: "Deleted", exact: true }).click()
          await held
          // Kept files are never shown as deleted.
          assert.deepStrictEqual(await namesIn(page), [])
          release()
          await listed(page, "1 deleted file")
          assert.deepStrictEqual(await namesIn(page), ["new.txt"])
          await page.getByRole("button", { name: "Restore new.txt" }).click()
          await said(page, "new.txt is restored.")
          await page.getByRole("button", { name: "Kept" }).click()
          await entry(page, "new.txt").waitFor()
          assert.deepStrictEqual(await namesIn(page), ["new.txt", "kept.txt"])
        },
        { provoked: /status of 400/ }
      )
    )

    it.scoped("deletes a file for good only if it is deleted already, and only after a second confirmation", () =>
      onThePage("for-good", async (page) => {
        await uploaded(page, "kept.txt", "gone.txt")
        for (const name of ["kept.txt", "gone.txt"]) {
          await page.getByRole("button", { name: `Delete ${name}` }).click()
          await said(page, `${name} is deleted.`)
        }
        await page.getByRole("button", { name: "Deleted", exact: true }).click()
        await listed(page, "2 deleted files")
        await page.getByRole("button", { name: "Delete for good kept.txt" }).click()
        await page.getByRole("dialog", { name: "Delete for good?" }).getByText("kept.txt").waitFor()
        // Pressing Enter alone keeps the file.
        await page.keyboard.press("Enter")
        await page.locator("#asker").waitFor({ state: "hidden" })
        assert.deepStrictEqual((await namesIn(page)).sort(), ["gone.txt", "kept.txt"])
        await page.getByRole("button", { name: "Delete for good gone.txt" }).click()
        await page.getByRole("button", { name: "Delete for good", exact: true }).click()
        await said(page, "gone.txt is deleted for good.")
        assert.deepStrictEqual(await namesIn(page), ["kept.txt"])
        assert.strictEqual(await page.evaluate("document.activeElement.textContent"), "Restore")
        await page.reload()
        await page.getByRole("button", { name: "Deleted", exact: true }).click()
        await listed(page, "1 deleted file")
      })
    )

    it.scoped("shows what happened in a session, newest last, and forgets it with the session", () =>
      onThePage("trail", async (page) => {
        await page.locator("#upload").setInputFiles([textFile("a.txt")])
        await said(page, "a.txt is uploaded.")
        await page.getByRole("button", { name: "Delete a.txt" }).click()
        await said(page, "a.txt is deleted.")
        await page.getByText("What happened in this session").click()
        await page.locator("#events li", { hasText: "local deleted a.txt" }).waitFor()
        const events = await page.locator("#events li").allTextContents()
        assert.deepStrictEqual(
          events.map((event) => event.replace(/ (just now|.* ago)$/, "")),
          ["local uploaded a.txt", "local deleted a.txt"]
        )
        // While it is open it goes on.
        await page.locator("#upload").setInputFiles([textFile("b.txt")])
        await page.locator("#events li", { hasText: "local uploaded b.txt" }).waitFor({ timeout: 10_000 })
        assert.strictEqual(await page.locator("#events li").count(), 3)
        await page.getByLabel("Find or begin a session").fill("another")
        await page.keyboard.press("Enter")
        await listed(page, "No files.")
        assert.deepStrictEqual(await page.locator("#events li").allTextContents(), [])
      })
    )

    it.scoped("does not touch a second rename when the answer to an earlier one comes", () =>
      onThePage("renames", async (page) => {
        await page.locator("#upload").setInputFiles([textFile("a.txt"), textFile("b.txt")])
        await entry(page, "b.txt").waitFor()
        await page.route(
          "**/api/files/*",
          async (route) => {
            const response = await route.fetch()
            await page.keyboard.press("Escape")
            await choose(page, "b.txt", "Rename")
            await route.fulfill({ response })
          },
          { times: 1 }
        )
        await choose(page, "a.txt", "Rename")
        await page.getByLabel("New name").fill("c.txt")
        await page.keyboard.press("Enter")
        await said(page, "a.txt is now c.txt.")
        assert.deepStrictEqual((await namesIn(page)).toSorted(), ["b.txt", "c.txt"])
        assert.isTrue(await page.locator("#asker[open]").isVisible())
        assert.strictEqual(await page.getByLabel("New name").inputValue(), "b.txt")
      })
    )

    it.scoped("shows a long list page by page, and finds names in all of it", () =>
      Effect.gen(function* () {
        const names = Array.from({ length: 60 }, (_, index) => `file ${index}.txt`)
        yield* withFiles("many", names)
        yield* onThePage("many", async (page) => {
          const more = page.getByRole("button", { name: "Show more" })
          for (const count of [25, 50, 60]) {
            await listed(page, `${count} files`)
            assert.strictEqual(await page.locator("#files li").count(), count)
            if (count < 60) await more.click()
          }
          await more.waitFor({ state: "hidden" })
          assert.deepStrictEqual((await namesIn(page)).sort(), names.toSorted())
          await page.getByLabel("Filter by name").pressSequentially("FILE 7")
          await listed(page, "1 file with “FILE 7” in the name")
          assert.deepStrictEqual(await namesIn(page), ["file 7.txt"])
          await page.getByLabel("Filter by name").fill("nothing")
          await listed(page, "No files with")
        })
      })
    )

    it.scoped("shows more files also if the list is read again meanwhile, in either order", () =>
      Effect.gen(function* () {
        yield* withFiles(
          "meanwhile",
          Array.from({ length: 80 }, (_, index) => `file ${index}.txt`)
        )
        yield* onThePage("meanwhile", async (page) => {
          const more = page.getByRole("button", { name: "Show more" })
          await listed(page, "25 files")
          const rest = await holdAnswers(page, /meanwhile\/files\?.*after=/)
          const isHeld = rest.held.then(() => true)
          // The page reads its list once more when it hears of changes. A click meanwhile joins that: then again.
          for (;;) {
            await more.click()
            if (await Promise.race([isHeld, listed(page, "50 files").then(() => false)])) break
            await page.reload()
            await listed(page, "25 files")
          }
          await comeBack(page)
          await listed(page, "50 files")
          rest.release()

          const whole = await holdAnswers(page, /meanwhile\/files\?limit=50&deleted=false$/)
          await comeBack(page)
          await whole.held
          await more.click()
          await listed(page, "75 files")
          whole.release()
          await more.click()
          await listed(page, "80 files")
        })
      })
    )

    it.scoped("shows more sessions also if they are read again meanwhile", () =>
      Effect.gen(function* () {
        yield* Effect.forEach(
          Array.from({ length: 60 }, (_, index) => `one-of-many-${index}`),
          (session) => withFiles(session, ["a.txt"])
        )
        yield* onThePage("one-of-many-0", async (page) => {
          const sessions = page.locator("#sessions > li")
          await sessions.nth(49).waitFor()
          const more = await holdAnswers(page, /\/api\/sessions\?limit=(100|50&after=)/, 1)
          await page.getByRole("button", { name: "Show more sessions" }).click()
          await more.held
          await comeBack(page)
          await sessions.nth(59).waitFor()
          more.release()
        })
      })
    )

    it.scoped("works with the keyboard alone, and shows where the focus is", () =>
      onThePage("", async (page) => {
        await ready(page)
        /** Moves to the next element, which must be this one and be visible. */
        const tabTo = async (element: Locator) => {
          await page.keyboard.press("Tab")
          await isFocused(element)
        }
        const isFocused = async (element: Locator) => {
          await element.and(page.locator(":focus-visible")).waitFor()
          // The picker is invisible, its zone is not.
          const outline =
            "(focused => getComputedStyle(focused.closest('#drop') ?? focused).outlineStyle)(document.activeElement)"
          assert.strictEqual(await page.evaluate(outline), "solid")
        }
        // From now on a file picker is answered, as by its user.
        page.on("filechooser", (picker) => picker.setFiles([textFile("a.txt")]))
        await page.locator("#sessions-heading").waitFor()
        await tabTo(page.getByRole("button", { name: "Skip to the content" }))
        await tabTo(page.getByRole("link", { name: "Conversation files" }))
        await tabTo(page.getByRole("button", { name: "Ready" }))
        await page.keyboard.press("Enter")
        await page.locator("#readiness").waitFor()
        await page.keyboard.press("Enter")
        await page.locator("#readiness").waitFor({ state: "hidden" })
        await page.getByRole("link", { name: "Administration" }).focus()
        await tabTo(page.locator("#session"))
        await page.keyboard.type("keys")
        await page.keyboard.press("Enter")
        await listed(page, "No files.")
        assert.strictEqual(new URL(page.url()).hash, "#keys")
        // The heading of the current place has the focus, so that work continues there.
        await page.locator("#files-heading:focus").waitFor()
        await tabTo(page.getByRole("button", { name: "New text" }))
        await page.locator("#upload").focus()
        await page.keyboard.press("Enter")
        await said(page, "a.txt is uploaded.")
        await page.locator("#cancel-all").waitFor({ state: "hidden" })
        await tabTo(page.getByLabel("Search in contents and names"))
        await tabTo(page.getByRole("button", { name: "Search", exact: true }))
        await tabTo(page.getByLabel("Filter by name"))
        await tabTo(page.getByLabel("Sort by"))
        await tabTo(page.getByRole("button", { name: "Kept" }))
        await tabTo(page.getByRole("button", { name: "Deleted", exact: true }))
        await tabTo(page.getByLabel("Select all shown files"))
        await tabTo(page.getByLabel("Select a.txt"))
        const name = page.getByRole("button", { name: "a.txt", exact: true })
        await tabTo(name)
        await page.keyboard.press("Enter")
        await page.locator("#preview pre").waitFor()
        await page.keyboard.press("Escape")
        await isFocused(name)
        await tabTo(page.getByRole("button", { name: "Download a.txt" }))
        await tabTo(page.getByRole("button", { name: "Delete a.txt" }))
        const more = page.getByRole("button", { name: "More for a.txt" })
        await tabTo(more)
        await page.keyboard.press("ArrowDown")
        await page.getByRole("menuitem", { name: "Details" }).and(page.locator(":focus")).waitFor()
        await page.keyboard.press("Escape")
        await isFocused(more)
        await page.keyboard.press("Enter")
        await page.keyboard.press("ArrowDown")
        await page.getByRole("menuitem", { name: "Rename" }).and(page.locator(":focus")).waitFor()
        await page.keyboard.press("Enter")
        await isFocused(page.getByLabel("New name"))
        await page.keyboard.type("b")
        await page.keyboard.press("Enter")
        await isFocused(page.getByRole("button", { name: "More for b.txt" }))
        await page.keyboard.press("Shift+Tab")
        await isFocused(page.getByRole("button", { name: "Delete b.txt" }))
        await page.keyboard.press("Space")
        await said(page, "b.txt is deleted.")
        await page.locator("#files-heading:focus").waitFor()
      })
    )

    for (const width of [390, 320]) {
      it.scoped(`fits a phone of ${width} pixels: nothing scrolls sideways, and a finger hits every button`, () =>
        Effect.gen(function* () {
          yield* withFiles(`phone-${width}`, [`${"a-very-long-name".repeat(15)}.txt`])
          yield* onThePage(
            `phone-${width}`,
            async (page) => {
              await entry(page, "a-very-long-name").waitFor()
              await page.getByRole("button", { name: "New text" }).waitFor()
              // A phone zooms out until everything fits in `innerWidth`: the screen's own width counts.
              const isFitting = `document.documentElement.scrollWidth <= ${width} && innerWidth <= ${width}`
              assert.isTrue(await page.evaluate(isFitting))
              const targets = await page
                .locator("button:visible:not(.skip), input:visible:not([type=checkbox]), .check:visible")
                .all()
              assert.isAbove(targets.length, 6)
              for (const target of targets) assert.isAtLeast((await target.boundingBox())?.height ?? 0, 44)
              await page.getByRole("button", { name: /^More for a-very/ }).click()
              assert.isTrue(await page.evaluate(isFitting))
              await page.getByRole("menuitem", { name: "Rename" }).click()
              await page.getByLabel("New name").waitFor()
              assert.isTrue(await page.evaluate(isFitting))
            },
            { viewport: { width, height: 844 }, isMobile: true, hasTouch: true }
          )
        })
      )
    }

    it.scoped("is dark if the user wants it dark", () =>
      onThePage("", async (page) => {
        await ready(page)
        const lightness = async (colorScheme: "light" | "dark") => {
          await page.emulateMedia({ colorScheme })
          const color = String(await page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
          return Math.max(...[...color.matchAll(/\d+/g)].map(Number))
        }
        assert.isAbove(await lightness("light"), 200)
        assert.isBelow(await lightness("dark"), 50)
      })
    )

    it.scoped("shows a name that is HTML as text, everywhere, and runs nothing of it", () =>
      onThePage("hostile", async (page) => {
        const name = "<img src=x onerror=alert(1)>.png"
        let alerts = 0
        page.on("dialog", async (dialog) => {
          alerts += 1
          await dialog.dismiss()
        })
        await page.locator("#upload").setInputFiles({ name, mimeType: "image/png", buffer: image })
        await said(page, `${name} is uploaded.`)
        assert.deepStrictEqual(await namesIn(page), [name])
        await page.getByRole("button", { name, exact: true }).click()
        await page.locator("#preview img").waitFor()
        assert.strictEqual(await textOf(page.locator("#viewer-name")), name)
        await page.keyboard.press("Escape")
        await page.getByLabel("Filter by name").fill("<img src=x onerror=alert(1)>")
        await listed(page, "1 file with “<img src=x onerror=alert(1)>” in the name")
        await page.getByRole("button", { name: `Delete ${name}` }).click()
        await said(page, `${name} is deleted.`)
        // A message with a long name would cover the page of a phone.
        await page.locator("#upload").setInputFiles(textFile(`${"W".repeat(100)}.txt`, `${name} needle`))
        await said(page, /^W{40}…W{15}\.txt is uploaded\.$/)
        await page.getByLabel("Search in contents and names").fill("needle alert")
        do {
          await page.keyboard.press("Enter")
          await page.locator("#found-note", { hasText: "Searching" }).waitFor({ state: "hidden" })
        } while ((await page.locator("#found p > mark", { hasText: "needle" }).count()) === 0)
        assert.include(await textOf(page.locator("#found p").last()), `${name} needle`)
        assert.strictEqual(await page.locator("img").count(), 0)
        assert.strictEqual(alerts, 0)
      })
    )

    it.scoped(
      "asks for a token if one is needed, says when it is wrong, and leaves nothing when the user signs out",
      () =>
        Effect.gen(function* () {
          const { url } = yield* runningBackend({
            DATA_DIRECTORY: yield* temporaryFolder,
            API_TOKENS: "ada:token-of-ada-0123:administrator,bob:token-of-bob-0123"
          })
          yield* onThePage(
            "mine",
            async (page) => {
              const token = page.getByLabel("Token")
              await token.waitFor()
              await ready(page)
              assert.notInclude(await textOf(page.locator("#stages")), "SQLite")
              assert.isTrue(await page.locator("#side").isHidden())
              await token.fill("token-of-nobody")
              await token.press("Enter")
              await page.locator("#token-problem", { hasText: "token" }).waitFor()
              assert.notInclude(await textOf(page.locator("#token-problem")), "Unauthorized")
              await token.fill("token-of-ada-0123")
              await page.getByRole("button", { name: "Sign in" }).click()
              await token.waitFor({ state: "hidden" })
              await page.getByText("ada, administrator").waitFor()
              await page.locator("#stages", { hasText: "SQLite" }).waitFor({ state: "attached" })
              await page.locator("#upload").setInputFiles(textFile("hers.txt"))
              await entry(page, "hers.txt").waitFor()
              await page.reload()
              await entry(page, "hers.txt").waitFor()
              await page.locator("#sessions li").first().waitFor()
              const { release } = await holdAnswers(page, /\/api\/(me|sessions\?)|\/files\?/)
              // Her files are requested once more, and the answer is hers.
              const asked = page.waitForRequest(/\/files\?/)
              await page.getByRole("button", { name: "Deleted", exact: true }).click()
              await asked
              await page.getByRole("button", { name: "Sign out" }).click()
              await page.unrouteAll({ behavior: "ignoreErrors" })
              release()
              await token.waitFor()
              const inSight = page.locator("#files li, #sessions li, #usage p, #events li, #message:not(:empty)")
              assert.strictEqual(await inSight.count(), 0)
              assert.strictEqual(new URL(page.url()).hash, "")
              assert.strictEqual(await page.evaluate("sessionStorage.length"), 0)
              await token.fill("token-of-bob-0123")
              await token.press("Enter")
              await page.getByText("bob", { exact: true }).waitFor()
              assert.isTrue(await page.getByRole("link", { name: "Administration" }).isHidden())
              await page.evaluate("location.hash = 'mine'")
              await listed(page, "The session mine is not yours. An administrator can give it to you.")
              // Nothing is offered that would be refused.
              for (const id of ["drop", "find", "narrow", "trail"])
                assert.isTrue(await page.locator(`#${id}`).isHidden())
              assert.strictEqual(await page.locator("#files li").count(), 0)
            },
            { url, provoked: /status of (401|403)/ }
          )
        })
    )

    it.scoped("lets a user in whose first requests were lost, though the service was open all the time", () =>
      onThePage(
        "lost",
        async (page) => {
          await ready(page)
          await page.route(/\/api\/me$/, (route) => route.abort(), { times: 6 })
          await page.reload()
          await page.getByRole("heading", { name: "One moment" }).waitFor()
          await listed(page, "No files.")
          assert.isTrue(await page.getByRole("heading", { name: "One moment" }).isHidden())
        },
        { provoked: /ERR_FAILED/ }
      )
    )

    it.scoped("goes on by itself when a request is lost or put off, and offers to try again if that lasts", () =>
      onThePage(
        "lossy",
        async (page) => {
          await ready(page)
          await uploaded(page, "a.txt")
          /** The next request to each of these is lost, or refused for the moment. */
          const lose = async (...addresses: ReadonlyArray<RegExp>) => {
            for (const [index, address] of addresses.entries()) {
              const refuse = { status: 503, body: "<html>A proxy</html>" }
              await page.route(address, (route) => (index % 2 === 0 ? route.abort() : route.fulfill(refuse)), {
                times: 1
              })
            }
          }
          await lose(/\/search\?/)
          await page.getByLabel("Search in contents and names").fill("a.txt")
          await page.keyboard.press("Enter")
          await page.locator("#found-note", { hasText: "best first" }).waitFor()
          await lose(/\/api\/files\/[^/]+$/, /\/content$/, /\/text$/)
          await page.locator("#files").getByRole("button", { name: "a.txt", exact: true }).click()
          await page.locator("#preview pre", { hasText: "some text" }).waitFor()
          await page.locator("#details dd").first().waitFor()
          await page.locator("#text-state", { hasText: /^(yes|waits|is being)/ }).waitFor()
          await page.keyboard.press("Escape")
          // What was done is not done again unasked, but can be.
          await page.getByRole("button", { name: "Delete a.txt" }).click()
          await lose(/\/restore$/)
          await page.getByRole("button", { name: "Undo" }).click()
          await said(page, "The service cannot be reached.")
          await page.getByRole("button", { name: "Undo" }).click()
          await entry(page, "a.txt").waitFor()
          await lose(/\/history$/, /\/api\/refusals/, /\/api\/database/)
          await page.route("**/api/storage", (route) => route.abort())
          await page.evaluate("location.hash = '/administration'")
          await page.getByRole("region", { name: "Health since the start" }).waitFor()
          await page.getByRole("region", { name: "Migrations" }).waitFor()
          const again = page.getByRole("button", { name: "Try again storage" })
          await again.waitFor()
          await page.unroute("**/api/storage")
          await again.click()
          await page.getByText("Size of all files").waitFor()
          assert.strictEqual(await page.locator("#administration .problem").count(), 0)
          // One of the page's own files.
          await page.evaluate("location.hash = 'lossy'")
          await lose(/\/page\/words\.js$/)
          await page.reload()
          await entry(page, "a.txt").waitFor()
        },
        { provoked: /ERR_FAILED|status of 503/ }
      )
    )

    it.scoped("takes the page of a proxy for no content and no deletion, though it is a 200", () =>
      onThePage("between", async (page) => {
        await ready(page)
        await uploaded(page, "a.txt")
        const answer = { status: 200, contentType: "text/html", body: "<html>Sign in</html>" }
        await page.route(/\/content$/, (route) => route.fulfill(answer))
        const shown = page.locator("#preview .problem", {
          hasText: /^Something else answered instead of the service\.$/
        })
        await page.locator("#files").getByRole("button", { name: "a.txt", exact: true }).click()
        await shown.waitFor()
        // It would be saved as the text of the file.
        await page.getByRole("button", { name: "Edit" }).click()
        await shown.waitFor()
        assert.strictEqual(await page.locator("textarea").count(), 0)
        await page.keyboard.press("Escape")
        await page.getByRole("button", { name: "Delete a.txt" }).click()
        await said(page, "a.txt is deleted.")
        await page.getByRole("button", { name: "Deleted", exact: true }).click()
        await page.route(/\/permanently$/, (route) => route.fulfill(answer), { times: 1 })
        await page.getByRole("button", { name: "Delete for good a.txt" }).click()
        await page.getByRole("button", { name: "Delete for good", exact: true }).click()
        const problem = page.getByRole("dialog").locator(".problem")
        await problem.filter({ hasText: "Something else answered instead of the service. Look whether" }).waitFor()
        assert.deepStrictEqual(await namesIn(page), ["a.txt"])
      })
    )

    it.scoped("does not apply the answer to an earlier token to a later one", () =>
      Effect.gen(function* () {
        const { url } = yield* runningBackend({
          DATA_DIRECTORY: yield* temporaryFolder,
          API_TOKENS: "ada:token-of-ada-0123"
        })
        yield* onThePage(
          "tokens",
          async (page) => {
            const token = page.getByLabel("Token")
            await token.waitFor()
            await ready(page)
            const { release } = await holdAnswers(page, /\/api\/me$/)
            const asked = page.waitForRequest("**/api/me")
            await token.fill("token-of-nobody")
            await token.press("Enter")
            const held = await asked
            await page.unroute(/\/api\/me$/)
            await token.fill("token-of-ada-0123")
            await token.press("Enter")
            await page.getByText("ada", { exact: true }).waitFor()
            release()
            await held.response()
            await uploaded(page, "hers.txt")
            assert.strictEqual(await page.evaluate("sessionStorage.getItem('token')"), "token-of-ada-0123")
            // A token that is refused later takes no written text away.
            await page.getByRole("button", { name: "New text" }).click()
            await page.getByLabel("Text", { exact: true }).fill("two pages")
            await page.route("**/texts", (route) => route.fulfill({ status: 401, body: "{}" }))
            await page.getByRole("button", { name: "Create" }).click()
            await said(page, "Copy the text that you wrote.")
            assert.strictEqual(await page.getByLabel("Text", { exact: true }).inputValue(), "two pages")
          },
          { url, provoked: /status of 401/ }
        )
      })
    )

    it.scoped("shows a start that waits, the service when it is ready, and one that is gone", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const lock = "PRAGMA journal_mode = wal; BEGIN IMMEDIATE"
        const rival = yield* rivalProcess(join(folder, "conversation_files.db"), lock)
        const backend = yield* backendProcess({ DATA_DIRECTORY: folder })
        const url = yield* Effect.promise(() => backend.listening)
        yield* onThePage(
          "waiting",
          async (page) => {
            await page.locator("#status", { hasText: /^Starting$/ }).waitFor()
            await page.locator("#detail", { hasText: /The stage \w+ began .+\. This is attempt \d+\./ }).waitFor()
            await page.locator("#stages .running", { hasText: /\d attempts/ }).waitFor()
            await page.getByText("Your files appear here as soon as the service is ready.").waitFor()
            await page.emulateMedia({ reducedMotion: "reduce" })
            const animation = "getComputedStyle(document.querySelector('.running .bar')).animationName"
            assert.strictEqual(await page.evaluate(animation), "none")
            rival.kill("SIGKILL")
            await ready(page)
            await page.locator("#readiness").waitFor({ state: "hidden" })
            await page.locator("#upload").setInputFiles(textFile("early.txt"))
            await entry(page, "early.txt").waitFor()
            backend.process.kill("SIGKILL")
            await comeBack(page)
            await page.locator("#status", { hasText: /^Not reachable$/ }).waitFor()
            await page.locator("#detail", { hasText: "The last answer came at" }).waitFor()
          },
          { url, provoked: /status of 503|ERR_/ }
        )
      })
    )

    it.scoped("says which other process is writing, and that files can be read", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { url } = yield* runningBackend({
          DATA_DIRECTORY: folder,
          HEALTH_CACHE: "1 millis",
          LOCK_PATIENCE: "1 millis"
        })
        const rival = yield* rivalProcess(join(folder, "conversation_files.db"), "BEGIN IMMEDIATE")
        yield* onThePage(
          "locked",
          async (page) => {
            await page.locator("#status", { hasText: /^Ready, waiting to write$/ }).waitFor()
            await page.getByRole("button", { name: "Ready, waiting to write" }).click()
            await page.locator("#detail", { hasText: `Another process (${rival.pid}, node) is writing.` }).waitFor()
            await listed(page, "No files.")
          },
          { url, provoked: /status of 503/ }
        )
      })
    )

    it.scoped("says what is wrong when the database fails its check", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { url } = yield* runningBackend({ DATA_DIRECTORY: folder, HEALTH_CACHE: "1 millis" })
        yield* onThePage(
          "unsound",
          async (page) => {
            await ready(page)
            rmSync(join(folder, "conversation_files.db"))
            await comeBack(page)
            await page.locator("#status", { hasText: /^Not serving files$/ }).waitFor()
            await page.locator("#detail", { hasText: "conversation_files.db" }).waitFor()
            await page.locator('#checks [data-state="fail"]').first().waitFor()
          },
          { url, provoked: /status of 503/ }
        )
      })
    )

    it.scoped("is served file by file under a strict policy, and sent again only if it has changed", () =>
      Effect.gen(function* () {
        const { url } = yield* Site
        const files = readdirSync(join(import.meta.dirname, "../src/service/page"))
        const served = files.filter((name) => /\.(css|js)$/.test(name)).map((name) => `/page/${name}`)
        for (const path of ["/", ...served]) {
          const answer = yield* Effect.promise(() => fetch(`${url}${path}`))
          assert.strictEqual(answer.status, 200, path)
          yield* Effect.promise(() => answer.text())
          const policy = answer.headers.get("content-security-policy") ?? ""
          assert.include(policy, "default-src 'none'")
          assert.notInclude(policy, "unsafe")
          const tag = answer.headers.get("etag") ?? ""
          const again = yield* Effect.promise(() => fetch(`${url}${path}`, { headers: { "if-none-match": tag } }))
          assert.strictEqual(again.status, 304, path)
        }
        const other = yield* Effect.promise(() => fetch(`${url}/page/none.js`))
        assert.strictEqual(other.status, 404)
      })
    )
  })
})
