/** A dialog that asks for something and does it. If the service refuses, the dialog stays open and shows the reason. */
import { isAbort, messageOf } from "./api.js"
import { at, box, buttonAt, form, make, say } from "./dom.js"
import { tell } from "./message.js"
import { whenUnsaved } from "./unsaved.js"

/**
 * @typedef {object} Question
 * @property {string} heading
 * @property {ReadonlyArray<Node>} [fields]
 * @property {string} action the label of the button that does it
 * @property {string} [otherwise] the label of the button that cancels
 * @property {boolean} [isDanger] it cannot be undone, so Enter alone does not do it
 * @property {() => unknown} act
 * @property {() => Element | null | undefined} [backTo] where the focus goes when its opener is gone
 */

const dialog = at("asker", HTMLDialogElement)
/** @type {Question | undefined} */
let asked
/** The question whose answer is being acted on. A disabled button would lose the focus. @type {Question | undefined} */
let doing

/** @param {Question} question */
export const ask = (question) => {
  const { action, fields = [], heading, isDanger = false, otherwise = "Cancel" } = question
  if (dialog.open) dialog.close()
  asked = question
  say(box("asker-heading"), heading)
  box("asker-fields").replaceChildren(...fields)
  say(box("asker-problem"), "")
  say(box("asker-do"), action)
  say(box("asker-cancel"), otherwise)
  dialog.classList.toggle("danger", isDanger)
  buttonAt("asker-do").className = isDanger ? "danger filled" : "first"
  showBusy()
  dialog.showModal()
  if (isDanger) buttonAt("asker-cancel").focus()
}

const showBusy = () => {
  buttonAt("asker-do").ariaDisabled = String(asked !== undefined && doing === asked)
}

form("asker-form").onsubmit = async (event) => {
  event.preventDefault()
  const question = asked
  if (question === undefined || question === doing) return
  doing = question
  showBusy()
  try {
    await question.act()
    if (asked !== question) return
    dialog.close()
    const target = question.backTo?.()
    // The opener may be gone; the field keeps the focus until the next frame.
    const { activeElement } = document
    const isLost = activeElement === null || activeElement === document.body || dialog.contains(activeElement)
    if (isLost && target instanceof HTMLElement) target.focus()
  } catch (error) {
    if (isAbort(error)) return
    // The dialog may ask something else by now. Then it is left alone.
    if (asked === question) say(box("asker-problem"), messageOf(error))
    else tell(messageOf(error), { isProblem: true })
  } finally {
    if (doing === question) doing = undefined
    showBusy()
  }
}
dialog.onclose = () => {
  asked = undefined
  box("asker-fields").replaceChildren()
}
buttonAt("asker-cancel").onclick = () => dialog.close()
/** One key or a click outside must not throw away written text. */
const hasText = () => [...dialog.querySelectorAll("textarea")].some(({ value }) => value !== "")
whenUnsaved(() => dialog.open && hasText())
dialog.oncancel = (event) => {
  const warning = "This text is not saved. Press Escape once more to discard it."
  if (!hasText() || box("asker-problem").textContent === warning) return
  event.preventDefault()
  say(box("asker-problem"), warning)
}
dialog.onclick = ({ target }) => {
  if (target === dialog && !hasText()) dialog.close()
}

/** Names the button that does it, when a choice in the dialog changes what it does. @param {string} action */
export const nameAction = (action) => say(box("asker-do"), action)

let fields = 0
/**
 * A field with its label.
 * @param {string} label
 * @param {HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement} control
 */
export const field = (label, control) => {
  fields += 1
  control.id = `field-${fields}`
  control.setAttribute("aria-describedby", "asker-problem")
  return make("div", {}, make("label", { htmlFor: control.id }, label), control)
}
