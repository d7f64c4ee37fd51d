/** The Markdown files of this repository, and their parts. */
import { readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

export const root = join(import.meta.dirname, "../..")

const passedOver = new Set(["node_modules", "dist", "data", ".git"])

const markdownIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return passedOver.has(entry.name) ? [] : markdownIn(path)
    // The reports of the public surface are written by a program.
    return /(?<!\.api)\.md$/.test(entry.name) ? [relative(root, path)] : []
  })

export interface Fence {
  /** The word after the three backticks. */
  readonly language: string
  readonly text: string
  /** The heading above it. */
  readonly heading: string
}

export interface Link {
  readonly text: string
  readonly target: string
}

export interface Document {
  /** Relative to the root. */
  readonly path: string
  readonly text: string
  readonly fences: ReadonlyArray<Fence>
  /** Everything except the fences, line by line. */
  readonly prose: ReadonlyArray<string>
  readonly links: ReadonlyArray<Link>
  /** The headings, as links name them. */
  readonly anchors: ReadonlySet<string>
  readonly sentences: ReadonlyArray<string>
  /** Those in the cells of tables. */
  readonly sentencesInTables: ReadonlyArray<string>
}

export const readDocument = (path: string): Document => {
  const text = readFileSync(join(root, path), "utf8")
  const fences: Array<Fence> = []
  const prose: Array<string> = []
  const anchors = new Set<string>()
  let open: { language: string; lines: Array<string> } | undefined
  let heading = ""
  for (const line of text.split("\n")) {
    const [, language] = /^```(.*)$/.exec(line) ?? []
    if (open !== undefined) {
      if (language === "") {
        fences.push({ language: open.language, text: `${open.lines.join("\n")}\n`, heading })
        open = undefined
      } else open.lines.push(line)
      continue
    }
    if (language !== undefined) {
      open = { language, lines: [] }
      // A fence ends the paragraph above it.
      prose.push("")
      continue
    }
    const [, title] = /^#+ (.+)$/.exec(line) ?? []
    if (title !== undefined) {
      heading = title
      anchors.add(anchorOf(title))
    }
    prose.push(line)
  }
  const links = [...prose.join("\n").matchAll(/\[([^\]]*)\]\(([^)\s]+)\)/g)].map(([, text = "", target = ""]) => ({
    text,
    target
  }))
  const sentencesInTables = rowsIn({ prose })
    .flat()
    .flatMap((cell) => sentencesOf([cell]))
  return { path, text, fences, prose, links, anchors, sentences: sentencesOf(prose), sentencesInTables }
}

/** The examples in the comments of the library. */
export const examplesInComments = (): ReadonlyArray<string> =>
  readdirSync(join(root, "layers"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [
      ...readFileSync(join(root, "layers", name), "utf8").matchAll(/^ *\* ```ts\n((?: *\*.*\n)*?) *\* ```$/gm)
    ])
    .map(([, code = ""]) => code.replace(/^ *\* ?/gm, ""))

/** As GitHub makes them. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-")

/** The path that a link leads to, relative to the root, and the anchor there. */
export const targetOf = ({ path }: Document, { target }: Link): { readonly path: string; readonly anchor: string } => {
  const [file = "", anchor = ""] = target.split("#")
  return { path: file === "" ? path : relative(root, join(root, dirname(path), file)), anchor }
}

/** Sentences of paragraphs and list items; headings and tables have none. A code span counts by its words. */
const sentencesOf = (prose: ReadonlyArray<string>): ReadonlyArray<string> => {
  const paragraphs: Array<string> = []
  let isOpen = false
  for (const line of prose) {
    const isBreak = line.trim() === "" || /^\s*(#|\|)/.test(line)
    if (isBreak) {
      isOpen = false
      continue
    }
    const [, item] = /^\s*(?:[-*]|\d+\.) (.*)$/.exec(line) ?? []
    if (item !== undefined || !isOpen) paragraphs.push(item ?? line)
    else paragraphs.push(`${paragraphs.pop()} ${line}`)
    isOpen = true
  }
  return paragraphs.flatMap((paragraph) =>
    paragraph
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .replaceAll(/[*`]/g, "")
      .split(/(?<=[.!?][)"]?)\s+/)
      .map((sentence) => sentence.trim())
      .filter((sentence) => /\p{L}/u.test(sentence))
  )
}

export const wordsIn = (text: string): number => text.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length

/** The rows of every table, cell by cell, without the line below its head. */
export const rowsIn = ({ prose }: Pick<Document, "prose">): ReadonlyArray<ReadonlyArray<string>> =>
  prose
    .filter((line) => line.startsWith("|") && !/^\|[\s:|-]+\|$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim())
    )

export const documents: ReadonlyArray<Document> = markdownIn(root).map(readDocument)
