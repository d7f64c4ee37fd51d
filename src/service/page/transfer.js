/** Copies or moves a file to another session. */

import { fileUrl, send } from "./api.js"
import { ask, field, nameAction } from "./asker.js"
import { make } from "./dom.js"
import { put, takeAway } from "./list.js"
import { tell } from "./message.js"
import { session } from "./place.js"
import { besideThese } from "./rows.js"
import { sessionNames } from "./sessions.js"
import { announceStorageChange } from "./storageChanges.js"
import { brief } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/** @param {ConversationFile} file */
export const askTransfer = (file) => {
  const known = make("datalist", { id: "known-sessions" }, ...sessionNames().map((value) => make("option", { value })))
  const to = make("input", { autocomplete: "off", spellcheck: false, required: true, maxLength: 128 })
  to.setAttribute("list", known.id)
  const copy = make("input", { type: "radio", name: "transfer", checked: true })
  const move = make("input", { type: "radio", name: "transfer" })
  copy.onchange = () => nameAction("Copy")
  move.onchange = () => nameAction("Move")
  ask({
    heading: "Copy or move",
    fields: [
      make("p", { className: "soft" }, file.name),
      make("label", { className: "option" }, copy, "Copy it"),
      make("label", { className: "option" }, move, "Move it"),
      field("To the session", to),
      known
    ],
    action: "Copy",
    act: async () => {
      const sessionId = to.value.trim()
      if (sessionId === "") throw new Error("Name a session.")
      /** @type {ConversationFile} */
      const there = await send("POST", fileUrl(file, copy.checked ? "/copy" : "/move"), { sessionId })
      if (move.checked && session() !== undefined && session() !== sessionId) takeAway([file])
      put(there)
      tell(`${brief(file.name)} is ${copy.checked ? "copied" : "moved"} to ${brief(sessionId)}.`)
      announceStorageChange()
    },
    backTo: besideThese([file])
  })
  to.focus()
}
