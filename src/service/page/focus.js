/**
 * Keeps the focus in its place when the focused control goes away: removed, hidden or disabled, by the user's own action
 * or by a change of somebody else. Otherwise a keyboard user would begin again at the top of the page.
 */

const controls = "a[href], button, input, select, textarea, summary, [tabindex='0']"

/** @param {Element} element */
const isThere = (element) => element.isConnected && element.checkVisibility() && !element.matches(":disabled")

/** @param {Element} element */
const nameOf = (element) => element.ariaLabel ?? element.textContent ?? ""

/** The control that has the focus, or had it until it went away. @type {HTMLElement | undefined} */
let held
/** Where it was, once it is removed. @type {{ parent: Node, previous: Node | null } | undefined} */
let spot

/** The heading of what is shown, where a screen reader continues. */
export const focusHeading = () => {
  // A narrow screen shows the list of sessions alone.
  const heading = [...document.querySelectorAll("main h2"), ...document.querySelectorAll("nav h2")].find(isThere)
  if (heading instanceof HTMLElement) heading.focus()
}

/**
 * The control that looks like the lost one, or else the one before its place, or after it.
 * @param {Element} lost
 * @param {Element} host
 */
const successorIn = (lost, host) => {
  const all = [...host.querySelectorAll(controls)].filter((one) => one !== lost && isThere(one))
  const same = all.find((one) => one.tagName === lost.tagName && nameOf(one) === nameOf(lost))
  if (same !== undefined) return same
  const from = lost.isConnected ? lost : (spot?.previous ?? spot?.parent ?? host)
  /** @param {Element} one */
  const isBefore = (one) =>
    from.contains(one)
      ? from === spot?.previous
      : (from.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_PRECEDING) !== 0
  return all.findLast(isBefore) ?? all[0]
}

const keep = () => {
  const lost = held
  const { activeElement } = document
  const isElsewhere = activeElement !== null && activeElement !== document.body && activeElement !== lost
  if (lost === undefined || isElsewhere || isThere(lost)) return
  held = undefined
  let host = lost.isConnected ? lost.parentElement : spot?.parent
  for (; host instanceof Element && !host.matches("main, body, html"); host = host.parentElement) {
    const next = isThere(host) ? successorIn(lost, host) : undefined
    if (next instanceof HTMLElement) return next.focus()
    if (host instanceof HTMLElement && host.matches("dialog[open]")) return host.focus()
  }
  focusHeading()
}

addEventListener("focusin", ({ target }) => {
  held = target instanceof HTMLElement && target !== document.body ? target : undefined
  spot = undefined
})
// A click beside all controls takes the focus away on purpose. A removal looks the same to `focusout`.
addEventListener(
  "pointerdown",
  ({ target }) => {
    if (target instanceof Element && target.closest(`${controls}, label`) === null) held = undefined
  },
  { capture: true }
)

let isPlanned = false
new MutationObserver((records) => {
  if (held === undefined) return
  for (const { nextSibling, previousSibling, removedNodes, target } of records) {
    for (const node of removedNodes) {
      if (node.contains(spot?.parent ?? held)) spot = { parent: target, previous: previousSibling }
      else if (spot !== undefined && node === spot.previous) spot.previous = previousSibling ?? nextSibling
    }
  }
  if (isPlanned) return
  isPlanned = true
  // Whoever removed it may have moved the focus by then.
  requestAnimationFrame(() => {
    isPlanned = false
    // A dialog that closes says so a little later, and may know a better place.
    if (held?.closest("dialog:not([open])") === null) keep()
    else setTimeout(keep)
  })
}).observe(document.documentElement, {
  attributeFilter: ["class", "disabled", "hidden", "open"],
  attributes: true,
  childList: true,
  subtree: true
})
