/** Actions on files. Each result is one sentence, with an undo if possible. */

import { call, fileUrl, send, sessionUrl } from "./api.js"
import { ask, field } from "./asker.js"
import { make } from "./dom.js"
import { askExpiry } from "./expiry.js"
import { put, takeAway } from "./list.js"
import { tell } from "./message.js"
import { besideThese, menuOf } from "./rows.js"
import { announceStorageChange } from "./storageChanges.js"
import { askTransfer } from "./transfer.js"
import { brief, counted } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */
/** @typedef {import("./types.d.ts").BulkResult} BulkResult */
/** @typedef {ReadonlyArray<ConversationFile>} Files */

/** How many files one request may name. */
const atOnce = 200

/** @param {Files} files */
export const namesOf = (files) =>
  files.length === 1 ? `${brief(files[0]?.name ?? "")} is` : `${counted(files.length, "file")} are`

/**
 * Does the same with each of many files; each has its own result.
 * @param {"delete" | "restore" | "destroy"} verb
 * @param {Files} files
 */
const withEach = async (verb, files) => {
  /** @type {Map<string, string>} */
  const refused = new Map()
  for (let from = 0; from < files.length; from += atOnce) {
    const fileIds = files.slice(from, from + atOnce).map(({ fileId }) => fileId)
    const { failed } = /** @type {BulkResult} */ (await send("POST", `/api/files/${verb}`, { fileIds }))
    for (const { error, fileId } of failed) refused.set(fileId, error.message)
  }
  return { done: files.filter(({ fileId }) => !refused.has(fileId)), refused: [...refused.values()] }
}

/**
 * @param {Files} done
 * @param {string} what such as `deleted`
 * @param {ReadonlyArray<string>} refused
 * @param {() => unknown} [undo]
 */
const report = (done, what, refused, undo) => {
  const [reason] = refused
  if (reason === undefined) return tell(`${namesOf(done)} ${what}.`, undo === undefined ? {} : { undo })
  const some = done.length === 0 ? "" : `${namesOf(done)} ${what}. `
  tell(`${some}${counted(refused.length, "file")} could not be ${what}: ${reason}`, {
    isProblem: true,
    ...(undo === undefined || done.length === 0 ? {} : { undo })
  })
}

/** @param {Files} files */
export const remove = async (files) => {
  const [only] = files
  if (files.length === 1 && only !== undefined) await send("DELETE", fileUrl(only))
  const { done, refused } = files.length === 1 ? { done: files, refused: [] } : await withEach("delete", files)
  takeAway(done)
  report(done, "deleted", refused, () => restore(done))
  announceStorageChange()
}

/** @param {Files} files */
export const restore = async (files) => {
  const [only] = files
  /** @type {Array<ConversationFile>} */
  const back = []
  if (files.length === 1 && only !== undefined) back.push(await send("POST", fileUrl(only, "/restore")))
  const { done, refused } = files.length === 1 ? { done: files, refused: [] } : await withEach("restore", files)
  takeAway(done)
  put(...(back.length > 0 ? back : done.map((file) => ({ ...file, deletedAt: null, expiresAt: null }))))
  report(done, "restored", refused)
  announceStorageChange()
}

/**
 * Asks before the one action that cannot be undone.
 * @param {Files} files
 */
export const destroy = (files) => {
  const [only] = files
  const which = files.length === 1 && only !== undefined ? only.name : counted(files.length, "file")
  ask({
    heading: "Delete for good?",
    fields: [
      make(
        "p",
        {},
        make("strong", {}, which),
        files.length === 1 ? " is" : " are",
        ` gone then. Nobody can restore ${files.length === 1 ? "it" : "them"}.`
      )
    ],
    action: "Delete for good",
    otherwise: "Keep",
    isDanger: true,
    act: async () => {
      if (files.length === 1 && only !== undefined)
        await call("nothing", fileUrl(only, "/permanently"), { method: "DELETE" })
      const { done, refused } = files.length === 1 ? { done: files, refused: [] } : await withEach("destroy", files)
      takeAway(done)
      report(done, "deleted for good", refused)
      announceStorageChange()
    },
    backTo: besideThese(files)
  })
}

/** @param {ConversationFile} file */
export const rename = (file) => {
  const name = make("input", { autocomplete: "off", spellcheck: false, required: true, value: file.name })
  ask({
    heading: "Rename",
    fields: [field("New name", name)],
    action: "Rename",
    act: async () => {
      const renamed = /** @type {ConversationFile} */ (await send("PATCH", fileUrl(file), { name: name.value }))
      put(renamed)
      tell(`${brief(file.name)} is now ${brief(renamed.name)}.`)
    },
    backTo: () => menuOf(file)
  })
  const stem = file.name.lastIndexOf(".")
  name.focus()
  name.setSelectionRange(0, stem > 0 ? stem : file.name.length)
}

/** @param {ConversationFile} file */
export const download = async (file) => save(await (await call("file", fileUrl(file, "/download"))).blob(), file.name)

/**
 * @param {string} session
 * @param {Files} [files] all that are not deleted, if none are named
 */
export const archive = async (session, files) => {
  tell("The archive is being made.")
  const response = await call("file", sessionUrl(session, "/archive"), {
    method: "POST",
    body: JSON.stringify(files === undefined ? {} : { fileIds: files.map(({ fileId }) => fileId) }),
    headers: { "content-type": "application/json" }
  })
  save(await response.blob(), `${session}.zip`)
  tell(`${session}.zip is saved.`)
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
const save = (blob, name) => {
  const url = URL.createObjectURL(blob)
  make("a", { href: url, download: name }).click()
  // The browser still reads after the click.
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

/**
 * The menu of a file that is not deleted.
 * @param {ConversationFile} file
 */
export const actionsOf = (file) => [
  { text: "Rename", act: () => rename(file) },
  { text: "Copy or move", act: () => askTransfer(file) },
  { text: "Change when it is deleted", act: () => askExpiry(file, () => menuOf(file)) }
]
