/** Sends one upload, again where the service asks for that, and notices when it does not get on. */
import { authorization, Refused, refusalOf, sessionUrl, somethingElse, unreachable } from "./api.js"

/** @typedef {import("./types.d.ts").FileDetails} FileDetails */
/** @typedef {import("./uploadQueue.js").Upload} Upload */

/** How often the service may ask to try again later. */
const mostAttempts = 5
/** A slow line shows progress more often than this (milliseconds). Nothing is given up after it. */
const patience = 30_000

/** The user gave up this request, not the upload. */
const anew = Symbol("anew")

/** @param {Upload} upload */
export const isStalled = ({ movedAt, state }) =>
  state === "sending" && movedAt !== undefined && Date.now() - movedAt >= patience

/** Begins the request anew. @param {Upload} upload */
export const startAgain = (upload) => upload.request?.abort(anew)

/**
 * @param {Upload} upload
 * @param {() => void} changed is told about progress, and its absence
 * @returns {Promise<FileDetails>}
 */
export const transfer = async (upload, changed) => {
  const looking = setInterval(() => isStalled(upload) && changed(), 1000)
  try {
    for (;;) {
      const answer = await answerTo(upload, changed)
      upload.movedAt = undefined
      if (answer === anew) continue
      if (answer.status === 201) return fileOf(answer.text)
      // Nothing that this service answers to an upload.
      if (answer.status < 300) throw lost(somethingElse)
      // Too many at once, or not now: the service says when to try again. Nothing was stored.
      if ((answer.status !== 429 && answer.status !== 503) || upload.attempts >= mostAttempts) {
        throw refusalOf(answer.status, answer.text, authorization())
      }
      upload.attempts += 1
      await pause(answer.retryAfter)
      if (upload.isCancelled) throw new Error("Cancelled.")
    }
  } finally {
    clearInterval(looking)
  }
}

/** The file may be stored, for all that is known. @param {string} sentence */
const lost = (sentence) => new Refused(0, `${sentence} Look whether the file is in the list before you try again.`)

/**
 * @param {string} text
 * @returns {FileDetails}
 */
const fileOf = (text) => {
  try {
    return JSON.parse(text)
  } catch {
    throw lost(somethingElse)
  }
}

/** @param {number} seconds */
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(60, Math.max(1, seconds))))

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {string} text
 * @property {number} retryAfter seconds
 */

/**
 * Uses XMLHttpRequest because `fetch` does not tell how much of a body is sent.
 * @param {Upload} upload
 * @param {() => void} changed
 * @returns {Promise<Answer | typeof anew>}
 */
const answerTo = (upload, changed) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest()
    const form = new FormData()
    form.append("file", upload.file)
    upload.request = {
      abort: (why) => {
        given = why
        request.abort()
      }
    }
    /** @type {symbol | undefined} */
    let given
    upload.sent = 0
    upload.isSent = false
    const move = () => {
      upload.movedAt = Date.now()
      changed()
    }
    request.upload.onprogress = ({ lengthComputable, loaded, total }) => {
      if (lengthComputable) upload.sent = Math.round((loaded / total) * upload.file.size)
      move()
    }
    request.upload.onload = () => {
      upload.isSent = true
      move()
    }
    request.onload = () =>
      resolve({
        status: request.status,
        text: request.responseText,
        retryAfter: Number(request.getResponseHeader("retry-after") ?? 1)
      })
    request.onerror = () => reject(upload.isSent ? lost(unreachable().message) : unreachable())
    request.onabort = () => (given === anew ? resolve(anew) : reject(new Error("Cancelled.")))
    request.open("POST", sessionUrl(upload.session, "/files"))
    for (const [name, value] of Object.entries(authorization())) request.setRequestHeader(name, value)
    move()
    request.send(form)
  })
