/**
 * What must be in a database, and what a start on it must do, in plain words: README's tables as code. It knows nothing
 * of how the library works. What files do to rows it asks SQLite (`reference.ts`).
 */
import type { MigrationFile } from "./files.ts"
import {
  applyAlone,
  compiles,
  hasRows,
  type Image,
  isBlank,
  refusedWithoutRows,
  violatesForeignKeys
} from "./reference.ts"

export interface HistoryRow {
  readonly version: string
  readonly name: string
  readonly status: string
  /** The text that was applied; undefined if somebody changed its checksum by hand. */
  readonly text: string | undefined
  readonly compatibleFrom: number | undefined
}

/** What is in a database. */
export interface Content {
  readonly image: Image
  /** Undefined if there is no history table. */
  readonly history: ReadonlyArray<HistoryRow> | undefined
  readonly userVersion: number
  readonly applicationId: number
  /** Somebody changed an object of the migrations by hand. */
  readonly isDrifted: boolean
}

export const nothing: Content = {
  image: undefined,
  history: undefined,
  userVersion: 0,
  applicationId: 0,
  isDrifted: false
}

export interface StartOptions {
  readonly files: ReadonlyArray<MigrationFile>
  readonly integrity: "schema" | "quick" | "full" | "auto"
  readonly backups: number
  readonly applicationId: number | undefined
}

/** `_tag.reason` of an error. */
export type Refusal = string

export interface Backup {
  readonly from: string
  readonly to: string
  readonly content: Content
}

export interface Expectation {
  /** Empty if the start is ready. Otherwise it is refused for one of these reasons, all of which hold. */
  readonly refusals: ReadonlyArray<Refusal>
  readonly applied: ReadonlyArray<string>
  /** What is in the file afterwards. */
  readonly after: Content
  /** All committed states on the way, first and last included: what a kill may leave. */
  readonly states: ReadonlyArray<Content>
  /** The state that is copied before it changes, and the versions in the copy's name. */
  readonly backup: Backup | undefined
  /** Whether something would be written and no refusal is certain: `status` then says that it is pending. */
  readonly isPending: boolean
}

const idOf = (version: string): number => Number(version)
const textOf = (text: string): string =>
  text
    .replace(/\r\n?/g, "\n")
    .replace(/[ \t]+(?=\n)/g, "")
    .trimEnd()

/** Every reason for which a history does not belong to this program. */
export const historyRefusals = (
  files: ReadonlyArray<MigrationFile>,
  { history = [], userVersion }: Pick<Content, "history" | "userVersion">
): ReadonlyArray<Refusal> => {
  const reasons = new Set<string>()
  const newest = Math.max(-1, ...files.map(({ id }) => id))
  const latest = Math.max(-1, ...history.map(({ version }) => idOf(version)))
  const recorded = new Set(history.map(({ version }) => idOf(version)))
  const shared = history.flatMap((row) =>
    files.filter(({ id }) => id === idOf(row.version)).map((file) => ({ file, row }))
  )
  const isTheirs = ({ file, row }: (typeof shared)[number]) =>
    row.name !== file.name && (row.text === undefined || textOf(row.text) !== textOf(file.text))
  const isStranger = shared.length > 0 ? shared.every(isTheirs) : latest > newest
  if (files.length > 0 && history.length > 0 && isStranger) reasons.add("OtherApplication")
  if (history.some(({ status }) => status !== "completed")) reasons.add("NotCompleted")
  if (recorded.size < history.length) reasons.add("RecordedTwice")
  for (const row of history) {
    const id = idOf(row.version)
    const file = files.find((other) => other.id === id)
    if (file === undefined) {
      const runsOn = row.compatibleFrom !== undefined && row.compatibleFrom <= newest
      if (id > newest && !runsOn) reasons.add("NewerDatabase")
      if (id < newest) reasons.add("Missing")
      continue
    }
    if (row.text === undefined || textOf(row.text) !== textOf(file.text)) reasons.add("Edited")
    if (row.name !== file.name) reasons.add("Renamed")
  }
  if (files.some(({ id }) => id < latest && !recorded.has(id))) reasons.add("Late")
  if (userVersion !== Math.max(0, latest)) {
    reasons.add("VersionMismatch")
    reasons.add("Unrecorded")
  }
  return [...reasons].map((reason) => `HistoryError.${reason}`)
}

/** Files in order, cut where foreign keys change: each part is one transaction. */
const runsOf = (files: ReadonlyArray<MigrationFile>): ReadonlyArray<ReadonlyArray<MigrationFile>> => {
  const runs: Array<Array<MigrationFile>> = []
  for (const file of files) {
    const run = runs.at(-1)
    if (run !== undefined && run[0]?.foreignKeys === file.foreignKeys) run.push(file)
    else runs.push([file])
  }
  return runs
}

