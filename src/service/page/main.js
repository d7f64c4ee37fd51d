/** Connects the parts: who is signed in, which place is shown, and what is loaded again when. */
import { enter, me, refreshUsage, whenIn } from "./account.js"
import { showAdministration } from "./administration.js"
import { follow } from "./changes.js"
import { beginContentSearch } from "./contentSearch.js"
import { box, buttonAt, say } from "./dom.js"
import { focusHeading } from "./focus.js"
import "./drop.js"
import { showDue } from "./due.js"
import { look, whenOpen } from "./health.js"
import { load } from "./list.js"
import { beginList } from "./listView.js"
import { clear } from "./message.js"
import { place, session, whenMoved } from "./place.js"
import { clearSelection } from "./selection.js"
import { loadSessions, markSession } from "./sessions.js"
import { showSession } from "./sessionView.js"
import { whenStorageChanges } from "./storageChanges.js"
import { closeTrail, continueTrail } from "./trail.js"
import { hasUnsavedText } from "./unsaved.js"
import { showUploadLimit } from "./uploadView.js"

/** @typedef {import("./types.d.ts").Place} Place */

/** @type {Readonly<Record<Place["kind"], string>>} */
const views = {
  welcome: "welcome",
  session: "files-view",
  all: "files-view",
  due: "due-view",
  administration: "administration-view"
}

const show = () => {
  const here = place()
  // A narrow screen shows either the list of places or one of them.
  document.body.dataset["place"] = here.kind
  for (const id of new Set(Object.values(views))) box(id).hidden = id !== views[here.kind]
  say(box("files-heading"), here.kind === "session" ? here.id : "All files")
  document.title = here.kind === "session" ? `${here.id} – Conversation files` : "Conversation files"
  box("which").hidden = here.kind !== "session"
  clearSelection()
  closeTrail()
  markSession()
  showSession()
  beginList()
  beginContentSearch()
  follow()
  if (here.kind === "due") showDue(box("due"))
  if (here.kind === "administration") showAdministration()
}

const move = () => {
  if (me() === undefined) return
  // What is open belongs to the old place, and so does a message and what it undoes.
  if (!hasUnsavedText()) for (const dialog of document.querySelectorAll("dialog")) dialog.close()
  clear()
  show()
  focusHeading()
  scrollTo(0, 0)
}

const lookAgain = () => {
  load({ quietly: true })
  loadSessions()
  if (place().kind === "due") showDue(box("due"))
}

whenIn(() => {
  show()
  showUploadLimit()
  loadSessions()
  look()
})
whenMoved(move)
whenOpen(() => {
  if (me() === undefined) {
    enter()
    return
  }
  // The service was away: what is shown may be old.
  lookAgain()
  if (session() !== undefined) showSession()
  if (place().kind === "administration") showAdministration()
})
// A session is followed, and looked at again by that. What an administrator opened would be folded.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && me() !== undefined && session() === undefined) lookAgain()
})
whenStorageChanges(() => {
  loadSessions()
  showSession()
  continueTrail()
  if (place().kind === "due") showDue(box("due"))
  refreshUsage().catch(() => {
    // The line above shows when the service is gone.
  })
})
buttonAt("skip").onclick = focusHeading

enter()
look()
