/**
 * Asks one URL again and again, in a process of its own: `node prober.mjs URL`. A test that attacks in the same process
 * would be measured too. Prints a line after the first answer. When its input ends, it prints what it saw as JSON, and
 * ends. It also measures how late its own event loop was, because such a wait says nothing about the service.
 */
import { Agent, get } from "node:http"
import { constants, setPriority } from "node:os"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { setTimeout } from "node:timers/promises"

const url = String(process.argv[2])
const agent = new Agent({ keepAlive: true, maxSockets: 1 })

try {
  setPriority(constants.priority.PRIORITY_ABOVE_NORMAL)
} catch {
  // Only root may. Then it waits for the processor like everybody else, which `late` shows.
}

const resolution = 1
const delays = monitorEventLoopDelay({ resolution })
delays.enable()

/** The status, or what went wrong. */
const once = () =>
  new Promise((resolve) => {
    get(url, { agent }, (response) => {
      response.resume().once("end", () => resolve(response.statusCode))
    }).once("error", (error) => resolve(String(error)))
  })

const probes = []
const failures = []
let goesOn = true
process.stdin.once("end", () => {
  goesOn = false
})
process.stdin.resume()

while (goesOn) {
  delays.reset()
  const begun = performance.now()
  const status = await once()
  const waited = performance.now() - begun
  // The look itself is as coarse as its resolution.
  probes.push({ waited, late: Math.max(0, delays.max / 1e6 - 2 * resolution) })
  if (status !== 200) failures.push(`${url}: ${status}`)
  if (probes.length === 1) console.log("probing")
  await setTimeout(10)
}
agent.destroy()
console.log(JSON.stringify({ probes, failures }))
