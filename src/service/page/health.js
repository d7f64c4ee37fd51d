/** Whether the service is ready: asked repeatedly, and shown in one line. */
import { authorization } from "./api.js"
import { box, buttonAt, facts, make, say } from "./dom.js"
import { detailOf, lineOf, liveChecks, settingOf } from "./healthWords.js"
import { showStart } from "./timeline.js"
import { clock, readable } from "./words.js"

/** @typedef {import("./types.d.ts").Health} Health */

/**
 * Milliseconds between two requests when all is well and when it is not; a request that takes longer than the last is
 * given up.
 */
const pause = { well: 5000, otherwise: 1000, patience: 10_000 }

/** @type {Health["phase"] | undefined} */
let phase
/** @type {Date | undefined} */
let lastAnswer
/** @type {ReturnType<typeof setTimeout> | undefined} */
let next
/** @type {AbortController | undefined} */
let looking
/** @type {() => void} */
let onOpen = () => {}
/** @param {() => void} listener is called each time the service opens */
export const whenOpen = (listener) => {
  onOpen = listener
}

/** Does nothing while the page is hidden. */
export const look = async () => {
  clearTimeout(next)
  looking?.abort()
  const mine = new AbortController()
  looking = mine
  const late = setTimeout(() => mine.abort(), pause.patience)
  /** @type {Health} */
  let health = { phase: "gone", status: "fail" }
  try {
    const response = await fetch("/api/health", { headers: authorization(), signal: mine.signal, cache: "no-store" })
    health = await response.json()
    lastAnswer = new Date()
  } catch {
    // `gone` is the state if nobody answers.
  }
  clearTimeout(late)
  if (looking !== mine) return
  show(health)
  const isWell = health.phase === "open" && health.status !== "fail"
  if (!document.hidden) next = setTimeout(look, isWell ? pause.well : pause.otherwise)
}
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) look()
})

/** What the user chose, until the service changes its state. Opens automatically if nothing is served. */
/** @type {boolean | undefined} */
let chosen
let state = ""
const fold = () => {
  const isOpen = chosen ?? state === "fail"
  box("readiness").hidden = !isOpen
  buttonAt("readiness-toggle").ariaExpanded = String(isOpen)
}
buttonAt("readiness-toggle").onclick = () => {
  chosen = box("readiness").hidden !== false
  fold()
}

/** @param {Health} health */
const show = (health) => {
  const line = lineOf(health)
  // If the user opened it, it stays open. If it opened automatically, it closes when the reason is gone.
  if (line.state !== state && chosen === false) chosen = undefined
  state = line.state
  document.documentElement.dataset["state"] = line.state
  box("readiness").dataset["phase"] = health.phase
  say(box("status"), line.text)
  say(box("status-spoken"), line.text)
  say(box("detail"), detailOf(health, lastAnswer))
  fold()
  if (health.startup !== undefined) showStart(health.startup, health.stage)
  if (health.checks !== undefined) showChecks(health)
  // Those of a connection that is gone are not shown.
  box("pragmas-box").hidden = health.pragmas === undefined
  if (health.pragmas !== undefined) {
    facts(
      box("pragmas"),
      Object.entries(health.pragmas).map(([name, value]) => [name, settingOf(name, value)])
    )
  }
  if (health.releaseId !== undefined) say(box("release"), `Version ${health.releaseId}`)
  const isOpening = health.phase === "open" && phase !== "open"
  phase = health.phase
  if (isOpening) onOpen()
}

const marks = { pass: "✓", warn: "!", fail: "×" }
/** @param {Health} health */
const showChecks = (health) => {
  const checks = liveChecks(health).map(({ found, name, problem, status, time }) => {
    const item = make(
      "li",
      {},
      make("b", { ariaHidden: "true" }, marks[status]),
      make(
        "div",
        {},
        make("div", {}, `${name}: `, make("span", { className: "mono" }, found)),
        problem === undefined ? undefined : make("span", {}, readable(problem)),
        make("small", {}, `looked at ${clock(time)}`)
      )
    )
    item.dataset["state"] = status
    return item
  })
  const none = make("li", { className: "soft" }, "None before the database is ready.")
  box("checks").replaceChildren(...(checks.length > 0 ? checks : [none]))
}
