/** Planned deletions, next one first. */
import { fileUrl, isAbort, json, messageOf } from "./api.js"
import { box, button, buttonAt, focusIn, make } from "./dom.js"
import { attempt } from "./message.js"
import { addressOf } from "./place.js"
import { view } from "./viewer.js"
import { bytes, dotted, time } from "./words.js"

/** @typedef {import("./types.d.ts").CleanupPage} CleanupPage */

const reasons = {
  expired: "somebody chose this time",
  session_ended: "the session has ended",
  retention: "it was deleted"
}

/** @type {string | null} */
let next = null

/** @param {CleanupPage["cleanups"][number]} cleanup */
const entryOf = ({ dueAt, fileId, forGood, name, reason, sessionId, size }) =>
  make(
    "li",
    {},
    make(
      "div",
      { className: "about" },
      button(name, () => attempt(async () => view(await json(fileUrl({ fileId })))), { className: "name" }),
      make("small", {}, ...dotted([make("a", { href: addressOf(sessionId) }, sessionId), bytes(size), reasons[reason]]))
    ),
    make("div", { className: forGood ? "due" : "" }, forGood ? "gone for good " : "deleted ", time(dueAt))
  )

/**
 * @param {HTMLElement} list
 * @param {string | null} after
 * @returns {Promise<void>}
 */
export const showDue = async (list, after = null) => {
  try {
    const query = new URLSearchParams({ limit: "50", ...(after === null ? {} : { after }) })
    const page = /** @type {CleanupPage} */ (await json(`/api/cleanups?${query}`))
    const entries = page.cleanups.map(entryOf)
    if (after === null) list.replaceChildren(...entries)
    else list.append(...entries)
    // A page may be short, even empty, and the next one continues.
    if (entries.length === 0 && page.next !== null) return await showDue(list, page.next)
    if (list.childElementCount === 0) list.append(make("li", { className: "soft" }, "No deletions are planned."))
    next = page.next
    buttonAt("more-due").hidden = next === null
  } catch (error) {
    if (isAbort(error)) return
    const again = button("Try again", () => showDue(list))
    list.replaceChildren(make("li", {}, make("span", { className: "problem" }, messageOf(error)), again))
  }
}
buttonAt("more-due").onclick = async () => {
  const list = box("due")
  const count = list.childElementCount
  await showDue(list, next)
  // The button may be gone.
  if (list.childElementCount > count) focusIn(list.children[count], box("due-heading"))
}
