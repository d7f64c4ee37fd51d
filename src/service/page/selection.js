/** The selected files, and the actions for all of them. */
import { box, button, input, make, say } from "./dom.js"
import { archive, destroy, remove, restore } from "./fileActions.js"
import { list } from "./list.js"
import { attempt } from "./message.js"
import { session } from "./place.js"
import { number } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/** @type {Set<string>} */
const selected = new Set()
/** Where a range of selected files begins. @type {string | undefined} */
let anchor

export const selectedFiles = () => list.files.filter(({ fileId }) => selected.has(fileId))

export const clearSelection = () => {
  selected.clear()
  showSelection()
}

/** @param {string} fileId @param {boolean} isOn */
const set = (fileId, isOn) => {
  if (isOn) selected.add(fileId)
  else selected.delete(fileId)
}

/** @param {ConversationFile} file */
export const selectionBox = ({ fileId, name }) => {
  const check = make("input", { type: "checkbox", checked: selected.has(fileId), ariaLabel: `Select ${name}` })
  check.onclick = ({ shiftKey }) => {
    const ids = list.files.map((file) => file.fileId)
    const [from, to] = [ids.indexOf(anchor ?? ""), ids.indexOf(fileId)]
    const range = shiftKey && from >= 0 ? ids.slice(Math.min(from, to), Math.max(from, to) + 1) : [fileId]
    for (const id of range) set(id, check.checked)
    anchor = fileId
    showSelection()
  }
  return make("label", { className: "check" }, check)
}

const all = input("select-all")
all.onclick = () => {
  for (const { fileId } of list.files) set(fileId, all.checked)
  showSelection()
}

const bulk = box("bulk")
let shown = ""

/** Updates boxes and buttons. A file that is no longer listed is no longer selected. */
export const showSelection = () => {
  const ids = new Set(list.files.map(({ fileId }) => fileId))
  for (const fileId of selected) if (!ids.has(fileId)) selected.delete(fileId)
  const count = selected.size
  all.checked = count > 0 && count === ids.size
  all.indeterminate = count > 0 && count < ids.size
  for (const row of box("files").children) {
    const isOn = row instanceof HTMLElement && selected.has(row.dataset["fileId"] ?? "")
    row.classList.toggle("selected", isOn)
    const check = row.querySelector("input")
    if (check !== null && check.checked !== isOn) check.checked = isOn
  }
  bulk.hidden = count === 0
  box("count").hidden = count > 0
  const now = `${count} ${list.deleted} ${session()}`
  if (now === shown) return
  shown = now
  // Keep the focus when the focused button goes away.
  const hadFocus = bulk.contains(document.activeElement)
  const sentence = count === 0 ? "" : `${number(count)} selected`
  say(box("selected-spoken"), sentence)
  bulk.replaceChildren(make("strong", {}, sentence), ...actions())
  if (hadFocus && count === 0) (all.checkVisibility() ? all : box("files-heading")).focus()
  else if (hadFocus) bulk.querySelector("button")?.focus()
}

const actions = () => {
  const clear = button("Clear selection", clearSelection)
  if (list.deleted) {
    return [
      button("Restore", () => attempt(() => restore(selectedFiles()))),
      button("Delete for good", () => destroy(selectedFiles()), { className: "danger" }),
      clear
    ]
  }
  const here = session()
  return [
    here === undefined
      ? undefined
      : button("Download as one archive", () => attempt(() => archive(here, selectedFiles()))),
    button("Delete", () => attempt(() => remove(selectedFiles()))),
    clear
  ].filter((action) => action !== undefined)
}
