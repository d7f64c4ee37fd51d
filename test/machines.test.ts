/**
 * The service among the machines of its system: the backend (VM0), the web frontend (VM1), the NPU worker (VM2), Redis
 * (VM3), the AI stack (VM4) and the browser automation (VM5). Each is a process, connected only by HTTP. The service
 * needs nothing from Redis, so no process stands for it. `hosts/machines.test.ts` gives each a host of its own.
 */
import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { noBrowser } from "./support/browser.ts"
import { endToEnd } from "./support/endToEnd.ts"
import {
  changesReachOthers,
  concurrentInitialization,
  freshDeployment,
  pageUpload,
  screenshotSave,
  workerUpload
} from "./support/machineScenarios.ts"
import { loopback } from "./support/sixMachines.ts"

/** Ten processes and two browsers are slow when others use the processor; this limit measures nothing. */
const patience = 180_000

describe("the six machines", () => {
  it.scopedLive("fresh VM0 deployment creates schema, and serves on it", () => freshDeployment(loopback))

  it.scopedLive("NPU worker VM2 file upload: it fetches a file and returns its result, with metadata", () =>
    workerUpload(loopback)
  )

  it.scopedLive(
    "changes reach the other machines: the worker reacts to a text and its change, the user to the result",
    () => changesReachOthers(loopback, () => Effect.void)
  )

  const inABrowser = noBrowser === undefined ? "" : ` (skipped: ${noBrowser})`
  const withBrowser = it.scopedLive.skipIf(noBrowser !== undefined)

  withBrowser(`browser VM5 screenshot save: what a real browser shows is a file of the session${inABrowser}`, () =>
    screenshotSave(loopback)
  )

  withBrowser(`frontend VM1 file upload: what a user chooses in the page is stored, and there again${inABrowser}`, () =>
    pageUpload(loopback)
  )

  it.scopedLive("concurrent initialization from multiple VMs: all are ready, and each migration is applied once", () =>
    concurrentInitialization(loopback)
  )

  withBrowser(
    `end to end distributed workflow: a user, four machines, a stranger, and a backend that is killed in between${inABrowser}`,
    () => endToEnd(loopback),
    patience
  )
})
