/** What SQLite says where a connection lacks something that is not part of the file. */

/** What `onOpen` has to give the connection. */
export const giveOnOpen =
  "Give it to every connection with `onOpen`, in the program with `--on-open MODULE`, or correct the name."

const trust =
  "Set `pragmas.trustedSchema` to true: otherwise SQLite lets the schema call only what is marked harmless (https://sqlite.org/pragma.html#pragma_trusted_schema)."

const sentences: ReadonlyArray<RegExp> = [
  /no such (function|module|tokenizer|collation sequence): ([^\s;)]+)/,
  /unknown (function|tokenizer): ([^\s;)(]+)/
]

/** Undefined if SQLite complains of something else. */
export const cureOfMissing = (detail: string): string | undefined => {
  if (/unsafe use of /.test(detail)) return trust
  for (const sentence of sentences) {
    const [, kind, name] = sentence.exec(detail) ?? []
    if (kind !== undefined) return `SQLite has no ${kind} ${name} of its own. ${giveOnOpen}`
  }
  return undefined
}
