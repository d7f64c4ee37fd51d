/** Whether what is in a file can be searched, and why not. */
import { fileUrl, json, messageOf } from "./api.js"
import { make, say } from "./dom.js"
import { number } from "./words.js"

/** @typedef {import("./types.d.ts").TextState} TextState */

/** Milliseconds between two looks at a file that is not read yet. */
const betweenLooks = 1000

/** @type {Readonly<Record<NonNullable<TextState["reason"]>, string>>} */
const reasons = {
  Encrypted: "it needs a password",
  Malformed: "it is damaged, or is not what its name says",
  TooLarge: "it is too large",
  Lost: "its content is not on the disk",
  TimedOut: "reading it took too long",
  OutOfMemory: "reading it took too much memory",
  Crashed: "reading it failed",
  Interrupted: "the service stopped several times while it was read"
}

/** @param {TextState} state */
export const wordsOfState = ({ isTruncated, passages, reason, state }) => {
  switch (state) {
    case "queued":
      return "waits to be read"
    case "running":
      return "is being read"
    case "done":
      if (passages === 0) return isTruncated ? "no, no text in it can be read" : "no, it has no text"
      return isTruncated ? `yes, but not all of it: ${number(passages)} passages` : "yes"
    case "unsupported":
      return "no, files of this kind have no text"
    case "deleted":
      return "no, it is deleted"
    case "failed":
      return `no, ${reason === null ? "it cannot be read" : reasons[reason]}`
  }
}

/**
 * An element that says it, and looks again as long as the file waits and the element is shown.
 * @param {{ readonly fileId: string }} file
 */
export const textStateOf = (file) => {
  const host = make("span", { id: "text-state", role: "status" }, "Loading")
  const look = async () => {
    try {
      const state = /** @type {TextState} */ (await json(fileUrl(file, "/text")))
      say(host, wordsOfState(state))
      if (state.state !== "queued" && state.state !== "running") return
      setTimeout(() => {
        if (host.isConnected) look()
      }, betweenLooks)
    } catch (error) {
      say(host, messageOf(error))
    }
  }
  look()
  return host
}
