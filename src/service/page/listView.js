/** The list of files on the screen. Rows without changes stay, so that nobody loses their place. */
import { at, box, buttonAt, focusIn, form, input, say } from "./dom.js"
import { list, load, loadMore, whenListed } from "./list.js"
import { attempt } from "./message.js"
import { place, session } from "./place.js"
import { rowOf } from "./row.js"
import { showSelection } from "./selection.js"
import { bytes, number } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

const rows = box("files")
/** What a row shows of a file. @type {ReadonlyArray<keyof ConversationFile>} */
const told = ["deletedAt", "expiresAt", "mimeType", "name", "sessionId", "sha256", "size", "uploadedAt", "uploadedBy"]
/** @param {Element} row */
const controlsOf = (row) => [...row.querySelectorAll("a, button, input")]

/** @type {Map<string, { readonly seen: string, readonly row: HTMLLIElement }>} */
let drawn = new Map()

const draw = () => {
  const isElsewhere = place().kind === "all"
  /** @type {typeof drawn} */
  const now = new Map()
  // If a removed row has the focus, its neighbour gets it.
  const focused = document.activeElement?.closest("#files > li")
  const control =
    focused === null || focused === undefined ? -1 : controlsOf(focused).findIndex((one) => one.matches(":focus"))
  const neighbour = focused?.nextElementSibling ?? focused?.previousElementSibling
  for (const file of list.files) {
    const seen = JSON.stringify([...told.map((key) => file[key]), isElsewhere])
    const before = drawn.get(file.fileId)
    now.set(file.fileId, before?.seen === seen ? before : { seen, row: rowOf(file, isElsewhere) })
  }
  const focusedId = focused instanceof HTMLElement ? focused.dataset["fileId"] : undefined
  drawn = now
  let index = 0
  for (const { row } of now.values()) {
    const there = rows.children[index]
    if (there !== row) rows.insertBefore(row, there ?? null)
    index += 1
  }
  while (rows.children.length > index) rows.lastElementChild?.remove()
  if (focused !== null && focused !== undefined && !focused.isConnected) {
    const row = now.get(focusedId ?? "")?.row
    const same = row === undefined ? undefined : controlsOf(row)[control]
    if (same instanceof HTMLElement) same.focus()
    else focusIn(row ?? (neighbour?.isConnected === true ? neighbour : rows.firstElementChild), box("files-heading"))
  }
  rows.ariaBusy = String(list.isLoading)
  buttonAt("more").hidden = list.next === null || list.order !== "newest"
  box("list-bar").classList.toggle("bare", list.files.length === 0)
  showCount()
  showSelection()
}
whenListed(draw)

const showCount = () => {
  const count = box("count")
  count.classList.toggle("problem", list.problem !== undefined)
  box("files-view").classList.toggle("forbidden", list.isForbidden)
  // The button stays while its own attempt is under way: it has the focus.
  const again = buttonAt("again")
  again.hidden = list.problem === undefined && !(list.isLoading && again.matches(":focus"))
  if (list.problem !== undefined) {
    return say(count, list.isForbidden ? `${list.problem} An administrator can give it to you.` : list.problem)
  }
  // What is shown meanwhile is sorted, but only the part that was there.
  const isPart = list.files.length === 0 || (list.order !== "newest" && list.next !== null)
  if (list.isLoading && isPart) return say(count, "Loading")
  // Until there is an answer, the files of the last one are shown.
  if (!list.isLoading) say(count, sentence())
}

const sentence = () => {
  const { files, name, next, order } = list
  const all = files.length
  const what = `${list.deleted ? "deleted " : ""}file${all === 1 ? "" : "s"}${name === "" ? "" : ` with “${name}” in the name`}`
  if (all === 0) {
    if (name !== "" || list.deleted || session() === undefined) return `No ${what}.`
    return "No files. Drop some here, or write a text."
  }
  const size = bytes(files.reduce((sum, file) => sum + file.size, 0))
  const which = next === null ? "" : "The newest "
  const rest = next === null || order === "newest" ? "" : " Older ones are not sorted with them: filter by name."
  return `${which}${number(all)} ${what}, ${size}.${rest}`
}

buttonAt("more").onclick = () =>
  attempt(async () => {
    const last = rows.lastElementChild
    await loadMore()
    // Moves the focus to the first new row, because the button may be gone.
    focusIn(last?.nextElementSibling, box("files-heading"))
  })
buttonAt("again").onclick = () => load()
input("search").oninput = () => {
  list.name = input("search").value
  load()
}
const sort = at("sort", HTMLSelectElement)
sort.onchange = () => {
  list.order = sort.value
  load()
}
form("narrow").onsubmit = (event) => event.preventDefault()

/** @param {boolean} deleted */
const choose = (deleted) => {
  // Files of the other kind must not be shown as this kind while the answer is on its way.
  if (deleted !== list.deleted) list.files = []
  list.deleted = deleted
  showChoice()
  load()
}
const showChoice = () => {
  buttonAt("kept").ariaPressed = String(!list.deleted)
  buttonAt("deleted").ariaPressed = String(list.deleted)
}
buttonAt("kept").onclick = () => choose(false)
buttonAt("deleted").onclick = () => choose(true)

/** Another place begins with its files, unfiltered. */
export const beginList = () => {
  list.deleted = false
  list.name = ""
  input("search").value = ""
  showChoice()
  list.files = []
  load()
}
