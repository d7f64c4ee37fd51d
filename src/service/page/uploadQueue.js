/** Uploads: several at a time, the others wait. A file that cannot be stored is not sent. */

import { me } from "./account.js"
import { messageOf, Refused } from "./api.js"
import { transfer } from "./uploadRequest.js"
import { bytes, counted } from "./words.js"

/** @typedef {import("./types.d.ts").FileDetails} FileDetails */

/**
 * @typedef {object} Upload
 * @property {number} id
 * @property {File} file
 * @property {string} session
 * @property {"waiting" | "sending" | "refused"} state
 * @property {number} sent bytes
 * @property {string} problem
 * @property {boolean} isFinal whether it would be refused again
 * @property {number} attempts
 * @property {boolean} isCancelled
 * @property {boolean} isSent whether all of it was sent, and only the answer is missing
 * @property {number | undefined} [movedAt] when there was progress, as long as some can be expected
 * @property {{ readonly abort: (why?: symbol) => void }} [request]
 */

const atOnce = 3

/** Unfinished uploads, in the order in which they were chosen. @type {Set<Upload>} */
export const uploads = new Set()
/** Totals since nothing was under way. */
export const tally = { all: 0, done: 0, refused: 0, cancelled: 0, allBytes: 0, doneBytes: 0, last: "" }

/** @type {{ changed: () => void, added: (file: FileDetails, session: string) => void, over: () => void }} */
let listener = { changed: () => {}, added: () => {}, over: () => {} }
/** @param {typeof listener} given */
export const whenUploads = (given) => {
  listener = given
}

export const sending = () => [...uploads].filter(({ state }) => state === "sending")
export const waiting = () => [...uploads].filter(({ state }) => state === "waiting")
export const retryable = () => refused().filter(({ isFinal }) => !isFinal)
export const refused = () => [...uploads].filter(({ state }) => state === "refused")
export const isBusy = () => [...uploads].some(({ state }) => state !== "refused")

let ids = 0
/**
 * @param {ReadonlyArray<File>} files
 * @param {string} session
 */
export const enqueue = (files, session) => {
  if (!isBusy())
    Object.assign(tally, { all: 0, done: 0, refused: 0, cancelled: 0, allBytes: 0, doneBytes: 0, last: "" })
  for (const file of files) {
    ids += 1
    const problem = whyNot(file)
    uploads.add({
      id: ids,
      file,
      session,
      state: problem === "" ? "waiting" : "refused",
      sent: 0,
      problem,
      isFinal: isTooLarge(file),
      attempts: 0,
      isCancelled: false,
      isSent: false
    })
    tally.all += 1
    if (problem === "") tally.allBytes += file.size
    else tally.refused += 1
  }
  next()
}

/** Neither another time nor more room helps. */
const final = new Set(["FileTooLarge", "InvalidFileName"])
/** @param {File} file */
const isTooLarge = ({ size }) => size > (me()?.maxFileSize ?? Infinity)

/**
 * Why the service would refuse it, as far as known before sending it.
 * @param {File} file
 */
const whyNot = (file) => {
  const user = me()
  if (user === undefined) return ""
  if (isTooLarge(file)) {
    return `It is larger than ${bytes(user.maxFileSize)}, which is the most that a file may have.`
  }
  const ahead = [...uploads].filter(({ state }) => state !== "refused")
  const { quota, usage } = user
  const left =
    quota.bytes === null ? Infinity : quota.bytes - usage.bytes - ahead.reduce((sum, { file }) => sum + file.size, 0)
  if (file.size > left) return `It has ${bytes(file.size)}. There is room for ${bytes(Math.max(0, left))} more.`
  if (quota.files !== null && usage.files + ahead.length >= quota.files) {
    return `You may store ${counted(quota.files, "file")}, and you have that many.`
  }
  return ""
}

const next = () => {
  for (const upload of waiting()) {
    if (sending().length >= atOnce) break
    send(upload)
  }
  listener.changed()
  if (!isBusy() && tally.all > 0) listener.over()
}

/** @param {Upload} upload */
const send = async (upload) => {
  upload.state = "sending"
  upload.attempts += 1
  try {
    const added = await transfer(upload, () => listener.changed())
    uploads.delete(upload)
    tally.done += 1
    tally.doneBytes += upload.file.size
    tally.last = added.name
    listener.added(added, upload.session)
  } catch (error) {
    // A cancelled upload is already removed.
    if (!uploads.has(upload)) return
    upload.state = "refused"
    upload.problem = messageOf(error)
    upload.isFinal = error instanceof Refused && error.tag !== undefined && final.has(error.tag)
    tally.refused += 1
    tally.allBytes -= upload.file.size
  }
  next()
}

/** @param {ReadonlyArray<Upload>} which */
export const cancel = (which) => {
  for (const upload of which) {
    uploads.delete(upload)
    upload.isCancelled = true
    upload.request?.abort()
    tally.cancelled += 1
    tally.allBytes -= upload.file.size
  }
  next()
}

/** @param {ReadonlyArray<Upload>} which those that were refused */
export const dismiss = (which) => {
  for (const upload of which) uploads.delete(upload)
  listener.changed()
}

/** @param {ReadonlyArray<Upload>} which those that were refused */
export const again = (which) => {
  for (const upload of which) uploads.delete(upload)
  for (const { file, session } of which) enqueue([file], session)
}

addEventListener("signedout", () => cancel([...uploads]))
addEventListener("beforeunload", (event) => {
  if (isBusy()) event.preventDefault()
})
