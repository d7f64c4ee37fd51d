/** The list of sessions: the user's, or all for an administrator. Typing a name finds a session or begins one. */

import { me } from "./account.js"
import { isAbort, json, messageOf } from "./api.js"
import { box, buttonAt, focusIn, form, input, make, say } from "./dom.js"
import { addressOf, goTo, session } from "./place.js"
import { bytes, counted, dotted, time } from "./words.js"

/** @typedef {import("./types.d.ts").SessionSummary} SessionSummary */
/** @typedef {import("./types.d.ts").SessionPage} SessionPage */

const pageSize = 50
const mostAtOnce = 200
const field = input("session")
const shape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** @type {ReadonlyArray<SessionSummary>} */
let sessions = []
/** How many of them the user wants to see. An answer may be on its way that has fewer. */
let wanted = pageSize
/** Whether there are more. */
let isMore = false
let state = ""
/** @type {AbortController | undefined} */
let loading

export const sessionNames = () => sessions.map(({ sessionId }) => sessionId)

/** Reads as many as are wanted. A page of a search may be short although there are more; then the next page is read. */
const read = async () => {
  loading?.abort()
  loading = new AbortController()
  const { signal } = loading
  /** @type {Array<SessionSummary>} */
  const found = []
  /** @type {string | null} */
  let next = null
  do {
    const query = new URLSearchParams({ limit: String(Math.min(mostAtOnce, wanted - found.length)) })
    const name = field.value.trim()
    if (name !== "") query.set("name", name)
    if (state !== "") query.set("state", state)
    if (next !== null) query.set("after", next)
    const page = /** @type {SessionPage} */ (await json(`/api/sessions?${query}`, { signal }))
    found.push(...page.sessions)
    next = page.next
  } while (next !== null && found.length < wanted)
  signal.throwIfAborted()
  sessions = found
  isMore = next !== null
  draw()
}

export const loadSessions = async () => {
  try {
    await read()
  } catch (error) {
    if (!isAbort(error)) say(box("no-sessions"), messageOf(error))
  }
}

const draw = () => {
  const list = box("sessions")
  const focused = list.contains(document.activeElement) ? document.activeElement : null
  const focusedAddress = focused?.getAttribute("href")
  const typed = field.value.trim()
  const isNew = shape.test(typed) && !sessions.some(({ sessionId }) => sessionId === typed)
  list.replaceChildren(
    ...(isNew
      ? [make("li", {}, make("a", { href: addressOf(typed), className: "begin" }, `Open or begin ${typed}`))]
      : []),
    ...sessions.map(entryOf)
  )
  buttonAt("more-sessions").hidden = !isMore
  say(box("no-sessions"), sessions.length === 0 ? noneOf(typed) : "")
  // The list itself is not spoken when it changes.
  say(
    box("sessions-spoken"),
    sessions.length === 0 ? "" : `${counted(sessions.length, "session")}${isMore ? " and more" : ""}`
  )
  markSession()
  const same = [...list.querySelectorAll("a")].find((link) => link.getAttribute("href") === focusedAddress)
  if (focusedAddress !== undefined) same?.focus()
}

/** @param {string} typed */
const noneOf = (typed) => {
  if (state === "" && typed === "") return "There are no sessions yet. Type a name to begin one."
  if (typed === "") return state === "ended" ? "No session has ended." : "No session is open."
  return `No ${state === "" ? "session" : state === "ended" ? "session that ended" : "open session"} has this in its name.`
}

/** @param {SessionSummary} summary */
const entryOf = ({ bytes: size, changedAt, endedAt, expiresAt, files, owner, sessionId }) => {
  const isOthers = owner !== me()?.name
  return make(
    "li",
    {},
    make(
      "a",
      { href: addressOf(sessionId) },
      make("span", { className: "session-name" }, sessionId),
      make(
        "small",
        {},
        ...dotted([
          isOthers ? (owner ?? "nobody’s") : undefined,
          counted(files, "file"),
          bytes(size),
          changedAt === null ? undefined : time(changedAt)
        ])
      ),
      endedAt === null
        ? undefined
        : make(
            "small",
            { className: "due" },
            "ended",
            ...(expiresAt === null ? [] : [", files deleted ", time(expiresAt)])
          )
    )
  )
}

/** Marks the current session. */
export const markSession = () => {
  for (const link of box("side").querySelectorAll("a")) {
    const isHere = link.getAttribute("href") === location.hash
    if (isHere) link.ariaCurrent = "page"
    else link.removeAttribute("aria-current")
  }
}

field.oninput = () => {
  say(box("session-problem"), "")
  loadSessions()
}
form("choose").onsubmit = (event) => {
  event.preventDefault()
  const typed = field.value.trim()
  if (typed === "") return
  // A name of an earlier system can be found, but not begun.
  if (!shape.test(typed) && !sessionNames().includes(typed)) {
    const rule = "A session name has letters, digits, “.”, “_” and “-”. It begins with a letter or a digit."
    return say(box("session-problem"), rule)
  }
  field.value = ""
  if (typed !== session()) goTo(typed)
  loadSessions()
}
buttonAt("more-sessions").onclick = async () => {
  const list = box("sessions")
  const count = list.childElementCount
  // From the beginning: another reading that takes the place of this one has them all too.
  wanted = sessions.length + pageSize
  await loadSessions()
  if (list.childElementCount > count) focusIn(list.children[count], list)
}
for (const choice of box("session-states").querySelectorAll("button")) {
  choice.onclick = () => {
    state = choice.value
    for (const other of box("session-states").querySelectorAll("button")) other.ariaPressed = String(other === choice)
    loadSessions()
  }
}
