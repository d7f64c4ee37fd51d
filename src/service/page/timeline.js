/** The start of the service as a picture: when each stage ran and how long it took. */
import { box, make } from "./dom.js"
import { bytes, millis } from "./words.js"

/** @typedef {import("./types.d.ts").Startup} Startup */

/**
 * A round number of milliseconds that divides the scale into three to seven steps.
 * @param {number} total
 */
const stepOf = (total) => {
  const magnitude = 10 ** Math.floor(Math.log10(total / 3))
  return [5, 2, 1].map((factor) => factor * magnitude).find((step) => step <= total / 3) ?? magnitude
}

/**
 * The start counts 1000 bytes as a KB. The same space must not have another number in the line below.
 * @param {string} found
 */
const inUnits = (found) =>
  found.replace(/([\d.]+) (MB|GB) free/, (_, count, unit) => `${bytes(count * (unit === "GB" ? 1e9 : 1e6))} free`)

let drawn = ""

/**
 * A finished start is drawn once.
 * @param {Startup} startup
 * @param {string | undefined} current
 */
export const showStart = (startup, current) => {
  const seen = JSON.stringify([startup, current])
  if (seen === drawn) return
  drawn = seen
  const { durationMs, stages, startedAt } = startup
  const begin = Date.parse(startedAt)
  /** @param {{ readonly startedAt: string }} stage */
  const offsetOf = (stage) => Math.max(0, Date.parse(stage.startedAt) - begin)
  const total = Math.max(1, durationMs, ...stages.map((stage) => offsetOf(stage) + stage.durationMs))
  /** @param {number} count */
  const share = (count) => `${((100 * count) / total).toFixed(3)}%`
  const step = stepOf(total)
  const timeline = box("timeline")
  timeline.hidden = stages.length === 0
  timeline.style.setProperty("--step", share(step))
  box("ticks").replaceChildren(
    // The label of a tick at the very end would not fit.
    ...Array.from({ length: Math.floor((total * 0.93) / step) + 1 }, (_, index) => {
      const tick = make("span", {}, index === 0 ? "0" : millis(index * step))
      tick.style.setProperty("--at", share(index * step))
      return tick
    })
  )
  box("stages").replaceChildren(
    ...stages.map((stage) => {
      const bar = make("div", { className: "bar" })
      bar.style.setProperty("--offset", share(offsetOf(stage)))
      bar.style.setProperty("--length", share(stage.durationMs))
      const attempts = stage.attempts > 1 ? `${stage.attempts} attempts` : ""
      return make(
        "li",
        { className: stage.name === current ? "stage running" : "stage" },
        make("span", {}, stage.name),
        make("span", { className: "found soft" }, inUnits(stage.found ?? "")),
        make("div", { className: "track", ariaHidden: "true" }, bar),
        make(
          "span",
          { className: "figures mono", title: `began ${millis(offsetOf(stage))} after the start` },
          millis(stage.durationMs),
          make("small", {}, attempts)
        )
      )
    })
  )
}
