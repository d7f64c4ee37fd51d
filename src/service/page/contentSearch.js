/** Searches in the contents of a session's files, and shows the passages with the words that were found. */
import { fileUrl, json, messageOf, sessionUrl } from "./api.js"
import { at, box, button, form, input, make, say } from "./dom.js"
import { attempt } from "./message.js"
import { session } from "./place.js"
import { view } from "./viewer.js"
import { counted } from "./words.js"

/** @typedef {import("./types.d.ts").FoundPassage} FoundPassage */
/** @typedef {import("./types.d.ts").FoundPassages} FoundPassages */

/** Characters of a passage that are shown, and those of them before the first word that was found. */
const shownLength = { all: 400, before: 80 }

/** The search whose answer is shown, or will be. */
let current = Symbol("none")

/** Another place is shown: what was found belongs to the old one. */
export const beginContentSearch = () => {
  form("find").hidden = session() === undefined
  input("find-words").value = ""
  clear()
}

const clear = () => {
  current = Symbol("none")
  box("found").hidden = true
  box("found-list").replaceChildren()
  say(box("found-note"), "")
}

const search = async () => {
  const id = session()
  const words = input("find-words").value.trim()
  if (id === undefined || words === "") return clear()
  const mine = Symbol(words)
  current = mine
  box("found").hidden = false
  say(box("found-note"), "Searching")
  try {
    const query = new URLSearchParams({ q: words, limit: "20" })
    const found = /** @type {FoundPassages} */ (await json(sessionUrl(id, `/search?${query}`)))
    if (current !== mine) return
    box("found-list").replaceChildren(...found.passages.map(rowOf))
    say(box("found-note"), noteOf(found, words))
  } catch (error) {
    if (current !== mine) return
    box("found-list").replaceChildren()
    say(box("found-note"), messageOf(error))
  }
}

/**
 * @param {FoundPassages} found
 * @param {string} words
 */
const noteOf = ({ passages, waitingFiles }, words) => {
  const first =
    passages.length === 0 ? `No file says “${words}”.` : `${counted(passages.length, "passage")}, best first.`
  const waiting = waitingFiles === 1 ? "1 file is not read yet." : `${counted(waitingFiles, "file")} are not read yet.`
  return waitingFiles === 0 ? first : `${first} ${waiting}`
}

/** @param {FoundPassage} passage */
const rowOf = (passage) => {
  const { fileId, filename } = passage
  const open = button(filename, () => attempt(async () => view(await json(fileUrl({ fileId })))), { className: "link" })
  return make("li", {}, open, " ", make("small", {}, placeOf(passage)), make("p", {}, ...markedTextOf(passage)))
}

/** @param {FoundPassage} passage */
const placeOf = ({ endLine, line, page }) => {
  const lines = line === endLine ? `line ${line}` : `lines ${line} to ${endLine}`
  return page === null ? lines : `page ${page}, ${lines}`
}

/**
 * The part of a passage around the first word that was found.
 * @param {FoundPassage} passage
 */
const markedTextOf = ({ highlights, text }) => {
  const from = Math.max(0, (highlights[0]?.start ?? 0) - shownLength.before)
  const to = Math.min(text.length, from + shownLength.all)
  /** @type {Array<string | Node>} */
  const parts = [from > 0 ? "… " : ""]
  let done = from
  for (const { end, start } of highlights) {
    if (end > to) break
    parts.push(text.slice(done, start), make("mark", {}, text.slice(start, end)))
    done = end
  }
  return [...parts, text.slice(done, to), to < text.length ? " …" : ""]
}

form("find").onsubmit = (event) => {
  event.preventDefault()
  search()
}
// The cross in the field empties it.
input("find-words").addEventListener("input", () => {
  if (input("find-words").value === "") clear()
})
at("found-clear", HTMLButtonElement).onclick = () => {
  input("find-words").value = ""
  clear()
  input("find-words").focus()
}
