/** A person on the page: a real browser, on a real service. */
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Browser, BrowserContextOptions, Locator, Page, Route } from "playwright-core"
import { fileForm } from "../../src/service/Client.ts"
import { clientOf, runningBackend } from "./backend.ts"
import { browser, visit } from "./browser.ts"
import { temporaryFolder } from "./database.ts"

export const maxFileSize = 1024 * 1024

/** Shared by the tests: a browser, and a service without accounts, in which each test has its own session. */
export class Site extends Context.Tag("test/Site")<Site, { readonly url: string; readonly chromium: Browser }>() {
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
export type Steps = (page: Page) => Promise<void>

export interface Visiting extends BrowserContextOptions {
  /** The address of the service; by default the shared one. */
  readonly url?: string
  /** What the console prints for answers that a test provokes. */
  readonly provoked?: RegExp
}

/** Opens the page on a session. At the end the page has no complaints and has contacted nobody else. */
export const onThePage = (session: string, steps: Steps, { provoked, url, ...options }: Visiting = {}) =>
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

/** Puts text files into a session, by the API. */
export const withFiles = (session: string, names: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { url } = yield* Site
    const { files } = yield* clientOf(url)
    const add = (name: string) =>
      files.upload({
        path: { sessionId: session },
        payload: fileForm(name, `content of ${name}`, { type: "text/plain" })
      })
    return yield* Effect.forEach(names, add, { concurrency: 8 })
  })

export const ready = (page: Page) => page.locator("#status", { hasText: /^Ready$/ }).waitFor()
export const entry = (page: Page, name: string) => page.locator("#files [data-file-id]", { hasText: name })
/** Waits for a message of the page. */
export const said = (page: Page, text: string | RegExp) => page.locator("#message", { hasText: text }).waitFor()
/** Waits for the line above the list. */
export const listed = (page: Page, text: string | RegExp) => page.locator("#count", { hasText: text }).waitFor()
/** One after the other: the message of an upload must not come after the message of the next action. */
export const uploaded = async (page: Page, ...names: ReadonlyArray<string>) => {
  for (const name of names) {
    await page.locator("#upload").setInputFiles(textFile(name))
    await said(page, `${name} is uploaded.`)
  }
}
/** Chooses from the menu of a file in the list. */
export const choose = async (page: Page, name: string, item: string) => {
  await page.getByRole("button", { name: `More for ${name}` }).click()
  await page.getByRole("menuitem", { name: item }).click()
}
export const textOf = async (locator: Locator) => (await locator.textContent()) ?? ""
/** The user comes back from another tab: the page looks at once. */
export const comeBack = (page: Page) => page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
/** Holds the answers of the service from now on, or so many of them, until they are released to the page. */
export const holdAnswers = async (page: Page, address: RegExp, times?: number) => {
  let release = () => {}
  const gone = new Promise<void>((resolve) => {
    release = resolve
  })
  let hasOne = () => {}
  const held = new Promise<void>((resolve) => {
    hasOne = resolve
  })
  const hold = async (route: Route) => {
    const response = await route.fetch()
    hasOne()
    await gone
    await route.fulfill({ response }).catch(() => {
      // The page continues without it.
    })
  }
  await page.route(address, hold, times === undefined ? {} : { times })
  return { held, release }
}
export const namesIn = (page: Page) => page.locator("#files .name").allTextContents()
export const textFile = (name: string, text = "some text") => ({
  name,
  mimeType: "text/plain",
  buffer: Buffer.from(text)
})

/** One pixel. */
export const image = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
  "base64"
)

/** A quarter of a second of silence: 8 bits, 8000 times a second. */
export const sound = (() => {
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
