/** Judges whether the live schema is the one that its migrations make. Uses only its arguments. */
import { IntegrityError } from "../IntegrityError.ts"
import type { Verdict } from "./HistoryJudgement.ts"
import { divideRepeated } from "./RepeatableRecord.ts"
import {
  differenceOf,
  divideBy,
  fingerprintOf,
  isAccepted,
  joinFingerprints,
  namesIn,
  type SchemaObject,
  titleOf,
  withoutExtra
} from "./SchemaFingerprint.ts"

/** How the live schema relates to the one that the migrations make. */
export interface SchemaState {
  /** SHA-256 of the schema's objects, without those that no migration made. */
  readonly fingerprint: string
  /** Objects that no migration made. */
  readonly extra: ReadonlyArray<string>
}

/** The judgement, where it takes what the migrations make in an empty database. */
export type Compare = (expected: ReadonlyArray<SchemaObject>) => SchemaState | IntegrityError

/**
 * Compares the live schema with the one that the applied migrations make. First by the fingerprint that was kept with
 * the newest of them; if it differs or was never kept, by replaying them. Objects that others added need no replay if
 * the names of ours were kept. What repeatable migrations made is compared with what the history keeps of it.
 */
export const judgeSchema = (
  verdict: Pick<Verdict, "ahead" | "fingerprint" | "ours" | "repeatables">,
  live: ReadonlyArray<SchemaObject>
): SchemaState | IntegrityError | Compare => {
  const { recorded } = verdict.repeatables
  const { expected, others, repeated } = divideRepeated(recorded, live)
  const difference = differenceOf(expected, repeated)
  if (recorded.areMade && !isAccepted(difference)) return IntegrityError.schemaDiffers(difference)
  const joined = (numbered: SchemaState | IntegrityError): SchemaState | IntegrityError =>
    numbered instanceof IntegrityError
      ? numbered
      : { extra: numbered.extra, fingerprint: joinFingerprints(numbered.fingerprint, repeated) }
  const numbered = judgeNumbered(verdict, others)
  return typeof numbered === "function" ? (expected) => joined(numbered(expected)) : joined(numbered)
}

const judgeNumbered = (
  { ahead, fingerprint, ours }: Pick<Verdict, "ahead" | "fingerprint" | "ours">,
  live: ReadonlyArray<SchemaObject>
): SchemaState | IntegrityError | Compare => {
  const found = fingerprintOf(live)
  if (found === fingerprint) return { fingerprint: found, extra: [] }
  const known = ours === undefined ? undefined : divideBy(namesIn(ours), live)
  if (known !== undefined && fingerprintOf(known.ours) === fingerprint) {
    return { fingerprint, extra: known.extra.map(titleOf) }
  }
  if (ahead.length === 0) return (expected) => compareSchemas(expected, live)
  return IntegrityError.found("SchemaDiffers", [
    `it is not as the newer program left it; its migrations ${ahead.join(", ")} are not here to compare with`
  ])
}

export const compareSchemas = (
  expected: ReadonlyArray<SchemaObject>,
  live: ReadonlyArray<SchemaObject>
): SchemaState | IntegrityError => {
  const difference = differenceOf(expected, live)
  return isAccepted(difference)
    ? { fingerprint: fingerprintOf(withoutExtra(expected, live)), extra: difference.extra }
    : IntegrityError.schemaDiffers(difference)
}
