/** What happened in a session. Loaded each time it is opened, and continued while it is open. */
import { json, sessionUrl } from "./api.js"
import { eventOf } from "./auditWords.js"
import { at, box, buttonAt } from "./dom.js"
import { attempt } from "./message.js"
import { session } from "./place.js"

const trail = at("trail", HTMLDetailsElement)
let laterThan = 0
/** The last event that is shown. */
let latest = 0
/** One part is read after the other, so that none is shown twice. */
let reading = Promise.resolve()

/** @param {() => number} from */
const read = async (from) => {
  const asked = session()
  if (asked === undefined || !trail.open) return
  /** @type {import("./types.d.ts").AuditPage} */
  const { events, next } = await json(sessionUrl(asked, `/audit?limit=50&after=${from()}`))
  if (asked !== session() || !trail.open) return
  box("events").append(...events.map(eventOf))
  latest = events.at(-1)?.eventId ?? latest
  laterThan = next ?? 0
  buttonAt("later").hidden = next === null
}

const empty = () => {
  box("events").replaceChildren()
  latest = 0
  buttonAt("later").hidden = true
}
/** Closes it: the next session's trail has not been loaded. */
export const closeTrail = () => {
  trail.open = false
  trail.hidden = session() === undefined
  empty()
}
/** @param {() => number} from */
const readNext = (from) => {
  reading = reading.then(() => attempt(() => read(from)))
}
trail.ontoggle = () => {
  empty()
  if (trail.open) readNext(() => latest)
}
buttonAt("later").onclick = async () => {
  const count = box("events").childElementCount
  readNext(() => laterThan)
  await reading
  const first = box("events").children[count]
  // The button may be gone.
  if (!(first instanceof HTMLElement)) return
  first.tabIndex = -1
  first.focus()
}

/** Something has changed. What is behind the button for more is not read unasked. */
export const continueTrail = () => {
  if (trail.open && buttonAt("later").hidden) readNext(() => latest)
}
