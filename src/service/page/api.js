/** Requests to the service for the user who is signed in, and its refusals. */
import { bytes, readable } from "./words.js"

const where = "token"
let token = sessionStorage.getItem(where) ?? ""

export const hasToken = () => token !== ""
/** @param {string} given */
export const keepToken = (given) => {
  token = given
  if (given === "") sessionStorage.removeItem(where)
  else sessionStorage.setItem(where, given)
}
/** Whether the page belongs to this token: a page from the browser's memory may belong to another. */
export const isCurrent = () => token === (sessionStorage.getItem(where) ?? "")

/** @returns {Record<string, string>} */
export const authorization = () => (token === "" ? {} : { authorization: `Bearer ${token}` })

/** What the service refused, in words for people. */
export class Refused extends Error {
  /**
   * @param {number} status 0 if there was no answer
   * @param {string} message
   * @param {string} [tag] the error's name in the API
   * @param {number} [pause] milliseconds until the service wants to be asked again
   */
  constructor(status, message, tag, pause = 0) {
    super(message)
    this.status = status
    this.tag = tag
    this.pause = pause
  }
}

/** A proxy in between may answer with a page of its own. */
export const somethingElse = "Something else answered instead of the service."
export const unreachable = () => new Refused(0, "The service cannot be reached.")

/** @type {(refused: Refused) => void} */
let onUnknownToken = () => {}
/** @param {(refused: Refused) => void} listener is told when the service does not know the token */
export const whenTokenIsUnknown = (listener) => {
  onUnknownToken = listener
}

/**
 * The sentence of a refusal: the API's own if it has one. Sizes become readable.
 * @param {Record<string, unknown>} body
 * @param {number} status
 * @returns {string}
 */
const sentenceOf = (body, status) => {
  if (body["_tag"] === "FileTooLarge" && typeof body["limitBytes"] === "number") {
    return `A file may have ${bytes(body["limitBytes"])} at most.`
  }
  // Details begin with what was expected; `message` may show the schema instead.
  const [first] = Array.isArray(body["errors"]) ? body["errors"] : Array.isArray(body["issues"]) ? body["issues"] : []
  const given = [body["detail"], first?.message, body["message"], body["title"]]
  const sentence = given.find((text) => typeof text === "string" && text !== "")
  return sentence === undefined ? `The service answered with the status ${status}.` : readable(sentence)
}

/**
 * @param {number} status
 * @param {string} text
 * @param {Record<string, string>} asked the authorization that was refused: another one may be in use by now
 * @param {string | null} [retryAfter] seconds, as the header has them
 */
export const refusalOf = (status, text, asked, retryAfter) => {
  /** @type {Record<string, unknown>} */
  let body = {}
  try {
    const parsed = JSON.parse(text)
    if (typeof parsed === "object" && parsed !== null) body = parsed
  } catch {
    // It is not from this service, but for example from a proxy. The status remains.
  }
  const tag = typeof body["_tag"] === "string" ? body["_tag"] : undefined
  const pause = Math.min(longestPause, 1000 * (Number(retryAfter) || 0))
  const refused = new Refused(status, sentenceOf(body, status), tag, pause)
  if (status === 401 && asked["authorization"] === authorization()["authorization"]) onUnknownToken(refused)
  return refused
}

/** Reading changes nothing, so it is tried again by itself: milliseconds until then. */
const pauses = [400, 1200]
/** The longest pause that the service may ask for (milliseconds). */
const longestPause = 5000
/** Milliseconds after which an answer is given up. A change may take longer. */
const patience = { read: 10_000, change: 60_000 }

/** @typedef {RequestInit & { headers?: Record<string, string> }} Init */

/** @param {Init} init */
const isRead = ({ method = "GET" }) => method === "GET"

/**
 * There was no answer, or none of the service. A change may have been made all the same.
 * @param {string} sentence
 * @param {Init} init
 */
const noAnswer = (sentence, init) => new Refused(0, isRead(init) ? sentence : `${sentence} Look whether it was done.`)

/**
 * One request.
 * @template T
 * @param {string} path
 * @param {Init} init
 * @param {(response: Response) => T | Promise<T>} read
 */
const ask = async (path, init, read) => {
  const { headers, signal, ...rest } = init
  const asked = authorization()
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), isRead(init) ? patience.read : patience.change)
  const ends = signal === undefined || signal === null ? late.signal : AbortSignal.any([signal, late.signal])
  try {
    const response = await fetch(path, { ...rest, headers: { ...asked, ...headers }, signal: ends })
    if (response.ok) return await read(response)
    throw refusalOf(response.status, await response.text(), asked, response.headers.get("retry-after"))
  } catch (error) {
    if (error instanceof Refused) throw error
    if (late.signal.aborted) throw noAnswer("The service does not answer.", init)
    if (error instanceof SyntaxError) throw noAnswer(somethingElse, init)
    throw isAbort(error) ? error : unreachable()
  } finally {
    clearTimeout(timer)
  }
}

/**
 * Whether it may be otherwise in a moment. A full disk is not.
 * @param {unknown} error
 */
const mayPass = (error) =>
  error instanceof Refused &&
  (error.status === 0 || error.status === 429 || (error.status >= 500 && error.status !== 507))

/**
 * @template T
 * @param {string} path
 * @param {Init} init
 * @param {(response: Response) => T | Promise<T>} read
 * @returns {Promise<T>}
 */
const answerTo = async (path, init, read, tries = 0) => {
  try {
    return await ask(path, init, read)
  } catch (error) {
    const pause = pauses[tries]
    if (pause === undefined || !isRead(init) || !mayPass(error) || init.signal?.aborted === true) throw error
    const asked = error instanceof Refused ? error.pause : 0
    await new Promise((resolve) => setTimeout(resolve, Math.max(pause, asked)))
    init.signal?.throwIfAborted()
    return answerTo(path, init, read, tries + 1)
  }
}

/**
 * What only this service answers: the body may be anything, but a proxy's page comes without this.
 * @type {Record<"file" | "events" | "nothing", (response: Response) => boolean>}
 */
const marks = {
  file: ({ headers }) => headers.has("content-disposition"),
  events: ({ headers }) => headers.get("content-type")?.startsWith("text/event-stream") === true,
  nothing: ({ status }) => status === 204
}

/**
 * @param {keyof typeof marks} wanted
 * @param {string} path
 * @param {Init} init
 */
export const call = (wanted, path, init = {}) =>
  answerTo(path, init, (response) => {
    if (marks[wanted](response)) return response
    throw noAnswer(somethingElse, init)
  })

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError"
/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error))

/**
 * What the service answers, as JSON.
 * @param {string} path
 * @param {Init} init
 * @returns {Promise<any>}
 */
export const json = (path, init = {}) => answerTo(path, init, (response) => response.json())

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [body] sent as JSON
 */
export const send = (method, path, body) =>
  json(path, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } })
  })

/**
 * @param {{ readonly fileId: string }} file
 * @param {string} rest
 */
export const fileUrl = ({ fileId }, rest = "") => `/api/files/${encodeURIComponent(fileId)}${rest}`
/**
 * @param {string} session
 * @param {string} rest
 */
export const sessionUrl = (session, rest = "") => `/api/sessions/${encodeURIComponent(session)}${rest}`
