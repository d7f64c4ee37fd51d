/** Searches in the contents and names of a session's files, and marks the words that were found. */
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
    box("found-list").replaceChildren(...found.names.map(nameRowOf), ...found.passages.map(rowOf))
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
const noteOf = ({ names, passages, waitingFiles }, words) => {
  const found = [
    ...(names.length === 0 ? [] : [counted(names.length, "name")]),
    ...(passages.length === 0 ? [] : [counted(passages.length, "passage")])
  ]
  const first = found.length === 0 ? `No file says “${words}”.` : `${found.join(" and ")}, best first.`
  const waiting = waitingFiles === 1 ? "1 file is not read yet." : `${counted(waitingFiles, "file")} are not read yet.`
  return waitingFiles === 0 ? first : `${first} ${waiting}`
}

/**
 * The name of a file, which opens it.
 * @param {string} fileId
 * @param {ReadonlyArray<string | Node>} name
 */
const openerOf = (fileId, name) => {
  const open = button("", () => attempt(async () => view(await json(fileUrl({ fileId })))), { className: "link" })
  open.append(...name)
  return open
}

/** @param {FoundPassages["names"][number]} found */
const nameRowOf = ({ fileId, highlights, name }) =>
  make("li", {}, openerOf(fileId, marked(name, highlights, 0, name.length)), " ", make("small", {}, "its name"))

/** @param {FoundPassage} passage */
const rowOf = (passage) =>
  make(
    "li",
    {},
    openerOf(passage.fileId, [passage.name]),
    " ",
    make("small", {}, placeOf(passage)),
    make("p", {}, ...markedTextOf(passage))
  )

/** @param {FoundPassage} passage */
const placeOf = ({ endLine, line, page }) => {
  const lines = line === endLine ? `line ${line}` : `lines ${line} to ${endLine}`
  return page === null ? lines : `page ${page}, ${lines}`
}

/**
 * Where the part begins that has most of the different words, close together: a common word alone says little.
 * @param {FoundPassage} passage
 */
const startOf = ({ highlights, text }) => {
  let best = { start: 0, words: 0, length: 0 }
  for (const [index, { start }] of highlights.entries()) {
    const words = new Set()
    let length = 0
    for (const other of highlights.slice(index)) {
      if (other.end > start + shownLength.all - shownLength.before) break
      const word = text.slice(other.start, other.end).toLowerCase()
      if (!words.has(word)) length = other.end - start
      words.add(word)
    }
    const isBetter = words.size > best.words || (words.size === best.words && length < best.length)
    if (isBetter) best = { start, words: words.size, length }
  }
  return best.start
}

/**
 * The most telling part of a passage, from word to word.
 * @param {FoundPassage} passage
 */
const markedTextOf = (passage) => {
  const { highlights, text } = passage
  const start = startOf(passage)
  const early = Math.max(0, start - shownLength.before)
  const from = early === 0 ? 0 : Math.min(start, early + 1 + text.slice(early, start).search(/\s|$/))
  const late = Math.min(text.length, from + shownLength.all)
  const to = late === text.length ? late : Math.max(start, text.slice(0, late).search(/\s\S*$/))
  return [from > 0 ? "… " : "", ...marked(text, highlights, from, to), to < text.length ? " …" : ""]
}

/**
 * A part of a text with the words that were found.
 * @param {string} text
 * @param {FoundPassage["highlights"]} highlights
 * @param {number} from
 * @param {number} to
 */
const marked = (text, highlights, from, to) => {
  /** @type {Array<string | Node>} */
  const parts = []
  let done = from
  for (const { end, start } of highlights) {
    if (start < from) continue
    if (end > to) break
    parts.push(text.slice(done, start), make("mark", {}, text.slice(start, end)))
    done = end
  }
  return [...parts, text.slice(done, to)]
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
