/** Finds elements by id, and makes them from text and other elements. Nothing here takes HTML. */
import { icon } from "./icons.js"

/**
 * The element with an id. It is missing only if page and script have different versions.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @returns {T}
 */
export const at = (id, kind) => {
  const element = document.getElementById(id)
  if (!(element instanceof kind)) throw new Error(`The page has no #${id}.`)
  return element
}

/** @param {string} id */
export const box = (id) => at(id, HTMLElement)
/** @param {string} id */
export const input = (id) => at(id, HTMLInputElement)
/** @param {string} id */
export const buttonAt = (id) => at(id, HTMLButtonElement)
/** @param {string} id */
export const form = (id) => at(id, HTMLFormElement)

/** @typedef {string | Node | undefined} Child */

/**
 * A new element. Children that are strings become text, whatever they contain.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} properties
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties)
  element.append(...children.filter((child) => child !== undefined))
  return element
}

/**
 * Screen readers speak live regions when they change, so a region changes only for something new.
 * @param {Element} element
 * @param {string} text
 */
export const say = (element, text) => {
  if (element.textContent !== text) element.textContent = text
}

/**
 * A button; `about` tells users who do not see the row what it is for.
 * @param {string} text
 * @param {() => unknown} onclick
 * @param {{ about?: string, className?: string, icon?: import("./icons.js").IconName }} options
 */
export const button = (text, onclick, { about, className = "", icon: name } = {}) => {
  const element = make("button", { type: "button", className, onclick })
  if (about !== undefined) element.ariaLabel = `${text} ${about}`
  if (name === undefined) element.append(text)
  else {
    element.append(icon(name))
    element.title = text
    if (about === undefined) element.ariaLabel = text
  }
  return element
}

/**
 * A list of terms and their values.
 * @param {Element} list
 * @param {ReadonlyArray<readonly [string, Child]>} entries
 */
export const facts = (list, entries) =>
  list.replaceChildren(...entries.flatMap(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]))

/**
 * Moves the focus to the next element when the focused one goes away.
 * @param {Element | null | undefined} row
 * @param {HTMLElement} otherwise
 */
export const focusIn = (row, otherwise) => {
  const target = row?.querySelector("button, a")
  if (target instanceof HTMLElement) target.focus()
  else otherwise.focus()
}
