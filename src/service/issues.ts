/** Describes what does not fit in a request: which field, what it must be, and what it is. */
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"

type Issue = HttpApiDecodeError["issues"][number]

/** Characters of a value that are shown. */
const longest = 100

/** The same error with a sentence for each field, instead of the schemas that were tried. */
export const inWords = (error: HttpApiDecodeError): HttpApiDecodeError => {
  // Without issues it already has a sentence.
  if (error.issues.length === 0) return error
  const fields = new Map<string, Array<Issue>>()
  for (const issue of error.issues) {
    const field = fieldOf(issue.path)
    fields.set(field, [...(fields.get(field) ?? []), issue])
  }
  const sentences = [...fields].map(([field, issues]) => ({ field, issue: issues[0], text: sentenceOf(issues) }))
  return new HttpApiDecodeError({
    issues: sentences.flatMap(({ issue, text }) => (issue === undefined ? [] : [{ ...issue, message: text }])),
    message: sentences.map(({ field, text }) => `${field === "" ? "The body" : `\`${field}\``} ${text}.`).join(" ")
  })
}

/** `fileIds[3].name`. */
const fieldOf = (path: Issue["path"]): string =>
  path.reduce<string>(
    (field, key) => (typeof key === "number" ? `${field}[${key}]` : `${field}${field === "" ? "" : "."}${String(key)}`),
    ""
  )

/** All issues of a field are about the same value. */
const sentenceOf = (issues: ReadonlyArray<Issue>): string => {
  if (issues.some(({ _tag }) => _tag === "Missing")) return "is missing"
  if (issues.some(({ _tag }) => _tag === "Unexpected")) return "is not expected"
  const found = issues.map(({ message }) => partsOf(message))
  const kinds = [...new Set(found.flatMap(({ kind }) => (kind === undefined ? [] : [kind])))]
  // "Absent" was allowed too, but is not advice.
  const wanted = kinds.filter((kind) => kind !== "undefined")
  const actual = found.findLast(({ actual }) => actual !== undefined)?.actual
  if (wanted.length === 0) return found[0]?.text ?? "is not valid"
  return `must be ${wanted.join(" or ")}${actual === undefined ? "" : `, and is ${shortened(actual)}`}`
}

/** What the platform says: `Expected KIND, actual VALUE`, `Unable to decode VALUE into KIND`, or words of ours, which continue the field's name. */
const partsOf = (message: string): { readonly kind?: string; readonly actual?: string; readonly text: string } => {
  const [, kind, actual] = /^Expected (.*), actual (.*)$/s.exec(message) ?? []
  if (kind !== undefined && actual !== undefined) return { kind: kindOf(kind), actual, text: message }
  const [, value, into] = /^Unable to decode (.*) into (.*)$/s.exec(message) ?? []
  if (value !== undefined && into !== undefined) return { kind: kindOf(into), actual: value, text: message }
  return { text: message }
}

const kindOf = (kind: string): string => {
  if (kind.startsWith("{")) return "a JSON object"
  if (kind.startsWith("ReadonlyArray<")) return "a JSON array"
  switch (kind) {
    case "string":
      return "text"
    case "number":
    case "boolean":
      return `a ${kind}`
    case "a valid Date":
      return "a time such as 2026-01-31T12:00:00Z"
    case "a non-negative number":
      return "a number from 0 on"
    default:
      return kind
        .replace("a string at least 1 character(s) long", "at least 1 character long")
        .replace(/^a string at least (\d+) character\(s\) long$/, "at least $1 characters long")
        .replace(/^a string at most (\d+) character\(s\) long$/, "at most $1 characters long")
        .replace(/^an array of at least (\d+) item\(s\)$/, "a list of at least $1")
        .replace(/^an array of at most (\d+) item\(s\)$/, "a list of at most $1")
  }
}

const shortened = (value: string): string => (value.length <= longest ? value : `${value.slice(0, longest)}…`)
