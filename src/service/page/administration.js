/** The service for administrators: its history, what is stored, refusals, and the owners of sessions. */

import { me } from "./account.js"
import { isAbort, json, messageOf } from "./api.js"
import { reasonOf } from "./auditWords.js"
import { box, button, facts, make } from "./dom.js"
import { showExperiments } from "./experiments.js"
import { attempt } from "./message.js"
import { addressOf } from "./place.js"
import { askGift } from "./sessionView.js"
import { showPages, table } from "./tables.js"
import { bytes, counted, exact, millis, number, readable, sentence, time } from "./words.js"

/** @typedef {import("./types.d.ts").SessionPage} SessionPage */
/** @typedef {import("./types.d.ts").RefusalPage} RefusalPage */
/** @typedef {import("./types.d.ts").StorageStatistics} StorageStatistics */
/** @typedef {import("./types.d.ts").DatabaseState} DatabaseState */
/** @typedef {import("./types.d.ts").HealthHistory} HealthHistory */

/** The number of this visit. Answers to an earlier one are not shown. */
let visit = 0

export const showAdministration = () => {
  visit += 1
  if (me()?.isAdministrator !== true) {
    box("administration").replaceChildren(make("p", { className: "soft" }, "This is for administrators."))
    return
  }
  box("administration").replaceChildren(
    card("Storage", storage),
    card("Sessions", sessions),
    card("Health since the start", history),
    card("Experiments", (host) => showExperiments(host, table)),
    card("Refusals", refusals),
    card("Database", database)
  )
}

/**
 * A part that is loaded separately: if it fails, the others still show.
 * @param {string} heading
 * @param {(host: HTMLElement) => Promise<void>} fill
 */
const card = (heading, fill) => {
  const host = make("div", {}, make("p", { className: "soft" }, "Loading"))
  const section = make("section", { className: "card" }, make("h3", {}, heading), host)
  const mine = visit
  const load = async () => {
    try {
      await fill(host)
    } catch (error) {
      if (visit !== mine || isAbort(error)) return
      host.replaceChildren(
        make("p", { className: "problem", role: "alert" }, messageOf(error)),
        button("Try again", load, { about: heading.toLowerCase() })
      )
    }
  }
  load()
  return section
}

/** @param {HTMLElement} host */
const storage = async (host) => {
  const figures = /** @type {StorageStatistics} */ (await json("/api/storage"))
  const list = make("dl", {})
  facts(list, [
    ["Files", number(figures.files)],
    ["Deleted, can be restored", number(figures.deletedFiles)],
    ["Sessions", number(figures.sessions)],
    ["Size of all files", bytes(figures.bytes)],
    ["On the disk, equal contents counted once", bytes(figures.storedBytes)],
    ["Free on the disk", figures.freeBytes === null ? "unknown" : bytes(figures.freeBytes)],
    ["Deleted in the next 7 days", number(figures.pendingCleanups)]
  ])
  host.replaceChildren(list)
}

/** @param {HTMLElement} host */
const sessions = (host) =>
  showPages(
    host,
    "All sessions",
    ["Session", "Owner", "Files", "Size", "Changed", "Give away"],
    "There are no sessions.",
    async (after) => {
      const query = new URLSearchParams({ limit: "50", ...(after === undefined ? {} : { after: String(after) }) })
      const page = /** @type {SessionPage} */ (await json(`/api/sessions?${query}`))
      return {
        next: page.next,
        rows: page.sessions.map((session) => [
          make("a", { href: addressOf(session.sessionId) }, session.sessionId),
          session.owner ?? "nobody",
          number(session.files),
          bytes(session.bytes),
          session.changedAt === null ? "unknown" : time(session.changedAt),
          button("Give away", () => askGift(session, () => attempt(() => sessions(host))), {
            about: session.sessionId,
            className: "small"
          })
        ])
      }
    }
  )

/** @param {HTMLElement} host */
const refusals = (host) =>
  showPages(
    host,
    "Refusals",
    ["When", "Who", "From", "Why", "What", "Times"],
    "Nobody was refused anything.",
    async (before) => {
      const query = new URLSearchParams({ limit: "50", ...(before === undefined ? {} : { before: String(before) }) })
      const page = /** @type {RefusalPage} */ (await json(`/api/refusals?${query}`))
      return {
        next: page.next,
        rows: page.refusals.map(({ actor, address, count, minute, path, reason }) => [
          time(minute),
          actor ?? "unknown",
          address,
          reasonOf(reason),
          path,
          number(count)
        ])
      }
    }
  )

/** Several checks may have the same reason. @param {ReadonlyArray<string>} reasons */
const sentencesOf = (reasons) => [...new Set(reasons)].map((reason) => readable(sentence(reason))).join(" ")

const states = { pass: "ready", warn: "ready, with warnings", fail: "not serving" }
/** @param {HTMLElement} host */
const history = async (host) => {
  const { turns } = /** @type {HealthHistory} */ (await json("/api/health/history"))
  const rows = turns.map(({ at, reasons, status }) => [time(at), states[status], sentencesOf(reasons)])
  host.replaceChildren(
    rows.length === 0
      ? make("p", { className: "soft" }, "Nothing has changed since the start.")
      : table("Health since the start", ["When", "State", "Why"], rows)
  )
}

/** @param {HTMLElement} host */
const database = async (host) => {
  const { backups, engine, file, migrations, schemaVersion, sizeBytes, walBytes } = /** @type {DatabaseState} */ (
    await json("/api/database")
  )
  const list = make("dl", {})
  facts(list, [
    [engine === "sqlite" ? "File" : "PostgreSQL", file],
    ["Schema version", schemaVersion ?? "none"],
    ["Size", sizeBytes === null ? "unknown" : bytes(sizeBytes)],
    ...(engine === "sqlite"
      ? [/** @type {const} */ (["Write-ahead log", walBytes === null ? "unknown" : bytes(walBytes)])]
      : [])
  ])
  host.replaceChildren(
    list,
    make("h4", {}, counted(migrations.length, "migration")),
    table(
      "Migrations",
      ["Version", "What", "Applied", "Took"],
      migrations.map(({ appliedAt, description, executionTimeMs, version }) => [
        version,
        description ?? "",
        appliedAt === null ? "unknown" : time(appliedAt),
        executionTimeMs === null ? "" : millis(executionTimeMs)
      ])
    ),
    make("h4", {}, backups === null ? "Backups" : counted(backups.length, "backup")),
    backups === null || backups.length === 0
      ? make(
          "p",
          { className: "soft" },
          backups === null
            ? "The backup directory cannot be read."
            : engine === "sqlite"
              ? "A backup is made before each upgrade."
              : "Backups are made by the server: with pg_dump, or by archiving its WAL."
        )
      : table(
          "Backups",
          ["File", "Size", "Made", "Before the upgrade"],
          backups.map(({ createdAt, file, fromVersion, sizeBytes, toVersion }) => [
            file,
            bytes(sizeBytes),
            exact(createdAt),
            `${fromVersion ?? "no version"} to ${toVersion}`
          ])
        )
  )
}
