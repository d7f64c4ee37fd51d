/** One file, large: its content, its details, and the next and the previous file. */
import { fileUrl, json, messageOf, Refused } from "./api.js"
import { contentOf, isShown } from "./content.js"
import { showDetails } from "./details.js"
import { at, box, button, make, say } from "./dom.js"
import { edit, isEditing, mayEdit, stopEditing } from "./editor.js"
import { actionsOf, destroy, download, remove, restore } from "./fileActions.js"
import { list, whenListed } from "./list.js"
import { menuButton } from "./menu.js"
import { attempt } from "./message.js"
import { rowFor } from "./rows.js"
import { besides, forgetPlace, placeOf } from "./viewerPlace.js"
import { number } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

const dialog = at("viewer", HTMLDialogElement)
const preview = box("preview")
/** @type {ConversationFile | undefined} */
let shown
/** The content being loaded: the user may have moved on by the time it is there. @type {symbol | undefined} */
let drawing
/** Releases what was made for the current content. */
let release = () => {}
/** The state that the bar was drawn for. @type {string | undefined} */
let drawn
/** Why the shown file cannot be seen any more. @type {string | undefined} */
let lost
let wantsDetails = matchMedia("(min-width: 800px)").matches

/** @param {ConversationFile} file */
export const view = (file) => {
  if (!dialog.open) dialog.showModal()
  show(file)
  dialog.focus()
}

/** @param {ConversationFile} file */
const show = (file) => {
  stopEditing()
  if (shown?.fileId !== file.fileId) dialog.scrollTop = 0
  shown = file
  lost = undefined
  forgetPlace()
  say(box("viewer-spoken"), "")
  showBar(file)
  showContent(file)
  showAside()
}

/** @param {ConversationFile} file */
const showBar = (file) => {
  const { deletedAt, name } = file
  const index = placeOf(file)
  // Keeps unchanged buttons: a click on a button that is replaced meanwhile would be lost.
  const wanted = JSON.stringify([file, lost, index, list.files.length, list.next === null])
  if (drawn === wanted) return
  drawn = wanted
  say(box("viewer-name"), name)
  say(
    box("viewer-place"),
    index < 0 ? "" : `${number(index + 1)} of ${number(list.files.length)}${list.next === null ? "" : " and more"}`
  )
  const previous = button("Previous", () => go(-1), { icon: "previous" })
  const next = button("Next", () => go(1), { icon: "next" })
  previous.disabled = besides(file, -1) === undefined
  next.disabled = besides(file, 1) === undefined
  const details = button("Details", toggleDetails, { icon: "details" })
  details.ariaPressed = String(wantsDetails)
  details.id = "viewer-details"
  const closing = button("Close", close, { icon: "close" })
  closing.id = "viewer-close"
  const focused = document.activeElement?.getAttribute("aria-label")
  box("viewer-actions").replaceChildren(
    previous,
    next,
    ...(lost !== undefined
      ? []
      : deletedAt === null
        ? [
            button("Download", () => attempt(() => download(file)), { icon: "download" }),
            ...(mayEdit(file) ? [button("Edit", () => startEditing(file), { icon: "edit" })] : []),
            details,
            menuButton(`More for ${name}`, () => [
              ...actionsOf(file),
              { text: "Delete", act: () => attempt(() => showNextAfter(file, () => remove([file]))) }
            ])
          ]
        : [
            button("Restore", () => attempt(() => showNextAfter(file, () => restore([file])))),
            button("Delete for good", () => destroy([file]), { className: "danger" }),
            details
          ]),
    closing
  )
  // The buttons are new: the focus moves to the one with the same name.
  const same = [...box("viewer-actions").querySelectorAll("button")].find(
    (one) => one.ariaLabel === focused && !one.disabled
  )
  if (focused !== null && focused !== undefined) (same ?? dialog).focus()
}

/** @param {number} step */
const go = (step) => {
  if (shown === undefined) return
  const other = besides(shown, step)
  if (other === undefined || !stopEditing()) return
  show(other)
  // Only the name above the buttons changes.
  say(box("viewer-spoken"), `${other.name}, ${box("viewer-place").textContent}`)
}

/**
 * Removes the file from the list, then shows the file that takes its place, or none.
 * @param {ConversationFile} file
 * @param {() => Promise<unknown>} work
 */
const showNextAfter = async (file, work) => {
  if (!stopEditing()) return
  const index = placeOf(file)
  await work()
  // One that somebody else deleted is in the list again.
  if (shown?.fileId !== file.fileId || (index < 0 && placeOf(file) >= 0)) return
  const other = list.files[index] ?? list.files[index - 1]
  if (other === undefined) dialog.close()
  else show(other)
}

