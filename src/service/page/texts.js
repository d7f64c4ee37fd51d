/** Writes a text that becomes a file. */

import { send, sessionUrl } from "./api.js"
import { ask, field } from "./asker.js"
import { make } from "./dom.js"
import { put } from "./list.js"
import { tell } from "./message.js"
import { announceStorageChange } from "./storageChanges.js"
import { brief } from "./words.js"

/** @param {string} session */
export const askText = (session) => {
  const name = make("input", { autocomplete: "off", spellcheck: false, required: true, value: "note.txt" })
  const text = make("textarea", { rows: 12, spellcheck: true })
  ask({
    heading: "New text",
    fields: [field("Name", name), field("Text", text)],
    action: "Create",
    act: async () => {
      /** @type {import("./types.d.ts").FileDetails} */
      const file = await send("POST", sessionUrl(session, "/texts"), { name: name.value, text: text.value })
      put(file)
      tell(`${brief(file.name)} is created.`)
      announceStorageChange()
    },
    backTo: () => document.querySelector("#session-actions button")
  })
  name.focus()
  name.setSelectionRange(0, 4)
}
