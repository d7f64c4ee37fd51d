/** What happened in a session. Loaded each time it is opened. */
import { json, sessionUrl } from "./api.js"
import { eventOf } from "./auditWords.js"
import { at, box, buttonAt } from "./dom.js"
import { attempt } from "./message.js"
import { session } from "./place.js"

const trail = at("trail", HTMLDetailsElement)
let laterThan = 0

/** @param {number} from */
const read = async (from) => {
  const asked = session()
  if (asked === undefined) return
  /** @type {import("./types.d.ts").AuditPage} */
  const { events, next } = await json(sessionUrl(asked, `/audit?limit=50&after=${from}`))
  if (asked !== session() || !trail.open) return
  box("events").append(...events.map(eventOf))
  laterThan = next ?? 0
  buttonAt("later").hidden = next === null
}

const empty = () => {
  box("events").replaceChildren()
  buttonAt("later").hidden = true
}
/** Closes it: the next session's trail has not been loaded. */
export const closeTrail = () => {
  trail.open = false
  trail.hidden = session() === undefined
  empty()
}
trail.ontoggle = () => {
  empty()
  if (trail.open) attempt(() => read(0))
}
buttonAt("later").onclick = () => attempt(() => read(laterThan))
