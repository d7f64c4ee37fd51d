/**
 * Which policy is better, measured on the labelled set in `questions`: how often the answer is among what a model is
 * shown, and how much of that is needless. The service's README has the table; this test makes it again and compares.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import type { Candidate, Collection } from "../../src/service/context/Candidate.ts"
import { chooseBy } from "../../src/service/context/fill.ts"
import { passagesOf } from "../../src/service/context/passages.ts"
import { candidatesFor, type PolicyName, policies } from "../../src/service/context/policies.ts"
import { readHtml } from "../../src/service/context/readers/html.ts"
import { counters } from "../../src/service/context/tokens.ts"
import { countedTermsOf, termsOf } from "../../src/service/context/words.ts"
import { files, type LabelledQuestion, questions } from "./questions/corpus.ts"

const day = 24 * 60 * 60 * 1000

type Written = Candidate & { readonly text: string }

const candidates: ReadonlyArray<Written> = files.flatMap(({ day: uploaded, name, text }) => {
  const sections = name.endsWith(".html") ? readHtml(Buffer.from(text)) : [{ text, page: null }]
  const passages = passagesOf(sections)
  return passages.map((passage, ordinal) => ({
    passageId: ordinal,
    fileId: name,
    filename: name,
    ordinal,
    passagesOfFile: passages.length,
    ...passage,
    ...countedTermsOf(passage.text),
    tokens: countTokens(passage.text),
    bytes: Buffer.byteLength(passage.text),
    uploadedAt: uploaded * day
  }))
})

const textOf = new Map<Candidate, string>(candidates.map((candidate) => [candidate, candidate.text]))

const termSets = new Map<Candidate, ReadonlySet<string>>(
  candidates.map((candidate) => [candidate, new Set(termsOf(candidate.text))])
)

const passagesWith = new Map<string, number>()
for (const terms of termSets.values()) {
  for (const term of terms) passagesWith.set(term, (passagesWith.get(term) ?? 0) + 1)
}

const collection: Collection = {
  passages: candidates.length,
  terms: candidates.reduce((sum, { text }) => sum + termsOf(text).length, 0),
  passagesWith
}

const isAnswer = ({ answer }: LabelledQuestion, text: string): boolean => text.includes(answer)

/** As the service does: so many passages that have rare words of the question. */
const matching = ({ message }: LabelledQuestion, limit: number): ReadonlyArray<Candidate> => {
  const asked = [...new Set(termsOf(message))].filter((term) => (passagesWith.get(term) ?? 0) * 2 <= candidates.length)
  const weightOf = (candidate: Candidate) =>
    asked.reduce((sum, term) => {
      const isThere = termSets.get(candidate)?.has(term) === true
      return isThere ? sum + Math.log(candidates.length / (passagesWith.get(term) ?? 1)) : sum
    }, 0)
  return candidates
    .map((candidate) => ({ candidate, weight: weightOf(candidate) }))
    .filter(({ weight }) => weight > 0)
    .sort((one, other) => other.weight - one.weight)
    .slice(0, limit)
    .map(({ candidate }) => candidate)
}

/** What a policy chooses from: all of the newest files, or what matches, or all of the files that match best. */
const sourceFor = (policy: PolicyName, question: LabelledQuestion, budget: number): ReadonlyArray<Candidate> => {
  if (policy === "newest") return candidates
  const found = matching(question, candidatesFor(policy, budget))
  if (policy !== "whole") return found
  const best = new Set([...new Set(found.map(({ fileId }) => fileId))].slice(0, 20))
  return [...new Set([...found, ...candidates.filter(({ fileId }) => best.has(fileId))])]
}

const shown = (policy: PolicyName, question: LabelledQuestion, budget: number) =>
  chooseBy(policies[policy], sourceFor(policy, question, budget), {
    terms: [...new Set(termsOf(question.message))],
    budget,
    countTokens: counters.o200k_base,
    collection,
    pinned: []
  })

/** Wilson's interval for a share, at 95 %. */
const wilson = (hits: number, of: number): readonly [number, number] => {
  const z = 1.96
  const share = hits / of
  const middle = share + (z * z) / (2 * of)
  const half = z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of))
  return [(middle - half) / (1 + (z * z) / of), (middle + half) / (1 + (z * z) / of)]
}

const percent = (share: number): string => `${Math.round(100 * share)}`

const measured = (policy: PolicyName, budget: number) => {
  const found = questions.map((question) => {
    const chosen = shown(policy, question, budget)
    const relevant = chosen.filter(({ candidate }) => isAnswer(question, textOf.get(candidate) ?? ""))
    return { isFound: relevant.length > 0, precision: chosen.length === 0 ? 0 : relevant.length / chosen.length }
  })
  const hits = found.filter(({ isFound }) => isFound).length
  const [low, high] = wilson(hits, found.length)
  const precision = found.reduce((sum, { precision }) => sum + precision, 0) / found.length
  const spread = Math.sqrt(
    found.reduce((sum, one) => sum + (one.precision - precision) ** 2, 0) / (found.length - 1) / found.length
  )
  return `${percent(hits / found.length)} (${percent(low)}–${percent(high)}), ${(100 * precision).toFixed(1)} ± ${(196 * spread).toFixed(1)}`
}

const names: ReadonlyArray<PolicyName> = ["diverse", "relevant", "whole", "newest"]
const budgets = [1000, 4000, 16_000]

const table = () =>
  [
    "| policy | within 1,000 tokens | within 4,000 | within 16,000 |",
    "| --- | --- | --- | --- |",
    ...names.map((name) => `| \`${name}\` | ${budgets.map((budget) => measured(name, budget)).join(" | ")} |`)
  ].join("\n")

describe("the labelled set", () => {
  it("has at least 60 questions about at least 150 files of ten kinds, each with its answer in one passage", () => {
    assert.isAtLeast(questions.length, 60)
    assert.isAtLeast(files.length, 150)
    assert.strictEqual(new Set(files.map(({ name }) => name.slice(name.indexOf("-")))).size, 10)
    assert.strictEqual(new Set(files.map(({ name }) => name)).size, files.length)
    for (const question of questions) {
      assert.strictEqual(candidates.filter(({ text }) => isAnswer(question, text)).length, 1, question.message)
    }
  })
})

describe("the table of recall and precision", () => {
  it("in the service's README is what is measured", () => {
    const page = readFileSync(join(import.meta.dirname, "../../src/service/README.md"), "utf8")
    assert.strictEqual(/^\| policy \| within.*(?:\n\|.*)*/m.exec(page)?.[0], table())
  })
})
