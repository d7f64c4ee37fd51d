/** The listed files: read page by page, and kept right while answers come late and files change. */
import { isAbort, json, messageOf, Refused, sessionUrl } from "./api.js"
import { place } from "./place.js"

/** @typedef {import("./types.d.ts").ConversationFile} ConversationFile */
/** @typedef {import("./types.d.ts").FilePage} FilePage */
/** @typedef {keyof typeof orders} Order */

/** Files of a page, of one answer, and the most that are sorted in another order than the service's. */
const count = { page: 25, answer: 200, sorted: 1000 }

/** @type {Record<string, ((one: ConversationFile, other: ConversationFile) => number) | undefined>} */
const orders = {
  // The order in which the service sends them.
  newest: undefined,
  oldest: (one, other) => (one.uploadedAt ?? "").localeCompare(other.uploadedAt ?? ""),
  name: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }),
  largest: (one, other) => other.size - one.size,
  smallest: (one, other) => one.size - other.size
}

export const list = {
  /** What the list asks for. */
  deleted: false,
  name: "",
  /** @type {Order} */
  order: "newest",
  /** @type {ReadonlyArray<ConversationFile>} in the order in which they are shown */
  files: [],
  /** @type {string | null} where the next page begins */
  next: null,
  /** @type {string | undefined} why nothing could be read */
  problem: undefined,
  /** Whether the session is somebody else's. */
  isForbidden: false,
  isLoading: false
}

/** @type {Array<(changed?: ConversationFile) => void>} */
const listeners = []
/** @param {(changed?: ConversationFile) => void} listener is told which file was changed here, listed or not */
export const whenListed = (listener) => {
  listeners.push(listener)
}
/** @param {ConversationFile} [changed] */
const onChange = (changed) => {
  for (const listener of listeners) listener(changed)
}

/** How often this page changed files: an answer may be older than such a change. */
let changes = 0
/** How many files the user wants to see. An answer may be on its way that has fewer. */
let wanted = 0
/** The reading that is under way. @type {AbortController | undefined} */
let loading
/** Whether it is that of the list from its beginning. */
let isFromBeginning = false

/**
 * @param {Iterable<ConversationFile>} files
 * @param {ConversationFile} [changed]
 */
const set = (files, changed) => {
  const order = orders[list.order]
  list.files = order === undefined ? [...files] : [...files].sort(order)
  onChange(changed)
}

/**
 * @param {string} [problem] why there is nothing
 * @param {boolean} [isForbidden]
 */
export const empty = (problem, isForbidden = false) => {
  loading?.abort()
  wanted = 0
  list.next = null
  list.problem = problem
  list.isForbidden = isForbidden
  list.isLoading = false
  set([])
}

/**
 * @param {number} limit
 * @param {string | null} after
 * @param {AbortSignal} signal
 * @returns {Promise<FilePage>}
 */
const pageOf = (limit, after, signal) => {
  const here = place()
  const query = new URLSearchParams({ limit: String(limit) })
  if (list.name !== "") query.set("name", list.name)
  if (after !== null) query.set("after", after)
  if (here.kind !== "session") return json(`/api/files?${query}`, { signal })
  query.set("deleted", String(list.deleted))
  return json(sessionUrl(here.id, `/files?${query}`), { signal })
}

/**
 * Reads so many files after `after`, in as many answers as that takes.
 * @param {number} limit
 * @param {string | null} after
 * @param {AbortSignal} signal
 */
const gather = async (limit, after, signal) => {
  /** @type {Array<ConversationFile>} */
  const files = []
  let next = after
  do {
    const page = await pageOf(Math.min(count.answer, limit - files.length), next, signal)
    files.push(...page.files)
    next = page.next
  } while (next !== null && files.length < limit)
  return { files, next }
}

/**
 * Reads again until this page changed nothing meanwhile. A later call replaces an earlier one.
 * @param {number} limit
 * @param {string | null} after
 */
const latest = async (limit, after) => {
  loading?.abort()
  const mine = new AbortController()
  loading = mine
  isFromBeginning = after === null
  try {
    for (;;) {
      const before = changes
      const read = await gather(limit, after, mine.signal)
      mine.signal.throwIfAborted()
      if (changes === before) return read
    }
  } finally {
    if (loading === mine) loading = undefined
  }
}

/** Loads the list again. Quietly: as many files as the user has asked for; those that are shown stay meanwhile. */
export const load = async ({ quietly = false } = {}) => {
  const { kind } = place()
  if (kind !== "session" && kind !== "all") return empty()
  if (!quietly) {
    wanted = 0
    list.isLoading = true
    list.problem = undefined
    list.isForbidden = false
    onChange()
  }
  const least = Math.max(count.page, wanted, quietly ? list.files.length : 0)
  try {
    const { files, next } = await latest(list.order === "newest" ? least : count.sorted, null)
    list.next = next
    list.isLoading = false
    list.problem = undefined
    list.isForbidden = false
    set(files)
  } catch (error) {
    if (isAbort(error)) return
    // Files of another session, or of one the user may no longer see, must not stay in sight.
    empty(messageOf(error), kind === "session" && error instanceof Refused && error.status === 403)
  }
}

/** The page after what is shown. If another reading takes its place, that one has these files too. */
export const loadMore = async () => {
  wanted = list.files.length + count.page
  // That reading knows of a change, and must not end for the sake of the rest.
  if (loading !== undefined && isFromBeginning) return load({ quietly: true })
  const { files, next } = await latest(count.page, list.next)
  const known = new Set(list.files.map(({ fileId }) => fileId))
  list.next = next
  set([...list.files, ...files.filter(({ fileId }) => !known.has(fileId))])
}

// Changes made on this page

/** @param {ReadonlyArray<{ readonly fileId: string }>} gone */
export const takeAway = (gone) => {
  changes += 1
  const ids = new Set(gone.map(({ fileId }) => fileId))
  set(list.files.filter(({ fileId }) => !ids.has(fileId)))
}

/** @param {ConversationFile} file */
const isWanted = (file) => {
  const here = place()
  return (
    (here.kind === "all" || (here.kind === "session" && here.id === file.sessionId)) &&
    (file.deletedAt !== null) === list.deleted &&
    file.name.toLowerCase().includes(list.name.toLowerCase())
  )
}

/**
 * Adds or updates files, if the list would show them. Many at once: the list is drawn for each call.
 * @param {ReadonlyArray<ConversationFile>} given
 */
export const put = (...given) => {
  changes += 1
  const ids = new Set(given.map(({ fileId }) => fileId))
  const others = list.files.filter(({ fileId }) => !ids.has(fileId))
  const place = list.files.findIndex(({ fileId }) => ids.has(fileId))
  set(others.toSpliced(Math.max(0, place), 0, ...given.filter(isWanted)), given[0])
}
