/** How new a file is, compared with the newest one: the time at which somebody asks makes no difference. */
import type { Candidate } from "./Candidate.ts"

/** After a week a file counts half. */
const halfLife = 7 * 24 * 60 * 60 * 1000

/** A function that gives 1 for the newest of the candidates, and less the older a candidate is. */
export const recencyAmong = (candidates: ReadonlyArray<Candidate>) => {
  const latest = candidates.reduce((time, { uploadedAt }) => Math.max(time, uploadedAt), Number.NEGATIVE_INFINITY)
  return ({ uploadedAt }: Candidate): number => 2 ** ((uploadedAt - latest) / halfLife)
}
