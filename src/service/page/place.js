/** The current place, kept in the address: `#<session>`, or `#/` and the name of another place. */

/** @typedef {import("./types.d.ts").Place} Place */

/**
 * A typed or cut-off address may not be encoded. Then the API says what is wrong with it.
 * @param {string} hash
 */
const decode = (hash) => {
  try {
    return decodeURIComponent(hash)
  } catch {
    return hash
  }
}

/**
 * @param {string} hash
 * @returns {Place}
 */
const placeOf = (hash) => {
  // As it is written: a session may have any name, and its slash is encoded.
  const text = hash.replace(/^#/, "")
  switch (text) {
    case "":
    case "/":
      return { kind: "welcome" }
    case "/all":
      return { kind: "all" }
    case "/due":
      return { kind: "due" }
    case "/administration":
      return { kind: "administration" }
    default:
      return { kind: "session", id: decode(text) }
  }
}

/** @type {Place} */
let current = placeOf(location.hash)
export const place = () => current
/** The current session; undefined in other places. */
export const session = () => (current.kind === "session" ? current.id : undefined)

/** @type {(place: Place) => void} */
let onMove = () => {}
/** @param {(place: Place) => void} listener */
export const whenMoved = (listener) => {
  onMove = listener
}
addEventListener("hashchange", () => {
  current = placeOf(location.hash)
  onMove(current)
})

/** @param {string} id */
export const goTo = (id) => {
  location.hash = encodeURIComponent(id)
}
/** @param {string} id */
export const addressOf = (id) => `#${encodeURIComponent(id)}`
