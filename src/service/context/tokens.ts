/**
 * How long a passage is for a model. Tokens are counted when a text is extracted, in the process that does that: the
 * table of a tokenizer is large, and loading it would keep requests waiting.
 */
import type { Candidate } from "./Candidate.ts"

export const tokenizers = [
  /** OpenAI's, of GPT-4o and later models: exact. */
  "o200k_base",
  /**
   * UTF-8. A tokenizer that merges pairs of bytes, as nearly all of today's models have, never makes more tokens than
   * there are bytes, so this holds a budget for all of them. It fills about a quarter of it.
   */
  "bytes"
] as const

export type Tokenizer = (typeof tokenizers)[number]

export const usualTokenizer: Tokenizer = "o200k_base"

export const counters: Readonly<Record<Tokenizer, (passage: Candidate) => number>> = {
  o200k_base: ({ tokens }) => tokens,
  bytes: ({ bytes }) => bytes
}
