/** Shows, changes and cancels when a file is deleted automatically. */

import { fileUrl, send } from "./api.js"
import { ask, field } from "./asker.js"
import { button, make } from "./dom.js"
import { put } from "./list.js"
import { tell } from "./message.js"
import { announceStorageChange } from "./storageChanges.js"
import { brief, exact } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

const day = 24 * 60 * 60 * 1000

/**
 * The format of a field for local time.
 * @param {Date} date
 */
const local = (date) => new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)

/**
 * @param {ConversationFile} file
 * @param {() => Element | null} [backTo]
 */
export const askExpiry = (file, backTo) => {
  const never = make("input", { type: "radio", name: "expiry", value: "never", checked: file.expiresAt === null })
  const on = make("input", { type: "radio", name: "expiry", value: "on", checked: file.expiresAt !== null })
  const when = make("input", {
    type: "datetime-local",
    value: local(file.expiresAt === null ? new Date(Date.now() + 30 * day) : new Date(file.expiresAt))
  })
  when.oninput = () => {
    on.checked = true
  }
  /**
   * @param {string} text
   * @param {number} days
   */
  const soon = (text, days) =>
    button(text, () => {
      on.checked = true
      when.value = local(new Date(Date.now() + days * day))
    })
  ask({
    heading: "When is it deleted?",
    fields: [
      make(
        "p",
        { className: "soft" },
        `When ${file.name} is deleted automatically. It can be restored for some time after that.`
      ),
      make("label", { className: "option" }, never, "Never automatically"),
      make("label", { className: "option" }, on, "At this time"),
      field("Time", when),
      make("div", { className: "row" }, soon("In a day", 1), soon("In a week", 7), soon("In 30 days", 30))
    ],
    action: "Save",
    act: async () => {
      if (on.checked && Number.isNaN(Date.parse(when.value))) throw new Error("Choose a day and a time.")
      const expiresAt = on.checked ? new Date(when.value).toISOString() : null
      const changed = /** @type {ConversationFile} */ (await send("PUT", fileUrl(file, "/expiry"), { expiresAt }))
      put(changed)
      const words =
        changed.expiresAt === null ? "is never deleted automatically" : `is deleted on ${exact(changed.expiresAt)}`
      tell(`${brief(file.name)} ${words}.`)
      announceStorageChange()
    },
    ...(backTo === undefined ? {} : { backTo })
  })
  // Keys begin at the choice that is made, not at the first one.
  for (const choice of [never, on]) if (choice.checked) choice.focus()
}
