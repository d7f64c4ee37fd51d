/** The service's state in words: a line, a few sentences, and the result of each check. */
import { bytes, clock, counted, exact, millis, readable, relative, sentence } from "./words.js"

/** @typedef {import("./types.d.ts").Health} Health */
/** @typedef {import("./types.d.ts").HealthCheck} HealthCheck */
/** @typedef {{ readonly text: string, readonly state: "pass" | "warn" | "fail" }} Line */

/** @type {Readonly<Record<string, string>>} */
const names = {
  "sqlite:database": "Database",
  "sqlite:write-lock": "Writing",
  "sqlite:checkpoints": "Checkpoints",
  "postgres:database": "Database",
  "postgres:write-lock": "Writing",
  "storage:contents": "Contents",
  "storage:space": "Free space",
  "redis:limits": "Request limits"
}

/** For users who may not see the service's own messages, which name files. */
/** @type {Readonly<Record<string, string>>} */
const reasons = {
  "WriteError.Busy": "Another process is writing.",
  "WriteError.DiskFull": "The disk is full. Nothing can be uploaded before files are deleted for good.",
  "CheckpointError.Refused": "Uploads take longer.",
  "CheckpointError.NoAnswer": "Uploads take longer.",
  "CheckpointError.Ended": "Uploads take longer.",
  "ContentStore.AlmostFull": "The disk is almost full.",
  "ContentStore.Full": "The disk is full. Nothing can be uploaded before files are deleted for good.",
  "ContentStore.Unknown": "The disk does not tell how much is free.",
  "SharedLimits.NoAnswer": "Redis does not answer. Requests are limited all the same.",
  "ContentStore.Missing": "Some contents are missing.",
  "ContentStore.Damaged": "Some contents are damaged."
}

/** Another process has the lock. It will release it; files can be read meanwhile. */
/** @param {HealthCheck} check */
const isLocked = ({ observedUnit, observedValue }) => observedUnit === "write lock" && observedValue === "Busy"

/** @param {HealthCheck} check */
const problemOf = (check) => {
  const { output, status } = check
  if (status === "pass") return undefined
  if (output === undefined) return "No reason was given."
  const [, pid, name] = (isLocked(check) && /\bprocess (\d+)(?: \(([^)]*)\))?/.exec(output)) || []
  if (pid !== undefined) return `Another process (${name === undefined ? pid : `${pid}, ${name}`}) is writing.`
  // The code of a reason is for programs.
  const isCode = /^[A-Za-z]+\.[A-Za-z]+$/.test(output)
  return isCode ? (reasons[output] ?? "An administrator sees the reason here.") : readable(sentence(output))
}

/** @param {HealthCheck} check */
const foundOf = ({ observedUnit, observedValue }) => {
  if (observedUnit === "bytes") return typeof observedValue === "number" ? bytes(observedValue) : "not known"
  if (observedUnit === "missing contents") return observedValue === 0 ? "none is missing" : `${observedValue} missing`
  if (observedUnit === "write lock") return observedValue === "free" ? "possible" : "not possible at this moment"
  if (observedUnit === "checkpoints") return observedValue === "beside" ? "beside the requests" : "within the requests"
  if (observedUnit === "request limits") {
    return observedValue === "shared" ? "counted together" : "counted by each backend on its own"
  }
  return `${observedUnit} ${observedValue}`
}

/**
 * The repeated checks, without the stages of the start.
 * @param {Health} health
 */
export const liveChecks = ({ checks = {}, startup }) =>
  Object.entries(checks)
    .filter(([id]) => startup?.stages.some((stage) => id.replace(/^[a-z]+:/, "") === stage.name) !== true)
    .flatMap(([id, [check]]) =>
      check === undefined
        ? []
        : [
            {
              id,
              name: names[id] ?? id.replace(/^.*:/, "").replaceAll("-", " "),
              status: check.status,
              time: check.time,
              isLocked: isLocked(check),
              found: foundOf(check),
              problem: problemOf(check)
            }
          ]
    )

/**
 * SQLite's settings, of which most are numbers with a meaning of their own (https://sqlite.org/pragma.html).
 * @type {Readonly<Record<string, ReadonlyArray<string>>>}
 */
const meanings = {
  synchronous: ["off", "normal", "full", "extra"],
  foreign_keys: ["off", "on"],
  trusted_schema: ["off", "on"],
  cell_size_check: ["off", "on"],
  temp_store: ["default", "file", "memory"]
}

/**
 * @param {string} name
 * @param {unknown} value
 */
export const settingOf = (name, value) => {
  const count = Number(value)
  if (name === "busy_timeout") return millis(count)
  if (name === "journal_size_limit") return count < 0 ? "none" : bytes(count)
  if (name === "mmap_size") return count === 0 ? "off" : bytes(count)
  // Below zero it counts 1024 bytes, otherwise pages.
  if (name === "cache_size") return count < 0 ? bytes(-1024 * count) : counted(count, "page")
  return meanings[name]?.[count] ?? String(value)
}

/** @type {Record<"starting" | "leaving" | "stopping" | "gone", Line>} */
const otherwise = {
  starting: { text: "Starting", state: "fail" },
  leaving: { text: "Stopping soon", state: "warn" },
  stopping: { text: "Stopping", state: "fail" },
  gone: { text: "Not reachable", state: "fail" }
}

/**
 * @param {Health} health
 * @returns {Line}
 */
export const lineOf = (health) => {
  if (health.phase !== "open") return otherwise[health.phase] ?? otherwise.gone
  const problems = liveChecks(health).filter(({ status }) => status !== "pass")
  if (problems.length === 0) return { text: "Ready", state: "pass" }
  if (problems.every(({ isLocked }) => isLocked)) return { text: "Ready, waiting to write", state: "warn" }
  return problems.some(({ status }) => status === "fail")
    ? { text: "Not serving files", state: "fail" }
    : { text: "Ready, with warnings", state: "warn" }
}

/**
 * @param {Health} health
 * @param {Date | undefined} lastAnswer
 */
export const detailOf = (health, lastAnswer) => {
  const { attempts = 1, phase, since, stage, startup } = health
  switch (phase) {
    case "open": {
      const problems = liveChecks(health).filter(({ status }) => status !== "pass")
      if (problems.length > 0) return problems.map(({ name, problem }) => `${name}: ${problem}`).join("\n")
      if (startup === undefined) return ""
      return `Everything is as it should be. The service was ready ${millis(startup.durationMs)} after its start on ${exact(startup.startedAt)}. Schema version ${health.schemaVersion ?? "none"}.`
    }
    case "starting": {
      const begun =
        startup === undefined ? "The service is starting." : `The start began at ${clock(startup.startedAt)}.`
      if (stage === undefined || since === undefined) return begun
      const tries = attempts > 1 ? ` This is attempt ${attempts}.` : ""
      return `${begun} The stage ${stage} began ${relative(since)}.${tries} No file is served before the database is ready.`
    }
    case "leaving":
      return "The service is about to stop. It still answers."
    case "stopping":
      return "The service is stopping. It finishes the requests that it has, and takes no new ones."
    default:
      return lastAnswer === undefined
        ? "No answer yet. The page asks again every second."
        : `The last answer came at ${clock(lastAnswer)}. The page asks again every second.`
  }
}
