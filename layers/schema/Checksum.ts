/** Whether a migration is still what was applied: first its text, then the statements in it. */
import { hash } from "node:crypto"
import { withoutDeclarations } from "./Declaration.ts"
import { type Statement, statementsOf } from "./SqlScript.ts"

/**
 * SHA-256 of a whole text, in hexadecimal. What editors change by themselves does not count: line ends, blanks at the
 * end of a line or the file, and a byte order mark.
 */
export const checksumOf = (text: string): string => sha256(normalise(text))

/**
 * SHA-256 of the statements that are run. Comments inside a statement count, because SQLite keeps them in the schema;
 * comments between statements, and declarations among them, do not. The checksum of the whole text as it was applied is
 * part of it, so a row in which only one of the two was changed by hand matches nothing.
 */
export const statementsChecksumOf = (statements: ReadonlyArray<Statement>, applied: string): string =>
  sha256(`${applied}\n${statements.map(({ text }) => `${normalise(text)};\n`).join("")}`)

/**
 * Earlier versions recorded only the checksum of the whole text. A declaration may have been added since: true if the
 * text without it, or without the comment or empty lines around it, is the one that was applied.
 */
export const mayHaveBeen = (checksum: string, text: string): boolean =>
  withoutDeclarations(unify(text)).some((former) => checksumOf(former) === checksum)

/** Cut each text once: its statements are checked, run and compared. */
export const statementsIn = (body: { readonly text: string }): ReadonlyArray<Statement> => {
  const known = cutBefore.get(body)
  if (known !== undefined) return known
  const statements = statementsOf(body.text)
  cutBefore.set(body, statements)
  return statements
}

const cutBefore = new WeakMap<object, ReadonlyArray<Statement>>()

const sha256 = (text: string): string => hash("sha256", text, "hex")

const unify = (text: string): string => text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n")

const normalise = (text: string): string =>
  unify(text)
    .replace(/[ \t]+(?=[\n\u2028\u2029])/g, "")
    .trimEnd()
