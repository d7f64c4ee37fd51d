/** Whether everybody can use the page: axe-core finds nothing in any state, light and dark, narrow and wide. */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Page } from "playwright-core"
import type { ExperimentPage, ExperimentResult } from "../src/service/experiments/ExperimentModels.ts"
import { clientOf, runningBackend } from "./support/backend.ts"
import { noBrowser } from "./support/browser.ts"
import { temporaryFolder } from "./support/database.ts"
import {
  choose,
  entry,
  image,
  listed,
  maxFileSize,
  onThePage,
  ready,
  Site,
  textFile,
  uploaded,
  withFiles
} from "./support/page.ts"

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8")
const skipped = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`

/** The width of a tablet (pixels). */
const tablet = 768

/** Every rule in the light scheme, and in the dark one only those it can change. */
const schemes = [
  { colorScheme: "light", options: {} },
  { colorScheme: "dark", options: { runOnly: ["color-contrast"] } }
] as const

const isSideways = (page: Page) => page.evaluate("document.documentElement.scrollWidth > innerWidth")

/** The findings of axe, as `state: rule, where, why`; and whether anything overflows sideways. */
const findings = async (page: Page, state: string): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const { colorScheme, options } of schemes) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" })
    const violations: unknown = await page.evaluate(`(async () => {
      if (window.axe === undefined) { ${axe} }
      const { violations } = await axe.run(document, ${JSON.stringify({ ...options, resultTypes: ["violations"] })})
      return violations.flatMap(({ id, nodes }) => nodes.map(({ any, all, none, target }) =>
        id + ", " + target + ", " + [...any, ...all, ...none].map(({ message }) => message).join("; ")))
    })()`)
    assert(Array.isArray(violations))
    found.push(...violations.map((violation) => `${state}, ${colorScheme}: ${violation}`))
  }
  if (await isSideways(page)) found.push(`${state}: scrolls sideways`)
  const viewport = page.viewportSize()
  if (viewport === null || viewport.width < tablet) return found
  await page.setViewportSize({ ...viewport, width: tablet })
  if (await isSideways(page)) found.push(`${state}: scrolls sideways on a tablet`)
  await page.setViewportSize(viewport)
  return found
}

type PolicyResult = (typeof ExperimentResult.Encoded)["policies"][number]

const policyResult = (result: Partial<PolicyResult>): PolicyResult => ({
  policy: "relevant",
  share: 25,
  sessions: 1204,
  countedSessions: 812,
  helpfulSessions: 401,
  passages: { used: 310, helpful: 1290, ignored: 77 },
  rate: 401 / 812,
  lower: 0.43,
  upper: 0.56,
  verdict: "notEnough",
  evidence: 3,
  ...result
})

/** What all policies of an experiment show: its result has every verdict. */
const policyResults = [
  policyResult({ verdict: null, evidence: null }),
  policyResult({ policy: "diverse", verdict: "better", evidence: 51 }),
  policyResult({ policy: "newest", verdict: "worse", evidence: 51 }),
  policyResult({ policy: "whole", verdict: "unbalanced" })
]
const noneYet = { sessions: 0, countedSessions: 0, helpfulSessions: 0, rate: null, lower: 0, upper: 1 }
const experiments: ReadonlyArray<typeof ExperimentResult.Encoded> = (
  [
    ["next-month", "planned", policyResults.map((policy) => ({ ...policy, ...noneYet }))],
    ["which-one-is-better", "running", policyResults],
    ["the-one-before", "ended", policyResults]
  ] as const
).map(([name, state, policies]) => ({
  name,
  state,
  policies,
  startsAt: "2026-11-01T00:00:00.000Z",
  endsAt: "2026-12-01T00:00:00.000Z",
  createdBy: "ada",
  requiredEvidence: 20
}))
const experimentPage: typeof ExperimentPage.Encoded = { experiments, next: null }

/** Its verdicts would take thousands of sessions. */
const withExperiments = async (page: Page) => {
  await page.route(/\/api\/experiments\?/, (route) => route.fulfill({ json: experimentPage }))
  for (const experiment of experiments) {
    await page.route(`**/api/experiments/${experiment.name}`, (route) => route.fulfill({ json: experiment }))
  }
}

const closed = (page: Page) => page.locator("dialog[open]").waitFor({ state: "hidden" })

/** Each is reached from the one before it. */
const statesOf = (
  session: string
): ReadonlyArray<readonly [state: string, reach: (page: Page) => Promise<unknown>]> => [
  ["welcome", (page) => page.locator("#sessions li").first().waitFor({ state: "attached" })],
  ["readiness", (page) => page.getByRole("button", { name: "Ready" }).click()],
  [
    "session",
    async (page) => {
      await page.getByRole("button", { name: "Ready" }).click()
      await page.evaluate(`location.hash = '${session}'`)
      await entry(page, "picture.png").locator("canvas").waitFor()
    }
  ],
  [
    "selection",
    async (page) => {
      await page.getByLabel("Select a.txt").check()
      await page.getByText("What happened in this session").click()
      await page.locator("#events li").first().waitFor()
    }
  ],
  [
    "found in the contents",
    async (page) => {
      await page.getByLabel("Search in contents and names").fill("content")
      await page.keyboard.press("Enter")
      await page.locator("#found-note", { hasText: /, best first|says/ }).waitFor()
    }
  ],
  [
    "menu",
    async (page) => {
      await page.getByRole("button", { name: "Clear", exact: true }).click()
      await page.getByRole("button", { name: "More for b.txt" }).click()
    }
  ],
  [
    "rename",
    async (page) => {
      await page.getByRole("menuitem", { name: "Rename" }).click()
      await page.getByLabel("New name").fill("a/b")
      await page.keyboard.press("Enter")
      await page.locator("#asker-problem:not(:empty)").waitFor()
    }
  ],
  [
    "expiry",
    async (page) => {
      await page.keyboard.press("Escape")
      await choose(page, "b.txt", "Change when it is deleted")
    }
  ],
  [
    "transfer",
    async (page) => {
      await page.keyboard.press("Escape")
      await choose(page, "b.txt", "Copy or move")
    }
  ],
  [
    "new text",
    async (page) => {
      await page.keyboard.press("Escape")
      await page.getByRole("button", { name: "New text" }).click()
    }
  ],
  [
    "text in large, with details",
    async (page) => {
      await page.keyboard.press("Escape")
      await page.getByRole("button", { name: "a.txt", exact: true }).click()
      await page.locator("#preview pre").waitFor()
      if (await page.locator("#details").isHidden()) await page.getByRole("button", { name: "Details" }).click()
      await page.getByText("Who did what").click()
      await page.locator("#details li").first().waitFor()
    }
  ],
  [
    "editor",
    async (page) => {
      await page.getByRole("button", { name: "Edit" }).click()
      await page.getByLabel("Text of a.txt").waitFor()
    }
  ],
  [
    "image in large",
    async (page) => {
      await page.keyboard.press("Escape")
      await closed(page)
      await page.getByRole("button", { name: "picture.png", exact: true }).click()
      await page.locator("#preview img").waitFor()
    }
  ],
  [
    "undo",
    async (page) => {
      await page.keyboard.press("Escape")
      await closed(page)
      await page.getByRole("button", { name: "Delete b.txt" }).click()
      await page.getByRole("button", { name: "Undo" }).waitFor()
    }
  ],
  [
    "delete for good",
    async (page) => {
      await page.getByRole("button", { name: "Deleted", exact: true }).click()
      await page.getByRole("button", { name: "Delete for good b.txt" }).click()
    }
  ],
  [
    "uploads under way, in an empty session",
    async (page) => {
      await page.keyboard.press("Escape")
      await page.evaluate(`location.hash = '${session}-empty'`)
      await listed(page, "No files.")
      await page.route("**/*-empty/files", (route) =>
        route.request().method() === "POST" ? undefined : route.continue()
      )
      await page.locator("#upload").setInputFiles(["1", "2", "3", "4", "5"].map((name) => textFile(name)))
      await page.locator("#uploads-left-out", { hasText: "2 files wait." }).waitFor()
    }
  ],
  [
    "refused upload",
    async (page) => {
      await page.getByRole("button", { name: "Cancel all" }).click()
      await page.unroute("**/*-empty/files")
      await page.locator("#upload").setInputFiles(["1", "2"].map((name) => textFile(name, "x".repeat(maxFileSize + 1))))
      await page.locator("#uploads .problem").nth(1).waitFor()
    }
  ],
  [
    "ended",
    async (page) => {
      await page.getByRole("button", { name: "Dismiss all" }).click()
      await uploaded(page, "a.txt")
      await page.locator("#session-facts", { hasText: "1 file" }).waitFor()
      await choose(page, `${session}-empty`, "End the session")
      await page.getByText(/^This session ended/).waitFor()
    }
  ],
  [
    "problem",
    async (page) => {
      const body = JSON.stringify({ _tag: "DatabaseBusy", detail: "Another process writes to the database." })
      await page.route("**/unlisted/files?*", (route) => route.fulfill({ status: 503, body }))
      await page.evaluate("location.hash = 'unlisted'")
      await listed(page, "Another process writes")
    }
  ],
  ["all files", async (page) => page.evaluate("location.hash = '/all'").then(() => listed(page, /file/))],
  [
    "planned deletions",
    async (page) => page.evaluate("location.hash = '/due'").then(() => page.locator("#due li").first().waitFor())
  ],
  [
    "administration",
    async (page) => {
      await withExperiments(page)
      await page.evaluate("location.hash = '/administration'")
      await page.locator("#administration td").first().waitFor()
      while ((await page.locator("#administration").getByText("Loading").count()) > 0) await page.waitForTimeout(20)
    }
  ],
  [
    "not reachable",
    async (page) => {
      await page.context().setOffline(true)
      await page.locator("#status", { hasText: "Not reachable" }).waitFor()
    }
  ],
  [
    "starting",
    async (page) => {
      const startup = { startedAt: new Date().toISOString(), durationMs: 3000, stages: [] }
      const since = { stage: "migrations", attempts: 3, since: startup.startedAt }
      const body = JSON.stringify({ status: "fail", phase: "starting", ...since, checks: {}, startup })
      await page.route("**/api/health", (route) => route.fulfill({ status: 503, body }))
      await page.context().setOffline(false)
      await page.locator("#status", { hasText: "Starting" }).waitFor()
    }
  ]
]

describe.skipIf(noBrowser !== undefined)(`the page and accessibility${skipped}`, () => {
  layer(Site.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    for (const width of [320, 1280]) {
      it.scoped(
        `has no findings of axe-core at ${width} pixels, light and dark, in any of its states`,
        () =>
          Effect.gen(function* () {
            const session = `axe-${width}`
            yield* withFiles(session, ["a.txt", "b.txt"])
            yield* onThePage(
              "",
              async (page) => {
                await ready(page)
                const found: Array<string> = []
                await page.evaluate(`location.hash = '${session}'`)
                await page
                  .locator("#upload")
                  .setInputFiles({ name: "picture.png", mimeType: "image/png", buffer: image })
                await entry(page, "picture.png").waitFor()
                await page.evaluate("location.hash = '/'")
                for (const [state, reach] of statesOf(session)) {
                  await reach(page)
                  found.push(...(await findings(page, state)))
                }
                assert.deepStrictEqual(found, [])
              },
              { viewport: { width, height: 800 }, provoked: /status of (400|503)|ERR_INTERNET_DISCONNECTED/ }
            )
          }),
        180_000
      )
    }

    it.scoped("has no findings of axe-core when it asks for a token, and when a session is somebody else's", () =>
      Effect.gen(function* () {
        const { url } = yield* runningBackend({
          DATA_DIRECTORY: yield* temporaryFolder,
          API_TOKENS: "ada:token-of-ada-0123,bob:token-of-bob-0123"
        })
        const { changes } = yield* clientOf(url, "token-of-ada-0123")
        yield* changes.createText({ path: { sessionId: "hers" }, payload: { name: "a.txt", text: "a" } })
        yield* onThePage(
          "hers",
          async (page) => {
            await page.getByLabel("Token").fill("none")
            await page.keyboard.press("Enter")
            await page.locator("#token-problem:not(:empty)").waitFor()
            const found = [...(await findings(page, "sign in"))]
            await page.getByLabel("Token").fill("token-of-bob-0123")
            await page.keyboard.press("Enter")
            await listed(page, "The session hers is not yours.")
            found.push(...(await findings(page, "forbidden")))
            await page.setViewportSize({ width: 1280, height: 800 })
            found.push(...(await findings(page, "forbidden, wide")))
            assert.deepStrictEqual(found, [])
          },
          { url, provoked: /status of (401|403)/, viewport: { width: 320, height: 800 } }
        )
      })
    )
  })
})
