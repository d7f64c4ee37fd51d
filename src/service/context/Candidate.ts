/** What a policy chooses from, and what it chooses. */
import type { Place } from "./passages.ts"
import type { TermCounts } from "./termCounts.ts"

/** A passage that may be shown to a model. Its text is read only if it is chosen: that is a tenth of the candidates. */
export interface Candidate {
  readonly passageId: number
  readonly fileId: string
  readonly filename: string
  /** Its number within the file, from 0. */
  readonly ordinal: number
  /** How many passages the file has. */
  readonly passagesOfFile: number
  /** How often the passage has each of its terms. */
  readonly terms: TermCounts
  /** In terms. */
  readonly length: number
  /** By the tokenizer `o200k_base`. */
  readonly tokens: number
  /** Of its text in UTF-8. */
  readonly bytes: number
  readonly place: Place
  /** Milliseconds since 1970. */
  readonly uploadedAt: number
}

/** What is known of all passages of the session, not only of the candidates. */
export interface Collection {
  readonly passages: number
  /** Terms in all passages. */
  readonly terms: number
  /** In how many passages a term of the question is. */
  readonly passagesWith: ReadonlyMap<string, number>
}

export interface Question {
  /** Each term of the message once, in their order. */
  readonly terms: ReadonlyArray<string>
  /** In tokens. */
  readonly budget: number
  readonly countTokens: (passage: Candidate) => number
  readonly collection: Collection
  /** Files that the caller wants to be there, most wanted first. */
  readonly pinned: ReadonlyArray<string>
}

/** A candidate in the order of a policy, with the reason for its place. */
export interface Ranked {
  readonly candidate: Candidate
  readonly score: number
  readonly why: string
}

export interface Chosen extends Ranked {
  readonly tokens: number
}

/**
 * Ranks passages for a question, best first: candidates only, each once. For the same candidates, in any order, and the
 * same question the order is the same. It is read only until the budget is full, and others get their turn meanwhile: so
 * what takes long is done when the next one is asked for, and gives undefined in between.
 */
export interface Policy {
  readonly from: ReadonlyArray<Source>
  readonly rank: (candidates: ReadonlyArray<Candidate>, question: Question) => Iterable<Ranked | undefined>
}

/**
 * Where candidates come from: the passages that match the question, all of the files that match best, all of the newest
 * files, all of the pinned ones, all of those that the message names.
 */
export type Source = "matching" | "matchingFiles" | "namedFiles" | "newestFiles" | "pinnedFiles"

/** The order of passages that are equally good. */
export const byPlace = (one: Candidate, other: Candidate): number =>
  one.fileId < other.fileId ? -1 : one.fileId > other.fileId ? 1 : one.ordinal - other.ordinal

/** Best first. */
export const byScore = (one: Ranked, other: Ranked): number =>
  other.score - one.score || byPlace(one.candidate, other.candidate)
