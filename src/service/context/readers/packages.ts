/**
 * Documents of Office are parts that refer to each other (ECMA-376, part 2, 9.3). A part may have any name: only these
 * references say what it is.
 */
import { dirname, posix } from "node:path"
import { Parser } from "htmlparser2"
import { UnreadableFile } from "./UnreadableFile.ts"
import { partsOf } from "./zip.ts"

export interface Relation {
  readonly id: string
  /** The last word of its type, such as `worksheet`. */
  readonly type: string
  /** The name of the part. */
  readonly target: string
}

/** Where the references of a part are. */
const relationsName = (part: string): string => posix.join(dirname(part), "_rels", `${posix.basename(part)}.rels`)

const relationsIn = (xml: string | undefined, part: string): ReadonlyArray<Relation> => {
  const found: Array<Relation> = []
  const parser = new Parser(
    {
      onopentag: (name, { Id: id = "", Target: target = "", TargetMode: mode, Type: type = "" }) => {
        if (localName(name) !== "Relationship" || mode === "External") return
        // A target that begins with a slash is a whole name.
        const whole = posix.resolve("/", dirname(part), target).slice(1)
        found.push({ id, type: type.slice(type.lastIndexOf("/") + 1), target: whole })
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml ?? "")
  return found
}

/** What these parts refer to, by their names. */
export const relationsOf = (
  bytes: Uint8Array,
  parts: ReadonlyArray<string>
): ReadonlyMap<string, ReadonlyArray<Relation>> => {
  const wanted = new Set(parts.map(relationsName))
  const found = partsOf(bytes, (name) => wanted.has(name))
  return new Map(parts.map((part) => [part, relationsIn(found.get(relationsName(part)), part)]))
}

/** The part that the others belong to, and what it refers to. */
export const mainPartOf = (bytes: Uint8Array, usual: string) => {
  const main =
    relationsOf(bytes, [""])
      .get("")
      ?.find(({ type }) => type === "officeDocument")?.target ?? usual
  return { main, relations: relationsOf(bytes, [main]).get(main) ?? [] }
}

/** The ids of the relations to slides or sheets, in their order: elements of the main part refer to them. */
export const idsIn = (xml: string, element: string): ReadonlyArray<string> => {
  const ids: Array<string> = []
  const parser = new Parser(
    {
      onopentag: (name, attributes) => {
        if (localName(name) !== element) return
        const id = Object.entries(attributes).find(([key]) => key.includes(":") && localName(key) === "id")
        ids.push(id?.[1] ?? "")
      }
    },
    { xmlMode: true, decodeEntities: true }
  )
  parser.end(xml)
  return ids
}

/** By the numbers in their names, where nothing says their order: `slide2.xml` comes before `slide10.xml`. */
export const namesByNumber = (bytes: Uint8Array, pattern: RegExp): ReadonlyArray<string> => {
  const found: Array<string> = []
  partsOf(bytes, (name) => {
    if (pattern.test(name)) found.push(name)
    return false
  })
  return [...new Set(found)].sort((one, other) => numberIn(one) - numberIn(other))
}

const numberIn = (name: string): number => Number(/(\d+)\.xml$/.exec(name)?.[1] ?? 0)

/** Reads parts by their names. */
export const readParts = (bytes: Uint8Array, names: ReadonlyArray<string>): ReadonlyMap<string, string> => {
  const wanted = new Set(names)
  return partsOf(bytes, (name) => wanted.has(name))
}

/** A part that has to be there. */
export const required = (part: string | undefined): string => {
  if (part === undefined) throw new UnreadableFile("Malformed")
  return part
}

/** Names without their prefix, which each document may choose. */
export const localName = (name: string): string => name.slice(name.indexOf(":") + 1)
