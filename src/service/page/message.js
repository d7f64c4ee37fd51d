/** Shows one message at a time: what became of an action, and how to undo it. */
import { isAbort, messageOf } from "./api.js"
import { box, button, make, say } from "./dom.js"
import { focusHeading } from "./focus.js"

const toast = box("toast")
const message = box("message")
const actions = box("message-actions")
/** @type {ReturnType<typeof setTimeout> | undefined} */
let fading

/** A message that needs no answer disappears after this time (milliseconds). */
const readFor = 12_000

/** What the shown message offers to undo. @type {(() => void) | undefined} */
let undoing
/** Where the user came from before they went to the message. @type {EventTarget | null} */
let cameFrom = null
/** Where the user was when it appeared. With keys, the way to the message passes all the rest. @type {Element | null} */
let wasAt = null
toast.addEventListener("focusin", ({ relatedTarget }) => {
  if (!(relatedTarget instanceof Node) || !toast.contains(relatedTarget)) cameFrom = relatedTarget
})

/** Keeps the focus when the focused button goes away. */
const leave = () => {
  const { activeElement } = document
  if (activeElement === null || !actions.contains(activeElement)) return
  const places = activeElement.matches(":focus-visible") ? [wasAt, toast.closest("dialog"), cameFrom] : [cameFrom]
  const place = places.find((one) => one instanceof HTMLElement && one !== document.body && one.checkVisibility())
  if (place instanceof HTMLElement) place.focus()
  if (actions.contains(document.activeElement)) focusHeading()
}

export const clear = () => {
  clearTimeout(fading)
  leave()
  undoing = undefined
  say(message, "")
  actions.replaceChildren()
  toast.classList.remove("shown", "problem")
}

/** An open dialog makes everything outside it unreachable. */
const bringToFront = () => {
  const host = [...document.querySelectorAll("dialog[open]")].at(-1) ?? document.body
  if (toast.parentElement !== host) host.append(toast)
}

/**
 * @param {string} text
 * @param {{ isProblem?: boolean, undo?: () => unknown }} options
 */
export const tell = (text, { isProblem = false, undo } = {}) => {
  clear()
  wasAt = document.activeElement
  bringToFront()
  say(message, text)
  toast.classList.add("shown")
  toast.classList.toggle("problem", isProblem)
  if (undo !== undefined) {
    const once = async () => {
      clear()
      try {
        await undo()
      } catch (error) {
        // It is offered again: otherwise one lost request would take it away.
        if (!isAbort(error)) tell(messageOf(error), { isProblem: true, undo })
      }
    }
    undoing = once
    message.append(make("span", { className: "unseen" }, " Press Control Z to undo."))
    actions.append(button("Undo", once, { className: "undo" }))
  }
  actions.append(button("Dismiss message", clear, { icon: "close", className: "icon-button" }))
  if (!isProblem && undo === undefined) fading = setTimeout(clear, readFor)
}

/** @param {unknown} error */
export const tellProblem = (error) => {
  if (!isAbort(error)) tell(messageOf(error), { isProblem: true })
}

/**
 * Does what the user asked for, and shows what went wrong.
 * @param {() => unknown} work
 */
export const attempt = async (work) => {
  try {
    await work()
  } catch (error) {
    tellProblem(error)
  }
}

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("close", bringToFront)
}

/** The message is far away from a row for somebody who has only keys. */
addEventListener("keydown", (event) => {
  const isUndo = (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z"
  const isText = event.target instanceof Element && event.target.matches("textarea, input:not([type=checkbox])")
  if (!isUndo || isText || undoing === undefined) return
  event.preventDefault()
  undoing()
})
