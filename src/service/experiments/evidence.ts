/**
 * What the counts of an experiment show, whenever somebody looks. Usual tests promise their error for one look. Anyone who
 * looks every day, and stops when the difference is "significant", finds one sooner or later where there is none.
 *
 * Each function here gives evidence: the factor by which a bet against "there is no difference" has grown. Without a
 * difference, the bet is fair. So it ever grows by 1 / alpha with a probability of alpha at most (J. Ville, 1939),
 * however often and for whatever reason somebody looks. The bets are mixtures over many possible differences, as in the
 * mixture sequential probability ratio test (H. Robbins, "Statistical methods related to the law of the iterated
 * logarithm", 1970; for experiments on the web R. Johari, L. Pekelis and D. Walsh, "Always valid inference", 2022). They
 * need nothing but counts. Logarithms are natural.
 */

/** Sessions that count, and those among them that were helped. */
export interface Counts {
  readonly counted: number
  readonly helpful: number
}

const logistic = (x: number): number => 1 / (1 + Math.exp(-x))

/** The rates that are tried, as logarithms of odds: from 5 % to 95 %. */
const levels = [-3, -2, -1, 0, 1, 2, 3]

/** The differences that are tried, in both directions. At a rate of 50 % they are from 1 to 32 points. */
const differences = [0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1, 1.5].flatMap((size) => [size, -size])

/**
 * The logarithm of the evidence that two policies are not equally often helpful. `share` is that of the second one among
 * the sessions of both.
 *
 * The bet is on the policy of a session, after its outcome is known: if the policy makes no difference, a helped session
 * has the second policy with the probability `share`, like any other. Whether outcomes depend on each other, on the user
 * or on the day makes no difference: the only chance that counts is the draw of the policy, and that one is ours (P.
 * Grünwald, A. Henzi and T. Lardy, "Anytime-valid tests of conditional independence under model-X", 2024).
 */
export const differenceBetween = (share: number): ((first: Counts, second: Counts) => number) => {
  const bets = levels.flatMap((level) =>
    differences.map((difference) => {
      const first = logistic(level - share * difference)
      const second = logistic(level + (1 - share) * difference)
      const both = (1 - share) * first + share * second
      return {
        firstHelped: Math.log(first / both),
        firstNot: Math.log((1 - first) / (1 - both)),
        secondHelped: Math.log(second / both),
        secondNot: Math.log((1 - second) / (1 - both))
      }
    })
  )
  const logs = new Float64Array(bets.length)
  return (first, second) => {
    for (const [at, { firstHelped, firstNot, secondHelped, secondNot }] of bets.entries()) {
      logs[at] =
        first.helpful * firstHelped +
        (first.counted - first.helpful) * firstNot +
        second.helpful * secondHelped +
        (second.counted - second.helpful) * secondNot
    }
    return logMean(logs)
  }
}

/** The logarithm of the mean, from logarithms. */
const logMean = (logs: Float64Array): number => {
  const most = logs.reduce((one, other) => Math.max(one, other), Number.NEGATIVE_INFINITY)
  return most + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - most), 0) / logs.length)
}

/** How sure the bet against the shares is of itself: so many sessions as if they had been seen. */
const firmness = 100

/**
 * The logarithm of the evidence that the sessions which count are not divided as the shares say. Then a policy changes
 * who answers, and rates of those who answer say nothing (M. Lindon and A. Malek, "Anytime-valid inference for
 * multinomial count data", 2022). The shares add up to 1.
 */
export const imbalanceOf = (counted: ReadonlyArray<number>, shares: ReadonlyArray<number>): number => {
  const total = counted.reduce((sum, count) => sum + count, 0)
  return shares.reduce(
    (sum, share, at) => {
      const count = counted[at] ?? 0
      return sum + logGamma(firmness * share + count) - logGamma(firmness * share) - count * Math.log(share)
    },
    logGamma(firmness) - logGamma(firmness + total)
  )
}

/**
 * An interval for a rate: with a probability of 1 - `alpha` the true rate is in all of the intervals of an experiment,
 * not only in the one somebody looks at. It has the rates that a bet with all others at once does not refute (the
 * beta-binomial mixture of Robbins, 1970; S. Howard, A. Ramdas, J. McAuliffe and J. Sekhon, "Time-uniform Chernoff bounds
 * via nonnegative supermartingales", 2020).
 */
export const intervalOf = ({ counted, helpful }: Counts, alpha: number): { lower: number; upper: number } => {
  const others = logBeta(0.5 + helpful, 0.5 + counted - helpful) - logBeta(0.5, 0.5)
  const isRefuted = (rate: number): boolean =>
    others - times(helpful, Math.log(rate)) - times(counted - helpful, Math.log(1 - rate)) >= Math.log(1 / alpha)
  const rate = counted === 0 ? 0.5 : helpful / counted
  return { lower: edge(0, rate, isRefuted), upper: edge(1, rate, isRefuted) }
}

/** Nothing, times something infinite, is nothing here: a rate of 0 does not refute that nobody was helped. */
const times = (count: number, log: number): number => (count === 0 ? 0 : count * log)

/** Between a rate that may be refuted and one that is not, the one at which that changes. */
const edge = (outside: number, inside: number, isRefuted: (rate: number) => boolean): number => {
  if (!isRefuted(outside)) return outside
  let [refuted, kept] = [outside, inside]
  for (let step = 0; step < 50; step += 1) {
    const middle = (refuted + kept) / 2
    if (isRefuted(middle)) refuted = middle
    else kept = middle
  }
  return refuted
}

const logBeta = (a: number, b: number): number => logGamma(a) + logGamma(b) - logGamma(a + b)

/** The logarithm of the gamma function for positive numbers: Stirling's series, which is exact enough from 7 on. */
const logGamma = (x: number): number => {
  if (x < 7) return logGamma(x + 1) - Math.log(x)
  const inverse = 1 / (x * x)
  const series = (1 / 12 - inverse * (1 / 360 - inverse * (1 / 1260 - inverse / 1680))) / x
  return (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series
}
