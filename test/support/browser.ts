/** A real browser, as the page's users have one, for as long as a scope lives. */
import { spawnSync } from "node:child_process"
import * as Effect from "effect/Effect"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import launch from "./chromium.json" with { type: "json" }
import { temporaryFolder } from "./database.ts"

/** Why there is no browser, undefined where there is one: for the names of the tests that are skipped then. */
export const noBrowser: string | undefined = spawnSync(launch.executablePath, ["--version"]).error?.message

/** One browser; its profile and all else that it writes are gone with it. It asks nobody but the pages it is given. */
export const browser = Effect.flatMap(temporaryFolder, (home) =>
  Effect.acquireRelease(
    Effect.promise(() => chromium.launch({ ...launch, env: { PATH: process.env["PATH"], HOME: home } })),
    (browser) => Effect.promise(() => browser.close())
  )
)

/** What a page did that nobody should see, in the order in which it happened. */
export interface Visit {
  readonly page: Page
  /** Errors of the console, a broken policy among them, and what a script threw. */
  readonly complaints: ReadonlyArray<string>
  /** Every address that was asked for. */
  readonly requests: ReadonlyArray<string>
}

/** A page with storage, cache and downloads of its own. */
export const visit = (browser: Browser, options: BrowserContextOptions = {}) =>
  Effect.gen(function* () {
    const context = yield* Effect.acquireRelease(
      Effect.promise(() => browser.newContext(options)),
      (context) => Effect.promise(() => context.close())
    )
    const page = yield* Effect.promise(() => context.newPage())
    const complaints: Array<string> = []
    const requests: Array<string> = []
    page.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text())
    })
    page.on("pageerror", ({ message }) => complaints.push(message))
    page.on("request", (request) => requests.push(request.url()))
    const visit: Visit = { page, complaints, requests }
    return visit
  })

/** A page in a browser of its own, for a test that needs only one. */
export const page = Effect.map(Effect.flatMap(browser, visit), ({ page }) => page)
