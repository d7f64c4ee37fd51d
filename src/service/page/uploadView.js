/** The uploads on the screen: how many of how many, those under way, and those that were refused. */

import { me } from "./account.js"
import { at, box, button, buttonAt, input, make, say } from "./dom.js"
import { put } from "./list.js"
import { tell } from "./message.js"
import { session as current } from "./place.js"
import { announceStorageChange } from "./storageChanges.js"
import {
  again,
  cancel,
  dismiss,
  enqueue,
  isBusy,
  refused,
  retryable,
  sending,
  tally,
  uploads,
  waiting,
  whenUploads
} from "./uploadQueue.js"
import { isStalled, startAgain } from "./uploadRequest.js"
import { brief, bytes, counted, number } from "./words.js"

/** @typedef {import("./uploadQueue.js").Upload} Upload */

/** How many refused uploads are shown; the others are counted. */
const shownRefused = 20

/** @type {Map<number, { readonly row: HTMLLIElement, readonly state: string, readonly update: () => void }>} */
const rows = new Map()
let isDrawn = true

const draw = () => {
  if (!isDrawn) return
  isDrawn = false
  requestAnimationFrame(() => {
    isDrawn = true
    drawNow()
  })
}

const drawNow = () => {
  const [failed, active, queued] = [refused(), sending(), waiting()]
  box("uploads").hidden = uploads.size === 0
  say(box("uploads-heading"), heading(failed.length))
  const sent = tally.doneBytes + active.reduce((sum, upload) => sum + upload.sent, 0)
  at("upload-progress", HTMLProgressElement).hidden = !isBusy()
  at("upload-progress", HTMLProgressElement).value = tally.allBytes === 0 ? 0 : Math.min(1, sent / tally.allBytes)
  buttonAt("cancel-all").hidden = !isBusy()
  buttonAt("try-all").hidden = isBusy() || failed.length < 2 || retryable().length === 0
  buttonAt("dismiss-all").hidden = isBusy() || failed.length < 2
  const shown = [...failed.slice(0, shownRefused), ...active]
  const list = box("upload-list")
  const ids = new Set(shown.map(({ id }) => id))
  for (const [id, { row }] of rows) {
    if (ids.has(id)) continue
    const hadFocus = row.contains(document.activeElement)
    row.remove()
    rows.delete(id)
    if (hadFocus) (list.querySelector("button") ?? input("upload")).focus()
  }
  for (const upload of shown) {
    const before = rows.get(upload.id)
    if (before?.state === upload.state) {
      before.update()
      continue
    }
    const entry = rowOf(upload)
    if (before === undefined) list.append(entry.row)
    else before.row.replaceWith(entry.row)
    rows.set(upload.id, entry)
  }
  const more = [
    failed.length > shownRefused ? `${number(failed.length - shownRefused)} more were refused.` : undefined,
    queued.length > 0 ? `${counted(queued.length, "file")} ${queued.length === 1 ? "waits" : "wait"}.` : undefined
  ].filter((part) => part !== undefined)
  box("uploads-left-out").hidden = more.length === 0
  say(box("uploads-left-out"), more.join(" "))
}

/** @param {number} failed */
const heading = (failed) => {
  if (!isBusy()) return `${counted(failed, "file")} ${failed === 1 ? "was" : "were"} not uploaded`
  const under = Math.min(tally.all, tally.done + tally.refused + tally.cancelled + sending().length)
  return `Uploading ${number(under)} of ${number(tally.all)}, ${bytes(tally.doneBytes)} of ${bytes(Math.max(0, tally.allBytes))} done`
}

/** @param {Upload} upload */
const shareOf = ({ file, sent }) => (file.size === 0 ? 0 : sent / file.size)

/** @param {Upload} upload */
const rowOf = (upload) => {
  const { file, isFinal, problem, session, state } = upload
  const name = make("span", {}, file.name, " ", make("small", {}, bytes(file.size)))
  if (state === "refused") {
    // It is shown in other sessions too, until somebody dismisses it.
    name.append(make("small", {}, `, for the session ${session}`))
    const buttons = make(
      "div",
      { className: "row" },
      ...(isFinal ? [] : [button("Try again", () => again([upload]), { about: file.name })]),
      button("Dismiss", () => dismiss([upload]), { about: file.name })
    )
    return {
      state,
      update: () => {},
      row: make("li", {}, name, buttons, make("p", { className: "problem", role: "alert" }, problem))
    }
  }
  const bar = make("progress", { max: 1, ariaLabel: `Upload of ${file.name}` })
  const note = make("p", { className: "stalled due", role: "status" })
  const anew = button("Start again", () => startAgain(upload), { about: file.name })
  // The row stays: its buttons may have the focus.
  const update = () => {
    bar.value = shareOf(upload)
    const sentence = isStalled(upload) ? wordsOfStall(upload) : ""
    say(note, sentence)
    anew.hidden = sentence === ""
  }
  update()
  const buttons = make(
    "div",
    { className: "row" },
    anew,
    button("Cancel", () => cancel([upload]), { about: file.name })
  )
  return { state, update, row: make("li", {}, name, buttons, bar, note) }
}

/** @param {Upload} upload */
const wordsOfStall = ({ isSent }) =>
  isSent
    ? "All of it is sent, but there was no answer for 30 seconds. Look whether the file is in the list before you start again."
    : "No progress for 30 seconds. It goes on by itself as soon as the line does."

whenUploads({
  changed: draw,
  added: (file, to) => {
    if (to === current()) put(file)
  },
  over: () => {
    announceStorageChange()
    const { all, cancelled, done, last, refused: not } = tally
    tally.all = 0
    if (all === 0 || done + cancelled === 0) return
    const parts = [
      done === 0
        ? undefined
        : done === 1 && last !== ""
          ? `${brief(last)} is uploaded.`
          : `${counted(done, "file")} ${done === 1 ? "is" : "are"} uploaded.`,
      cancelled === 0 ? undefined : `${counted(cancelled, "upload")} ${cancelled === 1 ? "is" : "are"} cancelled.`,
      not === 0 ? undefined : `${counted(not, "file")} ${not === 1 ? "was" : "were"} refused.`
    ]
    tell(parts.filter((part) => part !== undefined).join(" "))
  }
})

/** @param {ReadonlyArray<File>} files */
export const upload = (files) => {
  const to = current()
  if (to === undefined) return tell("Open a session first. Files are uploaded to it.", { isProblem: true })
  if (box("drop").hidden) return tell("This session takes no files.", { isProblem: true })
  enqueue(files, to)
}

buttonAt("cancel-all").onclick = () => cancel([...sending(), ...waiting()])
buttonAt("try-all").onclick = () => again(retryable())
buttonAt("dismiss-all").onclick = () => dismiss(refused())
const picker = input("upload")
picker.onchange = () => {
  upload([...(picker.files ?? [])])
  picker.value = ""
}

export const showUploadLimit = () => {
  const most = me()?.maxFileSize
  say(box("upload-limit"), most === undefined ? "" : `up to ${bytes(most)} each`)
}
