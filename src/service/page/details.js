/** The details of a file: its origin, its hash, when it is deleted, and who did what with it. */
import { fileUrl, json, messageOf, sessionUrl } from "./api.js"
import { eventOf } from "./auditWords.js"
import { box, button, facts, make } from "./dom.js"
import { askExpiry } from "./expiry.js"
import { attempt, tell } from "./message.js"
import { addressOf } from "./place.js"
import { textStateOf } from "./textState.js"
import { bytes, counted, exact, time } from "./words.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */
/** @typedef {import("./types.d.ts").FileDetails} FileDetails */
/** @typedef {import("./types.d.ts").AuditPage} AuditPage */

/** How many events of a session are read to find those of one file. */
const atOnce = { events: 200, pages: 5 }

/**
 * @param {ConversationFile} file
 * @param {() => ConversationFile | undefined} shown what the viewer shows by the time there is an answer
 */
export const showDetails = async (file, shown) => {
  const host = box("details")
  if (host.dataset["fileId"] !== file.fileId || host.childElementCount === 0) {
    host.replaceChildren(make("p", { className: "soft" }, "Loading"))
  }
  host.dataset["fileId"] = file.fileId
  try {
    const details = /** @type {FileDetails} */ (await json(fileUrl(file)))
    if (shown() !== file) return
    const isOpen = host.dataset["drawnFor"] === file.fileId && host.querySelector("details")?.open === true
    host.dataset["drawnFor"] = file.fileId
    host.replaceChildren(...partsOf(details, file))
    const history = host.querySelector("details")
    if (history !== null) history.open = isOpen
  } catch (error) {
    if (shown() === file) host.replaceChildren(make("p", { className: "problem", role: "alert" }, messageOf(error)))
  }
}

/**
 * @param {FileDetails} details
 * @param {ConversationFile} file
 */
const partsOf = (details, file) => {
  const { deletedAt, messageId, metadata, mimeType, sessionId, sha256, size, uploadedAt, uploadedBy } = details
  const about = make("dl", {})
  facts(about, [
    ["Type", mimeType],
    ["Size", size < 1024 ? bytes(size) : `${bytes(size)} (${counted(size, "byte")})`],
    ["Session", make("a", { href: addressOf(sessionId) }, sessionId)],
    ["Uploaded", uploadedAt === null ? "unknown" : exact(uploadedAt)],
    ["By", uploadedBy ?? "unknown"],
    ...(messageId === null ? [] : [/** @type {const} */ (["Message", messageId])]),
    ...(deletedAt === null ? [] : [/** @type {const} */ (["Deleted", exact(deletedAt)])]),
    ["SHA-256", hashOf(sha256)],
    ["Can be searched", textStateOf(file)],
    [deletedAt === null ? "Deleted automatically" : "Gone for good", expiryOf(file)]
  ])
  const given = Object.entries(metadata)
  const facts2 = make("dl", {})
  facts(facts2, given)
  return [about, ...(given.length > 0 ? [make("h3", {}, "Metadata"), facts2] : []), historyOf(file)]
}

/** @param {string} sha256 */
const hashOf = (sha256) =>
  make(
    "span",
    { className: "hash" },
    make("code", {}, sha256),
    button(
      "Copy SHA-256",
      () =>
        attempt(async () => {
          await navigator.clipboard.writeText(sha256)
          tell("The SHA-256 is copied.")
        }),
      { icon: "copy" }
    )
  )

/** @param {ConversationFile} file */
const expiryOf = (file) => {
  const { deletedAt, expiresAt } = file
  const at = expiresAt === null ? "never" : make("span", {}, time(expiresAt), `, on ${exact(expiresAt)}`)
  if (deletedAt !== null) return at
  return make(
    "span",
    {},
    at,
    " ",
    button("Change", () => askExpiry(file), { about: "when it is deleted", className: "small" })
  )
}

/** Who did what, loaded when it is opened. @param {ConversationFile} file */
const historyOf = (file) => {
  const events = make("ol", { className: "events" })
  const note = make("p", { className: "soft", role: "status" })
  const further = button("Look further", () => attempt(() => read()))
  further.hidden = true
  const history = make("details", {}, make("summary", {}, "Who did what"), events, note, further)
  let after = 0
  const read = async () => {
    note.textContent = "Loading"
    for (let page = 0; page < atOnce.pages; page += 1) {
      const query = `/audit?limit=${atOnce.events}&after=${after}`
      const { events: found, next } = /** @type {AuditPage} */ (await json(sessionUrl(file.sessionId, query)))
      events.append(...found.filter(({ fileId }) => fileId === file.fileId).map(eventOf))
      further.hidden = next === null
      if (next === null) break
      after = next
    }
    note.textContent = events.childElementCount > 0 ? "" : "Nothing is on record."
  }
  history.ontoggle = () => {
    if (history.open && events.childElementCount === 0) attempt(read)
  }
  return history
}
