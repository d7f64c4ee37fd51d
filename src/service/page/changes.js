/** What others change in the current session, as it happens: server-sent events, read with the token. */
import { call, Refused, sessionUrl } from "./api.js"
import { load } from "./list.js"
import { session } from "./place.js"
import { showSession } from "./sessionView.js"
import { announceStorageChange } from "./storageChanges.js"

/** Milliseconds between two tries: the first pause, doubled each time up to the longest. */
const pauses = { first: 1000, longest: 30_000 }
/** Changes within this time are handled together (milliseconds). */
const together = 250
/** These change nothing in the list. */
const silent = new Set(["view", "download", "list", "audit", "archive"])

/** @type {AbortController | undefined} */
let following
/** @type {ReturnType<typeof setTimeout> | undefined} */
let soon

const refresh = () => {
  clearTimeout(soon)
  soon = setTimeout(() => {
    load({ quietly: true })
    showSession()
    announceStorageChange()
  }, together)
}

/** Follows the current session only, and nothing while the page is hidden. */
export const follow = async () => {
  following?.abort()
  const id = session()
  if (id === undefined || document.hidden) return
  const mine = new AbortController()
  following = mine
  let pause = pauses.first
  let last = ""
  while (!mine.signal.aborted) {
    try {
      const resumed = last === "" ? {} : { "last-event-id": last }
      const response = await call("events", sessionUrl(id, "/events"), {
        headers: { accept: "text/event-stream", ...resumed },
        signal: mine.signal
      })
      // Events do not tell what happened since the list was read.
      refresh()
      pause = pauses.first
      for await (const event of eventsOf(response)) {
        if (event.id !== "") last = event.id
        if (!silent.has(event.action)) refresh()
      }
    } catch (error) {
      // A final refusal is not tried again; the list shows why.
      if (error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429) return
    }
    await new Promise((resolve) => setTimeout(resolve, pause))
    pause = Math.min(pauses.longest, pause * 2)
  }
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return following?.abort()
  if (session() !== undefined) refresh()
  follow()
})

/**
 * The events of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream).
 * @param {Response} response
 */
async function* eventsOf(response) {
  if (response.body === null) return
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const blocks = (rest + value).split(/\r?\n\r?\n/)
    rest = blocks.pop() ?? ""
    for (const block of blocks) {
      const lines = block.split(/\r?\n/)
      /** @param {string} field */
      const of = (field) =>
        lines
          .filter((line) => line.startsWith(`${field}:`))
          .map((line) => line.slice(field.length + 1).replace(/^ /, ""))
          .join("\n")
      if (of("data") !== "") yield { id: of("id"), action: actionOf(of("data")) }
    }
  }
}

/** @param {string} data */
const actionOf = (data) => {
  try {
    return String(JSON.parse(data).action)
  } catch {
    return ""
  }
}
