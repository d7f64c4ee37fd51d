/** One file in the list. */

import { button, make } from "./dom.js"
import { actionsOf, destroy, download, remove, restore } from "./fileActions.js"
import { menuButton } from "./menu.js"
import { attempt } from "./message.js"
import { addressOf } from "./place.js"
import { selectionBox } from "./selection.js"
import { thumbnailOf } from "./thumbnails.js"
import { view } from "./viewer.js"
import { bytes, dotted, time } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/**
 * @param {ConversationFile} file
 * @param {boolean} namesSession whether the place does not name the session
 */
export const rowOf = (file, namesSession) => {
  const { deletedAt, expiresAt, name, sessionId, size, uploadedAt, uploadedBy } = file
  const row = make(
    "li",
    {},
    selectionBox(file),
    thumbnailOf(file),
    make(
      "div",
      { className: "about" },
      button(name, () => view(file), { className: "name" }),
      make(
        "small",
        {},
        ...dotted([
          bytes(size),
          namesSession ? make("a", { href: addressOf(sessionId) }, sessionId) : undefined,
          uploadedAt === null ? undefined : time(uploadedAt),
          uploadedBy ?? undefined,
          deletedAt === null ? undefined : make("span", {}, "deleted ", time(deletedAt)),
          expiresAt === null ? undefined : expiry(deletedAt === null ? "deleted" : "gone for good", expiresAt)
        ])
      )
    ),
    deletedAt === null
      ? make(
          "div",
          { className: "actions" },
          button("Download", () => attempt(() => download(file)), { about: name, icon: "download" }),
          button("Delete", () => attempt(() => remove([file])), { about: name, icon: "trash" }),
          menuButton(`More for ${name}`, () => [{ text: "Details", act: () => view(file) }, ...actionsOf(file)])
        )
      : make(
          "div",
          { className: "actions" },
          button("Restore", () => attempt(() => restore([file])), { about: name }),
          button("Delete for good", () => destroy([file]), { about: name, className: "danger" })
        )
  )
  row.dataset["fileId"] = file.fileId
  return row
}

/**
 * @param {string} what
 * @param {string} at
 */
const expiry = (what, at) => make("span", { className: "due" }, `${what} `, time(at))
