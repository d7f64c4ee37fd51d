/** The page at `/`, in a real browser, on a real service. */
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core"
import { fileForm } from "../src/backend/Client.ts"
import { backendProcess, clientOf, runningBackend } from "./support/backend.ts"
import { browser, noBrowser, visit } from "./support/browser.ts"
import { rivalProcess, temporaryFolder } from "./support/database.ts"

const maxFileSize = 1024 * 1024

/** What the tests share: a browser, and a service without accounts, in which each has a session of its own. */
class Site extends Context.Tag("test/Site")<Site, { readonly url: string; readonly chromium: Browser }>() {
  static readonly layer = Layer.scoped(
    Site,
    Effect.gen(function* () {
      const { url } = yield* runningBackend({
        DATA_DIRECTORY: yield* temporaryFolder,
        MAX_FILE_SIZE: String(maxFileSize)
      })
      return { url, chromium: yield* browser }
    })
  )
}

/** What a person does on the page; a step that cannot be done fails the test. */
type Steps = (page: Page) => Promise<void>

interface Visiting extends BrowserContextOptions {
  /** Where the service is; the shared one without. */
  readonly url?: string
  /** What the console says of answers that a test provokes. */
  readonly provoked?: RegExp
}

/** Opens the page on a session. In the end nothing was complained of, and nobody else was asked for anything. */
const onThePage = (session: string, steps: Steps, { provoked, url, ...options }: Visiting = {}) =>
  Effect.gen(function* () {
    const site = yield* Site
    const origin = url ?? site.url
    const { complaints, page, requests } = yield* visit(site.chromium, options)
    yield* Effect.promise(() => page.goto(`${origin}/#${session}`))
    yield* Effect.promise(() => steps(page))
    assert.deepStrictEqual(
      complaints.filter((text) => provoked?.test(text) !== true),
      []
    )
    // The viewer of PDF documents is the browser's own.
    const others = requests.filter(
      (address) => !/^(blob|chrome|chrome-extension):/.test(address) && !address.startsWith(`${origin}/`)
    )
    assert.deepStrictEqual(others, [])
  })

const withFiles = (session: string, names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { url } = yield* Site
    const { files } = yield* clientOf(url)
    const add = (name: string) =>
      files.upload({
        path: { sessionId: session },
        payload: fileForm(name, `content of ${name}`, { type: "text/plain" })
      })
    yield* Effect.forEach(names, add, { concurrency: 8 })
  })

const ready = (page: Page) => page.locator("#status", { hasText: /^Ready$/ }).waitFor()
const entry = (page: Page, name: string) => page.locator("#files [data-file-id]", { hasText: name })
const said = (page: Page, text: string) => page.locator("#message", { hasText: text }).waitFor()
/** One after the other: what the page says of an upload must not come after what it says of the next thing. */
const uploaded = async (page: Page, ...names: ReadonlyArray<string>) => {
  for (const name of names) {
    await page.locator("#upload").setInputFiles(textFile(name))
    await said(page, `${name} is uploaded.`)
  }
}
const textOf = async (locator: Locator) => (await locator.textContent()) ?? ""
/** What happens when the user comes back from another tab: the page looks at once. */
const comeBack = (page: Page) => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
/** Answers from now on are the service's of that moment, and reach the page when they are let go. */
const holdAnswers = async (page: Page, address: RegExp) => {
  let letGo = () => {}
  const gone = new Promise<void>((resolve) => {
    letGo = resolve
  })
  await page.route(address, async (route) => {
    const response = await route.fetch()
    await gone
    await route.fulfill({ response })
  })
  return letGo
}
const namesIn = (page: Page) => page.locator("#files .name").allTextContents()
const textFile = (name: string, text = "some text") => ({ name, mimeType: "text/plain", buffer: Buffer.from(text) })

const image = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)

