/** Fills a budget with passages. */
import type { Candidate, Chosen, Policy, Question, Ranked } from "./Candidate.ts"

/** How many passages in a row may be too long for the rest of the budget before no more are tried. */
const mostMisses = 20

/**
 * Takes passages in their order. One that does not fit is left out, because a shorter one may. Gives nothing after each
 * passage that was tried, so that the reader can let others have their turn, and what was taken in the end.
 */
export function* filling(
  ranked: Iterable<Ranked | undefined>,
  { budget, countTokens }: Question
): Generator<undefined, ReadonlyArray<Chosen>> {
  const chosen: Array<Chosen> = []
  let left = budget
  let misses = 0
  for (const one of ranked) {
    if (one === undefined) {
      yield undefined
      continue
    }
    if (left <= 0 || misses === mostMisses) break
    const tokens = countTokens(one.candidate)
    if (tokens > left) misses += 1
    else {
      misses = 0
      left -= tokens
      chosen.push({ ...one, tokens })
    }
    yield undefined
  }
  return chosen
}

/** What a policy chooses within the budget, all at once. */
export const chooseBy = (
  { rank }: Policy,
  candidates: ReadonlyArray<Candidate>,
  question: Question
): ReadonlyArray<Chosen> => {
  const steps = filling(rank(candidates, question), question)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}
