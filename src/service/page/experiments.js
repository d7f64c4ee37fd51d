/** The experiments for administrators: what each policy shows so far, and whether that is enough. */
import { json } from "./api.js"
import { make } from "./dom.js"
import { exact, number } from "./words.js"

/** @typedef {import("./types.d.ts").ExperimentPage} ExperimentPage */
/** @typedef {import("./types.d.ts").ExperimentResult} ExperimentResult */
/** @typedef {ExperimentResult["policies"][number]} PolicyResult */
/** @typedef {(label: string, columns: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<import("./dom.js").Child>>) => HTMLElement} Table */

/** How many of the last experiments are shown. */
const most = 10

const states = { planned: "begins", running: "runs until", ended: "ended" }

/** @type {Readonly<Record<NonNullable<PolicyResult["verdict"]>, string>>} */
const verdicts = {
  better: "better",
  worse: "worse",
  notEnough: "not enough yet",
  unbalanced: "cannot be compared: it changes which sessions are answered"
}

/**
 * @param {HTMLElement} host
 * @param {Table} table
 */
export const showExperiments = async (host, table) => {
  const { experiments } = /** @type {ExperimentPage} */ (await json(`/api/experiments?limit=${most}`))
  const results = /** @type {ReadonlyArray<ExperimentResult>} */ (
    await Promise.all(experiments.map(({ name }) => json(`/api/experiments/${encodeURIComponent(name)}`)))
  )
  if (results.length === 0) return host.replaceChildren(make("p", { className: "soft" }, "There are no experiments."))
  host.replaceChildren(
    make(
      "p",
      { className: "soft" },
      "A session is helped if a passage of its first answer was helpful. Each policy is compared with the first. ",
      "These verdicts and intervals (95 %) hold however often you look."
    ),
    ...results.flatMap((result) => partsOf(result, table))
  )
}

/**
 * @param {ExperimentResult} result
 * @param {Table} table
 */
const partsOf = ({ endsAt, name, policies, startsAt, state }, table) => [
  make("h4", {}, name),
  make("p", { className: "soft" }, `${states[state]} ${exact(state === "planned" ? startsAt : endsAt)}`),
  table(
    `Experiment ${name}`,
    ["Policy", "Share", "Sessions", "Reported", "Helped", "Rate", "Compared", "Passages"],
    policies.map((policy) => [
      policy.policy,
      `${policy.share} %`,
      number(policy.sessions),
      number(policy.countedSessions),
      number(policy.helpfulSessions),
      rateOf(policy),
      policy.verdict === null ? "the first" : verdicts[policy.verdict],
      passagesOf(policy)
    ])
  )
]

/** @param {PolicyResult} policy */
const passagesOf = ({ passages: { helpful, ignored, used } }) =>
  `${number(helpful)} helpful, ${number(used)} used, ${number(ignored)} ignored`

/** @param {number} share */
const percent = (share) => `${Math.round(1000 * share) / 10} %`

/** @param {PolicyResult} policy */
const rateOf = ({ lower, rate, upper }) =>
  rate === null ? "none yet" : `${percent(rate)} (${percent(lower)} to ${percent(upper)})`
