/** What a process that extracts texts is asked, and what it answers. It reads hostile files, so nothing is believed. */
import * as Schema from "effect/Schema"
import { kinds } from "./kinds.ts"

/** Why there is no text, or not all of it. */
export const Unreadable = Schema.Literal(
  /** It needs a password. */
  "Encrypted",
  /** It is not what its type or its name says, or it is damaged. */
  "Malformed",
  /** It has more bytes than are read, or grows to more. */
  "TooLarge",
  /** The content is not on the disk as it was stored. */
  "Lost",
  /** Reading it took too long. */
  "TimedOut",
  /** Reading it took too much memory. */
  "OutOfMemory",
  /** Reading it ended the process. */
  "Crashed",
  /** The service ended several times while it was read. */
  "Interrupted"
)

export type Unreadable = typeof Unreadable.Type

export const Task = Schema.Struct({ path: Schema.String, kind: Schema.Literal(...kinds) })

export type Task = typeof Task.Type

/** A passage with its terms, separated by blanks. */
export const IndexedPassage = Schema.Struct({
  text: Schema.String,
  line: Schema.Int,
  endLine: Schema.Int,
  page: Schema.NullOr(Schema.Int),
  /** By the tokenizer `o200k_base`. */
  tokens: Schema.Int,
  terms: Schema.String,
  count: Schema.Int,
  /** How often each term is there: the bytes of `termCounts.ts`, in hexadecimal. */
  counts: Schema.String.pipe(Schema.pattern(/^(?:[0-9a-f]{10})*$/))
})

export type IndexedPassage = typeof IndexedPassage.Type

export const Message = Schema.Union(
  Schema.TaggedStruct("Passages", { passages: Schema.Array(IndexedPassage) }),
  Schema.TaggedStruct("Done", { isTruncated: Schema.Boolean }),
  Schema.TaggedStruct("Failed", { reason: Unreadable })
)

export type Message = typeof Message.Type

/** A file with more passages is searchable up to there: about 2 MB of text. */
export const mostPassages = 2000

/** Passages in one message, and in one transaction: either takes some milliseconds, in which nothing is answered. */
export const batch = 20
