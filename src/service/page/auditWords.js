/** What happened, in words: who did what with which file, and what was refused. */
import { make } from "./dom.js"
import { time } from "./words.js"

/** @typedef {import("./types.d.ts").AuditEvent} AuditEvent */

/** @type {Readonly<Record<string, readonly [past: string, infinitive: string]>>} */
const actions = {
  upload: ["uploaded", "upload"],
  create: ["wrote", "write"],
  view: ["looked at", "look at"],
  download: ["downloaded", "download"],
  archive: ["downloaded an archive of", "download an archive of"],
  list: ["listed the files", "list the files"],
  rename: ["renamed", "rename"],
  edit: ["changed", "change"],
  change: ["changed", "change"],
  write: ["changed", "change"],
  copy: ["copied", "copy"],
  move: ["moved", "move"],
  delete: ["deleted", "delete"],
  restore: ["restored", "restore"],
  destroy: ["deleted for good", "delete for good"],
  expire: ["changed the expiry of", "change the expiry of"],
  end: ["ended the session", "end the session"],
  reopen: ["reopened the session", "reopen the session"],
  give: ["gave the session away", "give the session away"],
  report: ["reported an answer", "report an answer"],
  audit: ["looked at what happened", "look at what happened"],
  watch: ["followed the changes", "follow the changes"],
  rebuild: ["had the texts extracted again", "have the texts extracted again"],
  experiment: ["changed an experiment", "change an experiment"]
}

/** These are done with a file. Its name is not told where it is somebody else's. */
const aboutFile = new Set(
  "upload create view download rename edit change write copy move delete restore destroy expire".split(" ")
)

/** Why it was refused. @type {Readonly<Record<string, string>>} */
const reasons = {
  Unauthorized: "no valid token",
  Forbidden: "not theirs",
  FileNotFound: "there is no such file",
  FileDeleted: "the file is deleted",
  FileTooLarge: "the file is too large",
  ContentLost: "the content is lost",
  InvalidFileName: "the name is not allowed",
  InvalidUpload: "the upload could not be read",
  PreconditionFailed: "the file had changed meanwhile",
  PreconditionRequired: "the request did not say which version it meant",
  QuotaExceeded: "the quota is used up",
  RangeNotSatisfiable: "the file has no such part",
  SessionEnded: "the session has ended",
  StorageFull: "the disk is full",
  TooManyRequests: "too many requests"
}

/** @param {string | null} reason */
export const reasonOf = (reason) =>
  // A reason unknown here still becomes words: `QuotaExceeded` is `quota exceeded`.
  reasons[reason ?? ""] ??
  (reason ?? "no reason given").replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).toLowerCase()

/** @param {AuditEvent} event */
const isForGood = ({ details }) => details?.includes('"permanently":true') === true

/** @param {AuditEvent} event */
const sentenceOf = (event) => {
  const { action, actor, name, outcome, reason } = event
  const [past, infinitive] = actions[isForGood(event) ? "destroy" : action] ?? [action, action]
  const who = actor ?? "Somebody"
  const what = name === null ? (aboutFile.has(action) ? " a file" : "") : ` ${name}`
  return outcome === "refused" ? `${who} could not ${infinitive}${what}: ${reasonOf(reason)}` : `${who} ${past}${what}`
}

/** @param {AuditEvent} event */
export const eventOf = (event) =>
  make(
    "li",
    { className: event.outcome === "refused" ? "refused" : "" },
    sentenceOf(event),
    " ",
    make("small", {}, time(event.at))
  )
