/** Fills a budget with passages. */
import type { Chosen, Question, Ranked } from "./Candidate.ts"

/** How many passages in a row may be too long for the rest of the budget before no more are tried. */
const mostMisses = 20

/** Takes passages in their order. One that does not fit is left out, because a shorter one may. */
export const fill = (ranked: Iterable<Ranked>, { budget, countTokens }: Question): ReadonlyArray<Chosen> => {
  const chosen: Array<Chosen> = []
  let left = budget
  let misses = 0
  for (const one of ranked) {
    if (left <= 0 || misses === mostMisses) break
    const tokens = countTokens(one.candidate)
    if (tokens > left) {
      misses += 1
      continue
    }
    misses = 0
    left -= tokens
    chosen.push({ ...one, tokens })
  }
  return chosen
}
