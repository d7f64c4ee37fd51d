/** Edits a text in place. Nobody's change is overwritten unseen. */
import { call, fileUrl, json, messageOf, Refused, send, sessionUrl } from "./api.js"
import { button, make, say } from "./dom.js"
import { isWritable } from "./kinds.js"
import { put } from "./list.js"
import { tell } from "./message.js"
import { announceStorageChange } from "./storageChanges.js"
import { whenUnsaved } from "./unsaved.js"
import { brief } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */

/** A longer text needs another program. */
const longest = 1024 * 1024

/** @param {ConversationFile} file */
export const mayEdit = ({ deletedAt, mimeType, size }) => deletedAt === null && isWritable(mimeType) && size <= longest

/** @type {{ readonly isChanged: () => boolean, readonly warn: () => void, isWarned: boolean } | undefined} */
let editing
export const isEditing = () => editing !== undefined

/** Ends editing; with unsaved changes only at the second call. Returns whether it ended. */
export const stopEditing = () => {
  if (editing?.isChanged() === true && !editing.isWarned) {
    editing.isWarned = true
    editing.warn()
    return false
  }
  editing = undefined
  return true
}
addEventListener("signedout", () => {
  editing = undefined
})
whenUnsaved(() => editing?.isChanged() === true)

/**
 * The text and its version. A text is edited only if it can be written back byte for byte.
 * @param {ConversationFile} file
 */
const read = async (file) => {
  const response = await call("file", fileUrl(file, "/content"), { cache: "no-store" })
  const version = /[0-9a-f]{64}/.exec(response.headers.get("etag") ?? "")?.[0] ?? file.sha256
  try {
    const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    return { text: decoder.decode(await response.arrayBuffer()), version }
  } catch {
    throw new Error("This text is not in UTF-8. It cannot be edited here.")
  }
}

/**
 * A text field has only line feeds; the file keeps its own line ends.
 * @param {string} text
 */
const lineEndOf = (text) => (text.includes("\r\n") && !/[^\r]\n/.test(text) ? "\r\n" : "\n")

/**
 * @param {ConversationFile} file
 * @param {HTMLElement} host
 * @param {(file?: ConversationFile) => void} done is called when it is over, with the file if it was saved
 */
export const edit = async (file, host, done) => {
  const area = make("textarea", { spellcheck: false, ariaLabel: `Text of ${file.name}` })
  const problem = make("p", { className: "problem", role: "alert" })
  const others = make("div", { className: "others" })
  const save = button("Save", () => store(), { className: "first" })
  const cancel = button("Cancel", () => {
    if (stopEditing()) done()
  })
  const mine = {
    isChanged: () => area.value !== begin,
    warn: () => say(problem, "Your changes are not saved. Close or cancel once more to discard them."),
    isWarned: false
  }
  let begin = ""
  let lineEnd = "\n"
  let version = file.sha256
  editing = mine
  host.replaceChildren(make("p", { className: "soft" }, "Loading"))
  try {
    const now = await read(file)
    if (editing !== mine) return
    lineEnd = lineEndOf(now.text)
    version = now.version
    area.value = now.text
    begin = area.value
    host.replaceChildren(
      make("div", { className: "editor" }, area, others, make("div", { className: "row" }, problem, save, cancel))
    )
    area.focus()
    area.setSelectionRange(0, 0)
  } catch (error) {
    if (editing !== mine) return
    editing = undefined
    host.replaceChildren(make("p", { className: "problem", role: "alert" }, messageOf(error)))
  }
  area.oninput = () => {
    mine.isWarned = false
    say(problem, "")
  }

  let isStoring = false
  /** @param {boolean} isOn a disabled button would lose the focus */
  const showStoring = (isOn) => {
    isStoring = isOn
    save.ariaDisabled = String(isOn)
  }

  const store = async () => {
    if (isStoring) return
    showStoring(true)
    say(problem, "")
    try {
      const answer = await json(fileUrl(file, "/content"), {
        method: "PUT",
        body: area.value.replaceAll("\n", lineEnd),
        headers: { "content-type": file.mimeType, "if-match": `"${version}"` }
      })
      end(answer)
    } catch (error) {
      say(problem, messageOf(error))
      if (!(error instanceof Refused)) return
      if (error.status === 412) showConflict()
      if (error.tag === "FileDeleted") showDeleted()
      if (error.tag === "FileNotFound") showGone()
    } finally {
      showStoring(false)
    }
  }

  /** @param {ConversationFile} saved */
  const end = (saved) => {
    announceStorageChange()
    if (editing === mine) editing = undefined
    put(saved)
    tell(`${brief(saved.name)} is saved.`)
    done(saved)
  }

  /**
   * Offers one way to save the text all the same.
   * @param {string} text
   * @param {() => Promise<unknown>} work
   */
  const offer = (text, work) => {
    const once = async () => {
      try {
        await work()
      } catch (error) {
        say(problem, messageOf(error))
      }
    }
    others.replaceChildren(button(text, once))
  }

  const showDeleted = () => {
    say(problem, "Somebody deleted this file. Your text is not saved.")
    offer("Restore the file and save", async () => {
      put(await send("POST", fileUrl(file, "/restore")))
      others.replaceChildren()
      await store()
    })
  }

  const showGone = () => {
    say(problem, "This file is gone for good. Your text is not saved.")
    offer("Save as a new file", async () => {
      const text = area.value.replaceAll("\n", lineEnd)
      end(await send("POST", sessionUrl(file.sessionId, "/texts"), { name: file.name, text, mimeType: file.mimeType }))
    })
  }

  const showConflict = () => {
    say(problem, "Somebody changed this file after you opened it. Nothing was overwritten.")
    others.replaceChildren(button("Look at the other version", () => look()))
  }

  const look = async () => {
    try {
      const now = await read(file)
      const theirs = make("pre", { tabIndex: 0, role: "region", ariaLabel: "The other version" }, now.text)
      const take = button("Take the other version", () => {
        area.value = now.text
        begin = area.value
        accept(now.version)
      })
      const keep = button("Keep mine", () => accept(now.version))
      others.replaceChildren(make("h3", {}, "The other version"), theirs, make("div", { className: "row" }, keep, take))
      keep.focus()
    } catch (error) {
      say(problem, messageOf(error))
    }
  }

  /** Allows replacing the version that the user has seen. @param {string} seen */
  const accept = (seen) => {
    version = seen
    others.replaceChildren()
    say(problem, "")
    area.focus()
  }
}