/** @param {ConversationFile} file */
const showContent = async (file) => {
  const mine = Symbol(file.fileId)
  drawing = mine
  release()
  release = () => {}
  /** @param {string} text */
  const note = (text, properties = {}) => preview.replaceChildren(make("p", { className: "soft", ...properties }, text))
  if (lost !== undefined) return note(lost)
  if (file.deletedAt !== null) return note("This file is deleted. Restore it to see its content.")
  if (!isShown(file)) return note("There is no preview for this kind of file. Download it to open it.")
  note("Loading")
  try {
    const content = await contentOf(file)
    if (drawing !== mine) return content.release()
    release = content.release
    preview.replaceChildren(content.element)
  } catch (error) {
    if (drawing === mine) note(messageOf(error), { className: "problem", role: "alert" })
  }
}

/** @param {ConversationFile} file */
const startEditing = (file) => {
  if (isEditing()) return preview.querySelector("textarea")?.focus()
  drawing = undefined
  release()
  release = () => {}
  dialog.scrollTop = 0
  edit(file, preview, (now) => {
    if (shown?.fileId === file.fileId) show(now ?? file)
    dialog.focus()
  })
}

const toggleDetails = () => {
  wantsDetails = !wantsDetails
  box("viewer-details").ariaPressed = String(wantsDetails)
  showAside()
}
const showAside = () => {
  box("details").hidden = !wantsDetails
  dialog.classList.toggle("with-details", wantsDetails)
  if (lost !== undefined) box("details").replaceChildren()
  else if (wantsDetails && shown !== undefined) showDetails(shown, () => shown)
}

/** What others did with it. @param {ConversationFile} now */
const replace = (now) => {
  const before = shown
  shown = now
  showBar(now)
  if (now.sha256 !== before?.sha256 || now.deletedAt !== before.deletedAt || lost !== undefined) showContent(now)
  showAside()
}

/** A file that is not listed is deleted, moved, gone for good, or only not wanted. @param {ConversationFile} before */
const lookFor = async (before) => {
  const isStill = () => shown === before && !isEditing() && lost === undefined
  try {
    const now = /** @type {ConversationFile} */ (await json(fileUrl(before)))
    if (!isStill() || (now.sessionId === before.sessionId && now.deletedAt === before.deletedAt)) return
    replace(now)
    if (now.deletedAt !== null) say(box("viewer-spoken"), `${now.name} is deleted.`)
  } catch (error) {
    if (!isStill() || !(error instanceof Refused) || (error.status !== 404 && error.status !== 403)) return
    lost = error.status === 404 ? "This file is gone for good." : error.message
    say(box("viewer-spoken"), lost)
    replace(before)
  }
}

/** The list has changed: the file may have another name, or be gone for good. */
whenListed((changed) => {
  if (shown === undefined || isEditing()) return
  const before = shown
  // A file that was found, or is due, need not be in the list.
  const now = [...list.files, ...(changed === undefined ? [] : [changed])].find(
    ({ fileId }) => fileId === before.fileId
  )
  if (now === undefined && before.deletedAt !== null && list.deleted && !list.isLoading) return dialog.close()
  if (now === undefined && !list.isLoading) lookFor(before)
  if (now === undefined || JSON.stringify(now) === JSON.stringify(before)) return showBar(before)
  replace(now)
})

const close = () => {
  if (stopEditing()) dialog.close()
}
dialog.oncancel = (event) => {
  if (!stopEditing()) event.preventDefault()
}
dialog.onclose = () => {
  // The row that it was opened from may be gone.
  const row = shown === undefined ? undefined : rowFor(shown.fileId)
  const name = row?.querySelector(".name")
  const isLost = document.activeElement === document.body || dialog.contains(document.activeElement)
  if (isLost && name instanceof HTMLElement) name.focus()
  shown = undefined
  drawn = undefined
  drawing = undefined
  release()
  release = () => {}
  preview.replaceChildren()
  box("details").replaceChildren()
}
dialog.onclick = ({ target }) => {
  if (target === dialog && !isEditing()) dialog.close()
}
dialog.onkeydown = (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key]
  const isElsewhere =
    event.target instanceof Element && event.target.closest("textarea, input, audio, video, [role=menu], pre")
  if (step !== undefined && !isElsewhere && !event.altKey && !event.ctrlKey && !event.metaKey) go(step)
}
