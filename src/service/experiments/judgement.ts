/** What an administrator may conclude from an experiment at this moment. */
import { type Counts, differenceBetween, imbalanceOf, intervalOf } from "./evidence.ts"

/** The probability of a wrong verdict in a whole experiment, however often somebody looks. */
export const alpha = 0.05

/** The same for a wrong alarm that a policy changes who answers. */
const alphaOfBalance = 0.01

/** `unbalanced`: a policy changes who answers, so the rates cannot be compared. */
export type Verdict = "better" | "worse" | "notEnough" | "unbalanced"

/** A policy, compared with the first one. */
export interface Compared {
  readonly verdict: Verdict
  /** The evidence of a difference; 1 for none. */
  readonly evidence: number
}

/** The evidence that a verdict needs. With several policies a wrong one is as rare in all comparisons together. */
export const requiredFor = (policies: number): number => (policies - 1) / alpha

/** Compares the counts of policies with the counts of the first one, for policies with these shares. */
export const comparing = (
  shares: ReadonlyArray<number>
): ((policies: ReadonlyArray<Counts>) => ReadonlyArray<Compared | undefined>) => {
  const total = shares.reduce((sum, share) => sum + share, 0)
  const ofAll = shares.map((share) => share / total)
  const evidenceFor = ofAll.map((share) => differenceBetween(share / (share + (ofAll[0] ?? share))))
  const required = Math.log(requiredFor(shares.length))
  const ofImbalance = Math.log(1 / alphaOfBalance)
  return (policies) => {
    const isUnbalanced =
      imbalanceOf(
        policies.map(({ counted }) => counted),
        ofAll
      ) >= ofImbalance
    return policies.map((policy, at) => {
      const first = policies[0]
      const evidence = at === 0 || first === undefined ? undefined : evidenceFor[at]?.(first, policy)
      if (evidence === undefined || first === undefined) return undefined
      const isMore = policy.helpful * first.counted > first.helpful * policy.counted
      const verdict = evidence < required ? "notEnough" : isMore ? "better" : "worse"
      return {
        verdict: isUnbalanced ? "unbalanced" : verdict,
        // JSON has no larger numbers, and nobody needs them.
        evidence: Math.min(Math.exp(evidence), Number.MAX_SAFE_INTEGER)
      }
    })
  }
}

/** The rate of a policy; null as long as no session counts. Its interval holds however often somebody looks. */
export const rateOf = (counts: Counts) => ({
  rate: counts.counted === 0 ? null : counts.helpful / counts.counted,
  ...intervalOf(counts, alpha)
})
