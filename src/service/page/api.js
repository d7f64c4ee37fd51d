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
   */
  constructor(status, message, tag) {
    super(message)
    this.status = status
    this.tag = tag
  }
}

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
 */
export const refusalOf = (status, text, asked) => {
  /** @type {Record<string, unknown>} */
  let body = {}
  try {
    const parsed = JSON.parse(text)
    if (typeof parsed === "object" && parsed !== null) body = parsed
  } catch {
    // It is not from this service, but for example from a proxy. The status remains.
  }
  const tag = typeof body["_tag"] === "string" ? body["_tag"] : undefined
  const refused = new Refused(status, sentenceOf(body, status), tag)
  if (status === 401 && asked["authorization"] === authorization()["authorization"]) onUnknownToken(refused)
  return refused
}

/**
 * @param {string} path
 * @param {RequestInit & { headers?: Record<string, string> }} init
 */
export const call = async (path, { headers, ...init } = {}) => {
  const asked = authorization()
  const response = await fetch(path, { ...init, headers: { ...asked, ...headers } }).catch((error) => {
    throw isAbort(error) ? error : unreachable()
  })
  if (!response.ok) throw refusalOf(response.status, await response.text(), asked)
  return response
}

/** @param {unknown} error */
export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError"
/** @param {unknown} error */
export const messageOf = (error) => (error instanceof Error ? error.message : String(error))

/**
 * What the service answers, as JSON.
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>}
 */
export const json = async (path, init = {}) => (await call(path, /** @type {{}} */ (init))).json()

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
