/**
 * Proves which passages a session was given. A context has it, and the report of what became of them brings it back.
 * Nothing is stored: so an outcome can be believed in another process, after a kill, and when the files are gone, and no
 * context waits for a write.
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto"

export interface Passage {
  readonly fileId: string
  readonly ordinal: number
}

/** Bytes. First stands the code, then a mark for each passage: 8 characters of the text. */
const codeLength = 16
const markLength = 6

const markOf = ({ fileId, ordinal }: Passage): Buffer =>
  createHash("sha256").update(`${ordinal} ${fileId}`).digest().subarray(0, markLength)

const codeOf = (seed: string, sessionId: string, marks: Buffer): Buffer =>
  createHmac("sha256", seed).update(JSON.stringify(sessionId)).update(marks).digest().subarray(0, codeLength)

/** The proof for a session. Its key is the secret seed of the experiment. */
export const receiptFor = (seed: string, sessionId: string, passages: ReadonlyArray<Passage>): string => {
  const marks = Buffer.concat(passages.map(markOf))
  return Buffer.concat([codeOf(seed, sessionId, marks), marks]).toString("base64url")
}

/** Tells of a passage whether it was given. Undefined if the experiment made no such receipt for this session. */
export const givenBy = (
  seed: string,
  sessionId: string,
  receipt: string
): ((passage: Passage) => boolean) | undefined => {
  const bytes = Buffer.from(receipt, "base64url")
  const [code, marks] = [bytes.subarray(0, codeLength), bytes.subarray(codeLength)]
  if (code.length < codeLength || !timingSafeEqual(code, codeOf(seed, sessionId, marks))) return undefined
  const given = new Set<string>()
  for (let at = 0; at < marks.length; at += markLength) given.add(marks.toString("hex", at, at + markLength))
  return (passage) => given.has(markOf(passage).toString("hex"))
}