/** A quarter of a second of silence: 8 bits, 8000 times a second. */
const sound = (() => {
  const samples = Buffer.alloc(2000, 128)
  const header = Buffer.alloc(44)
  header.write("RIFF", 0)
  header.writeUInt32LE(36 + samples.length, 4)
  header.write("WAVEfmt ", 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(8000, 24)
  header.writeUInt32LE(8000, 28)
  header.writeUInt16LE(1, 32)
  header.writeUInt16LE(8, 34)
  header.write("data", 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
})()

const skipped = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(`the page${skipped}`, () => {
  layer(Site.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.scoped("shows readiness, and the start as a picture in which each stage has its place", () =>
      onThePage("", async (page) => {
        await ready(page)
        const health = await (await page.request.get(new URL("/api/health", page.url()).href)).json()
        const { durationMs, stages, startedAt } = health.startup
        assert.include(await textOf(page.locator("#detail")), `Schema version ${health.schemaVersion}`)
        assert.strictEqual(await page.locator("#stages li").count(), 5)
        for (const [index, stage] of stages.entries()) {
          const row = page.locator("#stages li").nth(index)
          const text = await textOf(row)
          for (const part of [stage.name, stage.found, " ms"]) assert.include(text, part)
          const track = await row.locator(".track").boundingBox()
          const bar = await row.locator(".bar").boundingBox()
          assert(track !== null && bar !== null)
          const offset = Date.parse(stage.startedAt) - Date.parse(startedAt)
          assert.closeTo((bar.x - track.x) / track.width, offset / durationMs, 0.02)
          assert.closeTo(bar.width, Math.max(3, (stage.durationMs / durationMs) * track.width), 2)
        }
        await page.locator("#pragmas", { hasText: "journal_mode" }).waitFor()
        await page.locator("#storage", { hasText: "free on the disk" }).waitFor()
        await page.locator("#checks li").nth(2).waitFor()
        assert.strictEqual(await page.locator("#checks [data-state=pass]").count(), 4)
      })
    )

    it.scoped("uploads what is picked and what is dropped, several files at once, and lists them newest first", () =>
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
        assert.deepStrictEqual(await namesIn(page), ["four", "three.json", "two.txt", "one.txt"])
        await page.reload()
        await entry(page, "four").waitFor()
        assert.deepStrictEqual(await namesIn(page), ["four", "three.json", "two.txt", "one.txt"])
      })
    )

    it.scoped("keeps what is uploaded while an older answer about the list is still on its way", () =>
      onThePage("overtaken", async (page) => {
        await ready(page)
        await said(page, "No files.")
        const uploaded = said(page, "a.txt is uploaded.")
        // The answer is there before the upload begins, and reaches the page after its end; later ones are not held.
        await page.route(
          "**/api/sessions/overtaken/files?**",
          async (route) => {
            const response = await route.fetch()
            await page.locator("#upload").setInputFiles(textFile("a.txt"))
            await uploaded
            await route.fulfill({ response })
          },
          { times: 1 }
        )
        await page.getByRole("button", { name: "Kept" }).click()
        await said(page, "1 file.")
        assert.deepStrictEqual(await namesIn(page), ["a.txt"])
      })
    )

    it.scoped("takes an address that is none of its own for what it says, and goes on", () =>
      onThePage(
        "%",
        async (page) => {
          await ready(page)
          assert.strictEqual(await page.getByLabel("Session", { exact: true }).inputValue(), "%")
          await said(page, "letters, digits")
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
        await page.locator('#uploads progress:not([value="0"]):not([value="1"])').waitFor()
        await page.getByRole("button", { name: "Cancel long.txt" }).click()
        await atSpeed(-1)
        await entry(page, "next.txt").waitFor()
        assert.strictEqual(await page.locator("#uploads li").count(), 0)
        assert.deepStrictEqual(await namesIn(page), ["next.txt"])
      })
    )

    it.scoped("tells why a file is refused, in the API's words, and keeps the others", () =>
      onThePage(
        "refused",
        async (page) => {
          await page
            .locator("#upload")
            .setInputFiles([textFile("large", "x".repeat(maxFileSize + 1)), textFile("small")])
          await entry(page, "small").waitFor()
          await page.locator("#uploads .problem", { hasText: `${maxFileSize} bytes at most. (FileTooLarge)` }).waitFor()
          await page.getByRole("button", { name: "Try again large" }).click()
          await page.locator("#uploads .problem").waitFor()
          await page.getByRole("button", { name: "Dismiss large" }).click()
          assert.strictEqual(await page.locator("#uploads li").count(), 0)
        },
        { provoked: /status of 413/ }
      )
    )

    it.scoped("previews an image, a text, a sound and a PDF document, and ends each with Escape", () =>
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
          const text = await textOf(page.locator("#preview pre"))
          assert.isTrue(text.startsWith("<b><b>"))
          assert.isTrue(text.endsWith("64.0 KiB of 87.9 KiB"))
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
        assert.strictEqual(await page.title(), "Conversation files")
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

    it.scoped("renames a file, deletes it and restores it", () =>
      onThePage(
        "changes",
        async (page) => {
          await uploaded(page, "kept.txt", "old.txt")
          await page.getByRole("button", { name: "Rename old.txt" }).click()
          await page.getByLabel("New name").fill("a/b")
          await page.keyboard.press("Enter")
          await page.locator("#rename-problem", { hasText: "(InvalidFileName)" }).waitFor()
          await page.getByLabel("New name").fill("new.txt")
          await page.keyboard.press("Enter")
          await said(page, "old.txt is now new.txt.")
          await page.getByRole("button", { name: "Delete new.txt" }).click()
          await said(page, "new.txt is deleted.")
          assert.deepStrictEqual(await namesIn(page), ["kept.txt"])
          await page.getByRole("button", { name: "Deleted", exact: true }).click()
          await said(page, "1 deleted file.")
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

    it.scoped("deletes a file for good where it is deleted already, and only when that is said twice", () =>
      onThePage("for-good", async (page) => {
        await uploaded(page, "kept.txt", "gone.txt")
        for (const name of ["kept.txt", "gone.txt"]) {
          await page.getByRole("button", { name: `Delete ${name}` }).click()
          await said(page, `${name} is deleted.`)
        }
        await page.getByRole("button", { name: "Deleted", exact: true }).click()
        await said(page, "2 deleted files.")
        await page.getByRole("button", { name: "Delete for good kept.txt" }).click()
        await page.getByRole("dialog", { name: "Delete for good?" }).getByText("kept.txt").waitFor()
        // Who only presses a key keeps the file.
        await page.keyboard.press("Enter")
        await page.locator("#destroyer").waitFor({ state: "hidden" })
        assert.deepStrictEqual((await namesIn(page)).sort(), ["gone.txt", "kept.txt"])
        await page.getByRole("button", { name: "Delete for good gone.txt" }).click()
        await page.getByRole("button", { name: "Delete for good", exact: true }).click()
        await said(page, "gone.txt is deleted for good.")
        assert.deepStrictEqual(await namesIn(page), ["kept.txt"])
        assert.strictEqual(await page.evaluate("document.activeElement.textContent"), "Restore")
        await page.reload()
        await page.getByRole("button", { name: "Deleted", exact: true }).click()
        await said(page, "1 deleted file.")
      })
    )

    it.scoped("tells what happened in a session, the newest last, and forgets it with the session", () =>
      onThePage("trail", async (page) => {
        await page.locator("#upload").setInputFiles([textFile("a.txt")])
        await said(page, "a.txt is uploaded.")
        await page.getByRole("button", { name: "Delete a.txt" }).click()
        await said(page, "a.txt is deleted.")
        await page.getByText("What happened in this session").click()
        await page.locator("#events li", { hasText: "delete a.txt" }).waitFor()
        const events = await page.locator("#events li").allTextContents()
        assert.deepStrictEqual(
          events.map((event) =>
            event
              .replace(/^.*?: /, "")
              .split(" ")
              .slice(0, 2)
              .join(" ")
          ),
          ["upload a.txt", "delete a.txt"]
        )
        await page.getByLabel("Session", { exact: true }).fill("another")
        await page.keyboard.press("Enter")
        await said(page, "No files.")
        assert.deepStrictEqual(await page.locator("#events li").allTextContents(), [])
      })
    )

    it.scoped("leaves the renaming of another file alone when the answer to an earlier one comes", () =>
      onThePage("renames", async (page) => {
        await page.locator("#upload").setInputFiles([textFile("a.txt"), textFile("b.txt")])
        await entry(page, "b.txt").waitFor()
        await page.route(
          "**/api/files/*",
          async (route) => {
            const response = await route.fetch()
            await page.keyboard.press("Escape")
            await page.getByRole("button", { name: "Rename b.txt" }).click()
            await route.fulfill({ response })
          },
          { times: 1 }
        )
        await page.getByRole("button", { name: "Rename a.txt" }).click()
        await page.getByLabel("New name").fill("c.txt")
        await page.keyboard.press("Enter")
        await said(page, "a.txt is now c.txt.")
        assert.deepStrictEqual(await namesIn(page), ["b.txt", "c.txt"])
        assert.isTrue(await page.locator("#renamer[open]").isVisible())
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
            await said(page, `${count} files`)
            assert.strictEqual(await page.locator("#files li").count(), count)
            if (count < 60) await more.click()
          }
          await more.waitFor({ state: "hidden" })
          assert.deepStrictEqual((await namesIn(page)).sort(), names.toSorted())
          await page.getByLabel("Search by name").pressSequentially("FILE 7")
          await said(page, "1 file with “FILE 7” in the name.")
          assert.deepStrictEqual(await namesIn(page), ["file 7.txt"])
          await page.getByLabel("Search by name").fill("nothing")
          await said(page, "No files with")
        })
      })
    )

    it.scoped("is worked with the keyboard alone, and shows where one is", () =>
      onThePage("", async (page) => {
        await ready(page)
        /** Goes on to the next element, which has to be this one and has to be seen. */
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
        // From now on a picker is answered, as the system's own would be by its user.
        page.on("filechooser", (picker) => picker.setFiles([textFile("a.txt")]))
        await tabTo(page.locator("#session"))
        await page.keyboard.type("keys")
        await page.keyboard.press("Enter")
        await said(page, "No files.")
        assert.strictEqual(new URL(page.url()).hash, "#keys")
        await tabTo(page.locator("#upload"))
        await page.keyboard.press("Enter")
        await said(page, "a.txt is uploaded.")
        await tabTo(page.getByLabel("Search by name"))
        await tabTo(page.getByRole("button", { name: "Kept" }))
        await tabTo(page.getByRole("button", { name: "Deleted", exact: true }))
        const name = page.getByRole("button", { name: "a.txt", exact: true })
        await tabTo(name)
        await page.keyboard.press("Enter")
        await page.locator("#preview pre").waitFor()
        await page.keyboard.press("Escape")
        await isFocused(name)
        await tabTo(page.getByRole("button", { name: "Download a.txt" }))
        await tabTo(page.getByRole("button", { name: "Rename a.txt" }))
        await page.keyboard.press("Enter")
        await isFocused(page.getByLabel("New name"))
        await page.keyboard.type("b")
        await page.keyboard.press("Enter")
        await isFocused(page.getByRole("button", { name: "Rename b.txt" }))
        await tabTo(page.getByRole("button", { name: "Delete b.txt" }))
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
              await page.locator("#pragmas dd").first().waitFor()
              // A phone zooms out until all fits in `innerWidth`: the screen's own width counts.
              const isFitting = `document.documentElement.scrollWidth <= ${width} && innerWidth <= ${width}`
              assert.isTrue(await page.evaluate(isFitting))
              const targets = await page.locator("button:visible, input:visible").all()
              assert.isAbove(targets.length, 6)
              for (const target of targets) assert.isAtLeast((await target.boundingBox())?.height ?? 0, 44)
              await page.getByRole("button", { name: /^Rename/ }).click()
              await page.getByLabel("New name").waitFor()
              assert.isTrue(await page.evaluate(isFitting))
            },
            { viewport: { width, height: 844 }, isMobile: true, hasTouch: true }
          )
        })
      )
    }

    it.scoped("is dark where the user wants it dark", () =>
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
        await page.getByLabel("Search by name").fill("<img src=x onerror=alert(1)>")
        await said(page, "1 file with “<img src=x onerror=alert(1)>” in the name.")
        await page.getByRole("button", { name: `Delete ${name}` }).click()
        await said(page, `${name} is deleted.`)
        assert.strictEqual(await page.locator("img").count(), 0)
        assert.strictEqual(alerts, 0)
      })
    )

    it.scoped("asks for a token where one is needed, says when it is wrong, and forgets it when told to", () =>
      Effect.gen(function* () {
        const { url } = yield* runningBackend({
          DATA_DIRECTORY: yield* temporaryFolder,
          API_TOKENS: "ada:token-of-ada-0123:administrator,bob:token-of-bob-0123"
        })
        yield* onThePage(
          "mine",
          async (page) => {
            const token = page.locator("#token")
            await token.waitFor()
            await ready(page)
            assert.notInclude(await textOf(page.locator("#stages")), "SQLite")
            await token.fill("token-of-nobody")
            await token.press("Enter")
            await page.locator("#token-problem", { hasText: "(Unauthorized)" }).waitFor()
            await token.fill("token-of-ada-0123")
            await page.getByRole("button", { name: "Use token" }).click()
            await token.waitFor({ state: "hidden" })
            await page.locator("#stages", { hasText: "SQLite" }).waitFor()
            await page.locator("#upload").setInputFiles(textFile("hers.txt"))
            await entry(page, "hers.txt").waitFor()
            await page.reload()
            await entry(page, "hers.txt").waitFor()
            await page.locator("#storage dd").first().waitFor()
            const letGo = await holdAnswers(page, /\/api\/storage$|\/files\?/)
            // Storage is asked for once more, and the answer is hers.
            const asked = page.waitForRequest("**/api/storage")
            await page.locator("#upload").setInputFiles(textFile("hers too.txt"))
            await asked
            await page.getByRole("button", { name: "Forget token" }).click()
            const inSight = page.locator("#files li, #storage dd")
            assert.strictEqual(await inSight.count(), 0)
            letGo()
            await token.waitFor()
            assert.strictEqual(await inSight.count(), 0)
            await token.fill("token-of-bob-0123")
            await token.press("Enter")
            await said(page, "(Forbidden)")
            assert.strictEqual(await page.locator("#files li").count(), 0)
          },
          { url, provoked: /status of (401|403)/ }
        )
      })
    )

    it.scoped("tells of a start that waits, of the service it becomes, and of one that is gone", () =>
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
            await page.locator("#detail", { hasText: /In the stage \w+ since .+, attempt \d+\./ }).waitFor()
            await page.locator("#stages .running", { hasText: /\d attempts/ }).waitFor()
            await page.emulateMedia({ reducedMotion: "reduce" })
            const animation = "getComputedStyle(document.querySelector('.running .bar')).animationName"
            assert.strictEqual(await page.evaluate(animation), "none")
            await page.locator("#upload").setInputFiles(textFile("early.txt"))
            await page.locator("#uploads .problem", { hasText: "(NotReady)" }).waitFor()
            rival.kill("SIGKILL")
            await ready(page)
            await page.getByRole("button", { name: "Try again early.txt" }).click()
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

    it.scoped("tells what is wrong when the database is not sound any more", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { url } = yield* runningBackend({ DATA_DIRECTORY: folder, HEALTH_CACHE: "1 millis" })
        yield* onThePage(
          "unsound",
          async (page) => {
            await ready(page)
            rmSync(join(folder, "conversation_files.db"))
            await comeBack(page)
            await page.locator("#status", { hasText: /^Not sound$/ }).waitFor()
            await page.locator("#detail", { hasText: "conversation_files.db" }).waitFor()
            await page.locator('#checks [data-state="fail"]').first().waitFor()
          },
          { url, provoked: /status of 503/ }
        )
      })
    )
  })
})
