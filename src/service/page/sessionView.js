/** The head of a session: its owner, whether it is open, and the actions for all of it. */

import { me } from "./account.js"
import { json, Refused, send, sessionUrl } from "./api.js"
import { ask, field } from "./asker.js"
import { box, button, make } from "./dom.js"
import { archive } from "./fileActions.js"
import { load } from "./list.js"
import { menuButton } from "./menu.js"
import { attempt, tell } from "./message.js"
import { session } from "./place.js"
import { announceStorageChange } from "./storageChanges.js"
import { askText } from "./texts.js"
import { bytes, counted, dotted, time } from "./words.js"

/** @typedef {import("./types.d.ts").SessionSummary} SessionSummary */

/** How often the session was asked for. An earlier answer may come later, and is older. */
let asked = 0
/** Milliseconds until it is asked for again, when the service could not answer. */
const untilNextTry = 3000

/** Loads the session. The old one disappears at once, before the answer is there. */
export const showSession = async () => {
  const id = session()
  asked += 1
  const mine = asked
  const isNew = box("session-facts").dataset["session"] !== id
  if (isNew) clear()
  if (id === undefined) return
  box("session-facts").dataset["session"] = id
  /** @type {SessionSummary | undefined} */
  let summary
  try {
    summary = await json(sessionUrl(id))
  } catch (error) {
    // The list of its files shows why.
    const isFinal = error instanceof Refused && error.status >= 400 && error.status < 500 && error.status !== 429
    if (!isFinal) setTimeout(() => mine === asked && showSession(), untilNextTry)
    return
  }
  if (summary !== undefined && mine === asked && session() === id) draw(summary)
}

const clear = () => {
  box("session-facts").replaceChildren()
  box("session-actions").replaceChildren()
  box("session-notice").hidden = true
  box("drop").hidden = session() === undefined
}

let drawn = ""
/** @param {SessionSummary} summary */
const draw = (summary) => {
  const { bytes: size, deletedFiles, endedAt, expiresAt, files, owner, sessionId } = summary
  const isAnothers = owner !== null && owner !== me()?.name
  box("session-facts").replaceChildren(
    ...dotted([
      owner === null ? "nobody’s yet" : isAnothers ? `belongs to ${owner}` : undefined,
      counted(files, "file"),
      bytes(size),
      deletedFiles > 0 ? `${counted(deletedFiles, "deleted file")}` : undefined
    ])
  )
  box("drop").hidden = endedAt !== null
  box("session-notice").hidden = endedAt === null
  if (endedAt !== null) {
    box("session-notice").replaceChildren(
      make(
        "span",
        { className: "wide" },
        "This session ended ",
        time(endedAt),
        ". It takes no files. ",
        ...(expiresAt === null
          ? []
          : ["Its files are deleted ", time(expiresAt), ". They can be restored for some time after that."])
      ),
      button("Reopen", () => attempt(() => change(sessionId, "reopen", "is open again")))
    )
  }
  const now = JSON.stringify([sessionId, endedAt, files + deletedFiles > 0, files > 0, me()?.isAdministrator])
  if (now === drawn && box("session-actions").childElementCount > 0) return
  drawn = now
  const items = [
    ...(files > 0 ? [{ text: "Download all", act: () => attempt(() => archive(sessionId)) }] : []),
    ...(endedAt === null && files + deletedFiles > 0
      ? [{ text: "End the session", act: () => attempt(() => change(sessionId, "end", "has ended")) }]
      : []),
    ...(me()?.isAdministrator === true ? [{ text: "Give it away", act: () => askGift(summary, reload) }] : []),
    ...(files + deletedFiles > 0
      ? [{ text: "Delete all for good", act: () => askEmptying(summary), isDanger: true }]
      : [])
  ]
  box("session-actions").replaceChildren(
    ...(endedAt === null ? [button("New text", () => askText(sessionId))] : []),
    ...(items.length > 0 ? [menuButton(`More for ${sessionId}`, () => items)] : [])
  )
}

const reload = () => {
  showSession()
  load({ quietly: true })
  announceStorageChange()
}

/**
 * @param {string} sessionId
 * @param {"end" | "reopen"} verb
 * @param {string} words
 */
const change = async (sessionId, verb, words) => {
  await send("POST", sessionUrl(sessionId, `/${verb}`))
  tell(`${sessionId} ${words}.`, verb === "end" ? { undo: () => change(sessionId, "reopen", "is open again") } : {})
  reload()
}

/** @param {SessionSummary} summary */
const askEmptying = ({ deletedFiles, files, sessionId }) =>
  ask({
    heading: "Delete all for good?",
    fields: [
      make(
        "p",
        {},
        make("strong", {}, counted(files + deletedFiles, "file")),
        ` of ${sessionId}, the deleted ones too, are gone then. Nobody can restore them.`
      )
    ],
    action: "Delete all for good",
    otherwise: "Keep",
    isDanger: true,
    act: async () => {
      let gone = 0
      let left = 0
      try {
        // The service deletes as many as it can in a few seconds, and says how many remain.
        do {
          const { deleted, remaining } = await send("DELETE", sessionUrl(sessionId, "/files"))
          gone += deleted
          left = remaining
          if (deleted === 0 && left > 0) throw new Error(`${counted(left, "file")} could not be deleted.`)
        } while (left > 0)
      } finally {
        reload()
      }
      tell(`${counted(gone, "file")} of ${sessionId} ${gone === 1 ? "is" : "are"} deleted for good.`)
    },
    backTo: () => box("files-heading")
  })

/**
 * Gives the session to another user.
 * @param {{ readonly sessionId: string, readonly owner: string | null }} session
 * @param {() => void} after
 */
export const askGift = ({ owner, sessionId }, after) => {
  const to = make("input", {
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: false,
    required: true,
    maxLength: 64
  })
  ask({
    heading: "Give it away",
    fields: [make("p", { className: "soft" }, `${sessionId} belongs to ${owner ?? "nobody"}.`), field("New owner", to)],
    action: "Give it away",
    act: async () => {
      const name = to.value.trim()
      if (name === "") throw new Error("Name a user.")
      await send("PUT", sessionUrl(sessionId, "/owner"), { owner: name })
      tell(`${sessionId} belongs to ${name} now.`)
      after()
    }
  })
  to.focus()
}