/** What a start must do with a database. Another start may have changed it since this one looked. */
export const expectation = (
  content: Content,
  { applicationId, backups, files, integrity }: StartOptions,
  lookedAt: Content = content
): Expectation => {
  const refused = (...refusals: ReadonlyArray<Refusal>): Expectation => ({
    refusals,
    applied: [],
    after: content,
    states: [content],
    backup: undefined,
    isPending: false
  })
  if (applicationId !== undefined && content.applicationId !== 0 && content.applicationId !== applicationId) {
    return refused("ConnectionError.ForeignApplication")
  }
  const untrue = historyRefusals(files, content)
  if (untrue.length > 0) return refused(...untrue)

  const history = content.history ?? []
  const recorded = new Set(history.map(({ version }) => idOf(version)))
  const pending = files.filter(({ id }) => !recorded.has(id))
  const isMarked = applicationId === undefined || applicationId === content.applicationId
  const marked = isMarked ? content : { ...content, applicationId }
  if (pending.length === 0) {
    // A start that writes anything, even only its mark, checks the schema before.
    if (content.isDrifted && !isMarked) return refused("IntegrityError.SchemaDiffers")
    const schema = content.isDrifted ? ["IntegrityError.SchemaDiffers"] : []
    const rows =
      integrity !== "schema" && violatesForeignKeys(content.image) ? ["IntegrityError.ForeignKeyViolations"] : []
    // What this start applied stays applied.
    return { ...refused(...schema, ...rows), after: marked, states: isMarked ? [content] : [content, marked] }
  }

  const isBroken = violatesForeignKeys(content.image)
  if (content.isDrifted) return refused("IntegrityError.SchemaDiffers")

  // What cannot work for any rows is refused before anything is touched. A new database has no such trial.
  const certain = holdsNothing(lookedAt) ? [] : refusedWithoutRows(content.image, pending)
  if (certain.length > 0) {
    return refused(...certain.flatMap((reason) => [`UpgradeError.${reason}`, `IntegrityError.${reason}`]))
  }

  const states: Array<Content> = [content]
  const applied: Array<string> = []
  const runs = runsOf(pending)
  let backup: Backup | undefined
  for (const [index, run] of runs.entries()) {
    const before = states[states.length - 1] ?? content
    let now = before
    let failed: ReadonlyArray<Refusal> = []
    for (const file of run) {
      const outcome = applyAlone(now.image, file)
      if ("refused" in outcome) {
        failed = outcome.refused.map((reason) => `UpgradeError.${reason}`)
        if (isBroken) failed = [...failed, "IntegrityError.ForeignKeyViolations", "UpgradeError.ForeignKeyViolations"]
        break
      }
      now = {
        ...now,
        image: outcome.image,
        history: [
          ...(now.history ?? []),
          {
            version: file.version,
            name: file.name,
            status: "completed",
            text: file.text,
            compatibleFrom: file.compatibleFrom
          }
        ],
        userVersion: file.id,
        applicationId: marked.applicationId
      }
    }
    if (failed.length === 0 && index === runs.length - 1 && !compiles(now.image)) {
      failed = ["UpgradeError.SchemaBroken", "IntegrityError.SchemaBroken"]
    }
    if (failed.length > 0) {
      return {
        refusals: failed,
        applied,
        after: states[states.length - 1] ?? content,
        states,
        backup,
        isPending: true
      }
    }
    // What this start itself put into a new database is not copied.
    if (!holdsNothing(content) && backups > 0) backup ??= backupOf(before, pending)
    states.push(now)
    applied.push(...run.map(({ version }) => version))
  }
  return { refusals: [], applied, after: states[states.length - 1] ?? content, states, backup, isPending: true }
}

/** The first rows that a start changes are copied before. */
const backupOf = (content: Content, pending: ReadonlyArray<MigrationFile>): Backup | undefined => {
  const to = pending[pending.length - 1]?.version
  if (to === undefined || !hasRows(content.image)) return undefined
  return { from: versionOf(content.history ?? []), to, content }
}

export const versionOf = (history: ReadonlyArray<HistoryRow>): string =>
  history.toSorted((one, other) => idOf(other.version) - idOf(one.version))[0]?.version ?? "none"

/** Whether there is neither an object nor a history. */
export const holdsNothing = ({ history, image }: Content): boolean => history === undefined && isBlank(image)
