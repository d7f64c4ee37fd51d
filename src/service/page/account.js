/** Who is signed in, their account, and signing in and out. */
import { authorization, hasToken, isCurrent, json, keepToken, messageOf, Refused, whenTokenIsUnknown } from "./api.js"
import { box, buttonAt, form, input, make, say } from "./dom.js"
import { focusHeading } from "./focus.js"
import { tell } from "./message.js"
import { hasUnsavedText } from "./unsaved.js"
import { bytes, counted, number } from "./words.js"

/** @typedef {import("./types.d.ts").Me} Me */

const notice = "notice"

/** @type {Me | undefined} */
let user
export const me = () => user

/** @type {() => void} */
let onEntry = () => {}
/** @param {() => void} listener is called once, when a user is let in */
export const whenIn = (listener) => {
  onEntry = listener
}

/** @param {"identify" | "wait" | undefined} card */
const showCard = (card) => {
  for (const id of ["identify", "wait"]) box(id).hidden = id !== card
}

/** @param {string} problem */
const askForToken = (problem) => {
  const isNew = box("identify").hidden
  showCard("identify")
  say(box("token-problem"), problem)
  if (isNew) input("token").focus()
}

/** Milliseconds until it is asked again, after the tries of one request. */
const pause = 1000
/** @type {ReturnType<typeof setTimeout> | undefined} */
let next

/** Asks who this is, until somebody knows. A user who is let in stays in until they sign out. */
export const enter = async () => {
  clearTimeout(next)
  if (user !== undefined) return
  const asked = authorization()["authorization"]
  try {
    const answer = /** @type {Me} */ (await json("/api/me"))
    // Another token was given meanwhile, or the same answer has come already.
    if (user !== undefined || asked !== authorization()["authorization"]) return
    user = answer
  } catch (error) {
    const isUnknown = error instanceof Refused && error.status === 401
    if (user !== undefined || isUnknown || asked !== authorization()["authorization"]) return
    showCard("wait")
    // A service without accounts serves only its own machine, and says so.
    if (error instanceof Refused && error.status === 403) say(box("wait"), error.message)
    else next = setTimeout(enter, pause)
    return
  }
  sessionStorage.removeItem(notice)
  showCard(undefined)
  box("side").hidden = false
  box("account").hidden = false
  buttonAt("sign-out").hidden = !hasToken()
  say(box("who"), user.isAdministrator ? `${user.name}, administrator` : user.name)
  box("administration-link").hidden = !user.isAdministrator
  showUsage()
  onEntry()
}

const showUsage = () => {
  if (user === undefined) return
  const { quota, usage } = user
  const lines = [
    make("p", {}, `You store ${counted(usage.files, "file")}, ${bytes(usage.bytes)}.`),
    ...shareOf("Space", usage.bytes, quota.bytes, bytes),
    ...shareOf("Files", usage.files, quota.files, number)
  ]
  box("usage").replaceChildren(...lines)
  box("usage").hidden = false
}

/**
 * @param {string} name
 * @param {number} used
 * @param {number | null} most
 * @param {(value: number) => string} inWords
 */
const shareOf = (name, used, most, inWords) =>
  most === null
    ? []
    : [
        make("progress", { max: Math.max(1, most), value: Math.min(used, most), ariaLabel: `${name} used` }),
        make("p", { className: "soft" }, `${inWords(used)} of ${inWords(most)}`)
      ]

/** What is stored has changed. */
export const refreshUsage = async () => {
  user = /** @type {Me} */ (await json("/api/me"))
  showUsage()
}

/**
 * Leaves nothing of one user for the next: reloads the page without the session in its address.
 * @param {string} [reason]
 */
export const signOut = (reason) => {
  keepToken("")
  document.body.hidden = true
  // Uploads that are still running would ask whether to leave.
  dispatchEvent(new Event("signedout"))
  if (reason === undefined) sessionStorage.removeItem(notice)
  else sessionStorage.setItem(notice, reason)
  history.replaceState(null, "", "/")
  location.reload()
}

const unknown = "The service does not know your token any more."

whenTokenIsUnknown(() => {
  if (user !== undefined && hasUnsavedText()) {
    return tell(`${unknown} Copy the text that you wrote. Then close it and sign in again.`, { isProblem: true })
  }
  if (user !== undefined) return signOut(`${unknown} Sign in again.`)
  // Without a token there is nothing new to say: what was said of the last one stays.
  const said = sessionStorage.getItem(notice) ?? box("token-problem").textContent ?? ""
  const problem = hasToken() ? "The service does not know this token." : said
  keepToken("")
  askForToken(problem)
})

form("identify").onsubmit = async (event) => {
  event.preventDefault()
  keepToken(input("token").value.trim())
  say(box("token-problem"), "")
  try {
    await enter()
  } catch (error) {
    say(box("token-problem"), messageOf(error))
  }
  if (user === undefined) return
  input("token").value = ""
  focusHeading()
}
buttonAt("sign-out").onclick = () => signOut()
addEventListener("pageshow", ({ persisted }) => {
  if (persisted && !isCurrent()) location.reload()
})
