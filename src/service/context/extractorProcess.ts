/**
 * A process of its own that takes the text out of one file after the other. A hostile file can end it, or has to be
 * ended with it; the service goes on. It has no environment, so no secrets.
 */
import { open } from "node:fs/promises"
import { constants, setPriority } from "node:os"
import { toUSVString } from "node:util"
import { Worker } from "node:worker_threads"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { batch, type IndexedPassage, type Message, mostPassages, Task } from "./Extracted.ts"
import { type Passage, passagesIn, type Section } from "./passages.ts"
import { readHtml } from "./readers/html.ts"
import { readDocument } from "./readers/openDocument.ts"
import { readPdf } from "./readers/pdf.ts"
import { readSheets } from "./readers/sheets.ts"
import { readSlides } from "./readers/slides.ts"
import { readText } from "./readers/text.ts"
import { UnreadableFile } from "./readers/UnreadableFile.ts"
import { readWord } from "./readers/word.ts"
import { countsOf } from "./termCounts.ts"
import { termsOf } from "./words.ts"

/** Names of special tokens in a file are ordinary text. */
const tokensOf = (text: string): number => countTokens(text, { disallowedSpecial: new Set() })

/** Bytes of a text that are read: more than all its passages can have. */
const mostOfText = 8 * 1024 * 1024

type Reader = (bytes: Uint8Array) => Iterable<Section> | AsyncIterable<Section>

interface Reading {
  /** Bytes that are read. */
  readonly most: number
  /** Whether a part of the file has text. */
  readonly takesParts: boolean
  readonly read: Reader
}

const text = { most: mostOfText, takesParts: true }

/** The parts of a document refer to each other, so all of it is needed. */
const document = { most: 64 * 1024 * 1024, takesParts: false }

const readers: Record<Task["kind"], Reading> = {
  text: { ...text, read: readText },
  html: { ...text, read: readHtml },
  pdf: { ...document, read: readPdf },
  word: { ...document, read: readWord },
  sheets: { ...document, read: readSheets },
  slides: { ...document, read: readSlides },
  document: { ...document, read: readDocument }
}

const bytesOf = async (path: string, most: number): Promise<{ bytes: Uint8Array; isTruncated: boolean }> => {
  const file = await open(path).catch(() => {
    throw new UnreadableFile("Lost")
  })
  try {
    const { size } = await file.stat()
    const bytes = new Uint8Array(Math.min(size, most))
    let length = 0
    while (length < bytes.length) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length, length)
      if (bytesRead === 0) break
      length += bytesRead
    }
    return { bytes: bytes.subarray(0, length), isTruncated: size > most }
  } finally {
    await file.close()
  }
}

const indexed = ({ place, text: read }: Passage): IndexedPassage => {
  // A PDF may have halves of characters, and the character 0. Databases would store other bytes than those that are shown,
  // and each would store others.
  const text = toUSVString(read).replaceAll("\0", "\ufffd")
  const terms = termsOf(text)
  return {
    text,
    ...place,
    tokens: tokensOf(text),
    terms: terms.join(" "),
    count: terms.length,
    counts: countsOf(terms).toString("hex")
  }
}

const extract = async ({ kind, path }: Task, send: (message: Message) => void): Promise<void> => {
  const { most, read, takesParts } = readers[kind]
  const { bytes, isTruncated } = await bytesOf(path, most)
  if (isTruncated && !takesParts) throw new UnreadableFile("TooLarge")
  let left = mostPassages
  let isDamaged = false
  let passages: Array<IndexedPassage> = []
  const sendSome = () => {
    if (passages.length > 0) send({ _tag: "Passages", passages })
    passages = []
  }
  for await (const section of read(bytes)) {
    isDamaged ||= section.isDamaged === true
    for (const passage of passagesIn([section])) {
      if (left === 0) {
        sendSome()
        return send({ _tag: "Done", isTruncated: true })
      }
      left -= 1
      passages.push(indexed(passage))
      if (passages.length === batch) sendSome()
    }
  }
  sendSome()
  send({ _tag: "Done", isTruncated: isTruncated || isDamaged })
}

const reasonOf = (cause: unknown): Extract<Message, { _tag: "Failed" }>["reason"] =>
  cause instanceof UnreadableFile ? cause.reason : cause instanceof RangeError ? "TooLarge" : "Malformed"

process.on("message", (given) => {
  const task = Schema.decodeUnknownEither(Task)(given)
  const send = (message: Message) => {
    process.send?.(message)
  }
  if (Either.isLeft(task)) return send({ _tag: "Failed", reason: "Malformed" })
  extract(task.right, send).catch((cause: unknown) => send({ _tag: "Failed", reason: reasonOf(cause) }))
})

// Requests come first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL)

// The service ended, however it did: nobody waits for the rest.
process.on("disconnect", () => process.exit(0))

// A file that keeps this thread busy for ever keeps it from hearing that.
new Worker(`setInterval(() => process.ppid === ${process.ppid} || process.kill(process.pid, "SIGKILL"), 1000)`, {
  eval: true
}).unref()
