/** A real browser for as long as a scope lives. */
import { spawnSync } from "node:child_process"
import * as Effect from "effect/Effect"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import launch from "./chromium.json" with { type: "json" }
import { temporaryFolder } from "./database.ts"

/** Why there is no browser, or undefined: for the names of skipped tests. */
export const noBrowser: string | undefined = spawnSync(launch.executablePath, ["--version"]).error?.message

/** One browser; its profile and all its files are deleted with it. It contacts only the pages it is given. */
export const browser = Effect.flatMap(temporaryFolder, (home) =>
  Effect.acquireRelease(
    Effect.promise(() => chromium.launch({ ...launch, env: { PATH: process.env["PATH"], HOME: home } })),
    (browser) => Effect.promise(() => browser.close())
  )
)

/** What a page did that nobody should see, in order. */
export interface Visit {
  readonly page: Page
  /** Errors of the console, such as a violated policy, and exceptions of scripts. */
  readonly complaints: ReadonlyArray<string>
  /** Every address that was requested. */
  readonly requests: ReadonlyArray<string>
}

/** A page with its own storage, cache and downloads. */
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

/** A page in its own browser, for a test that needs only one. */
export const page = Effect.map(Effect.flatMap(browser, visit), ({ page }) => page)
