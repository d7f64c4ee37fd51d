/** What an Effect failed with, in one line: the sentences of all errors in its cause, down to the innermost. */
import * as Cause from "effect/Cause"
import * as Chunk from "effect/Chunk"
import * as Predicate from "effect/Predicate"

export interface Failed {
  /** Every sentence, from the outermost to the innermost. */
  readonly detail: string
  /** What it failed with; several at once as an `AggregateError`. */
  readonly cause: unknown
  /** Each error, and what caused it, in that order. */
  readonly chain: ReadonlyArray<unknown>
}

export const describeCause = (cause: Cause.Cause<unknown>): Failed => {
  const errors = [
    ...new Set([...Chunk.toReadonlyArray(Cause.failures(cause)), ...Chunk.toReadonlyArray(Cause.defects(cause))])
  ]
  const [first] = errors
  return {
    detail: errors.map((error) => sentencesOf(chainOf(error))).join("; ") || "it gave no reason",
    cause: errors.length > 1 ? new AggregateError(errors, "several errors at once") : first,
    chain: errors.flatMap(chainOf)
  }
}

/** An error, and what caused it. A chain of causes may loop. */
export const chainOf = (error: unknown): ReadonlyArray<unknown> => {
  const chain: Array<unknown> = []
  const waiting = [error]
  for (let next = waiting.shift(); next !== undefined && !chain.includes(next); next = waiting.shift()) {
    chain.push(next)
    if (next instanceof AggregateError) waiting.push(...next.errors)
    if (Predicate.hasProperty(next, "cause") && next.cause !== undefined && next.cause !== null)
      waiting.push(next.cause)
    else if (Cause.isUnknownException(next)) waiting.push(next.error)
  }
  return chain
}

const sentencesOf = (chain: ReadonlyArray<unknown>): string => {
  const sentences: Array<string> = []
  for (const error of chain) {
    // It only says that something failed; its cause says what.
    if (Cause.isUnknownException(error) && chain.length > 1) continue
    const sentence = sentenceOf(error)
    if (!sentences.some((said) => said.includes(sentence))) sentences.push(sentence)
  }
  return sentences.join(": ")
}

const sentenceOf = (error: unknown): string => {
  if (error instanceof Error) {
    const tag = Predicate.hasProperty(error, "_tag") && Predicate.isString(error._tag) ? error._tag : error.name
    return error.message === "" || error.message === "An error has occurred" ? `${tag}${factsOf(error)}` : error.message
  }
  return Predicate.isString(error)
    ? error
    : Cause.pretty(Cause.fail(error))
        .replace(/^Error: /, "")
        .split("\n", 1)
        .join("")
}

/** The facts of a tagged error that has no message. */
const factsOf = (error: Error): string => {
  const facts = Object.entries(error).filter(
    ([name, value]) =>
      !["_tag", "name", "message", "cause"].includes(name) && (typeof value !== "object" || value === null)
  )
  return facts.length === 0 ? "" : ` (${facts.map(([name, value]) => `${name}: ${String(value)}`).join(", ")})`
}
