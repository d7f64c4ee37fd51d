/** The resources of search and context. */
import * as Schema from "effect/Schema"
import { FileId } from "../ApiModels.ts"
import { Unreadable } from "./Extracted.ts"
import { policyNames } from "./policies.ts"
import { tokenizers } from "./tokens.ts"

const passage = {
  fileId: Schema.String,
  name: Schema.String,
  /** The number of the passage within its file, from 0. */
  ordinal: Schema.Number,
  text: Schema.String,
  /** The first and the last line, from 1, within the file or within the page. */
  line: Schema.Number,
  endLine: Schema.Number,
  /** The page, slide or sheet, from 1. Null in a file without pages. */
  page: Schema.NullOr(Schema.Number),
  /** By the policy, or by BM25. Compare it only within one answer. */
  score: Schema.Number
}

const Highlights = Schema.Array(Schema.Struct({ start: Schema.Number, end: Schema.Number }))

/** A passage that has words of the search. */
export class FoundPassage extends Schema.Class<FoundPassage>("FoundPassage")({
  ...passage,
  /** Where these words are in `text`: the index of the first character, and of the first one behind them. */
  highlights: Highlights
}) {}

/** A file whose name has words of the search, whatever kind of file it is. */
export class FoundName extends Schema.Class<FoundName>("FoundName")({
  fileId: Schema.String,
  name: Schema.String,
  /** Where these words are in `name`. */
  highlights: Highlights
}) {}

/** Best first. */
export class FoundPassages extends Schema.Class<FoundPassages>("FoundPassages")({
  /** Those with most of the words first, then newest first. Of a large session only its 5,000 newest files. */
  names: Schema.Array(FoundName),
  passages: Schema.Array(FoundPassage),
  /** Files of the session whose text is not extracted yet. */
  waitingFiles: Schema.Number
}) {}

export const PolicyName = Schema.Literal(...policyNames)

export const Tokenizer = Schema.Literal(...tokenizers)

/** What a model is about to answer, and how much it may read before. */
export const ContextRequest = Schema.Struct({
  message: Schema.String.pipe(Schema.maxLength(100_000)),
  /** Tokens of all passages together. */
  budget: Schema.Int.pipe(Schema.between(1, 200_000)),
  tokenizer: Schema.optional(Tokenizer),
  /** Default: that of the session in the experiment that is running, otherwise `diverse`. */
  policy: Schema.optional(PolicyName),
  /** Files that the policy `pinned` takes first. */
  pinned: Schema.optional(Schema.Array(FileId).pipe(Schema.maxItems(100)))
})

export class ContextPassage extends Schema.Class<ContextPassage>("ContextPassage")({
  ...passage,
  tokens: Schema.Number,
  /** Why it was chosen, for people. */
  why: Schema.String
}) {}

/** Passages in the order in which a model should see them. */
export class SessionContext extends Schema.Class<SessionContext>("SessionContext")({
  policy: PolicyName,
  /** The experiment that chose the policy: report to it what became of the passages. Null if none did. */
  experiment: Schema.NullOr(Schema.String),
  /** Report it with what became of the passages: it proves which were given. Null without an experiment. */
  receipt: Schema.NullOr(Schema.String),
  tokenizer: Tokenizer,
  budget: Schema.Number,
  /** Of all passages together; never more than the budget. */
  tokens: Schema.Number,
  passages: Schema.Array(ContextPassage),
  /** Files of the session whose text is not extracted yet. */
  waitingFiles: Schema.Number
}) {}

/** How far the extraction of a file's text is. */
export class TextState extends Schema.Class<TextState>("TextState")({
  fileId: Schema.String,
  /** `unsupported` is a file whose text no reader can take out, such as an image. */
  state: Schema.Literal("queued", "running", "done", "unsupported", "failed", "deleted"),
  /** Why it failed. */
  reason: Schema.NullOr(Unreadable),
  passages: Schema.Number,
  /** Whether the file has more text than is searchable: it is very long, or some pages are damaged. */
  isTruncated: Schema.Boolean
}) {}

export class QueuedTexts extends Schema.Class<QueuedTexts>("QueuedTexts")({ queued: Schema.Number }) {}
