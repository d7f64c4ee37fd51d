/**
 * Part of the build: of the library's declarations, leaves those that its entry points reach. What the rooms
 * export for one another is a third of all, and of no use to anyone else.
 */
const { readdirSync, readFileSync, rmSync, writeFileSync } = require("node:fs")
const { dirname, join, resolve } = require("node:path")

const library = resolve(__dirname, "../../dist/layers")
const doors = ["index.d.ts", "http.d.ts", "operate.d.ts", "postgres.d.ts", "testing.d.ts"].map((door) =>
  join(library, door)
)

/** The statements of a file, each with its comment. Nothing but their beginnings and ends stands in the first column. */
const statementsIn = (file) =>
  [...readFileSync(file, "utf8").matchAll(/((?:^\/\*[\s\S]*?\*\/\n)*)(^[^\s})].*\n(?:^[\s})].*\n)*)/gm)].map(
    ([, comment, text]) => ({ comment, text, isWanted: false, wanted: new Set() })
  )

const listed = /(?<=^(?:im|ex)port (?:type )?\{)[^}]*(?=\})/

const read = (file) => {
  const statements = statementsIn(file)
  const target = (text) => resolve(dirname(file), text.replace(/\.[jt]s$/, ".d.ts"))
  /** What a name leads to: a statement here, and for an import the name in another file; "*" is all of it. */
  const leads = new Map()
  const lead = (name, to) => leads.set(name, [...(leads.get(name) ?? []), to])
  for (const statement of statements) {
    const { text } = statement
    const [, from] = /\bfrom "(\.[^"]+)"/.exec(text) ?? []
    const next = from && target(from)
    const [, whole] = /^(?:im|ex)port (?:type )?\* as (\w+)/.exec(text) ?? []
    const [names] = listed.exec(text) ?? []
    if (whole !== undefined) lead(whole, { statement, next, name: "*" })
    else if (names !== undefined) {
      for (const part of names.split(",")) {
        const [, name, as = name] = /(?:type )?(\w+)(?: as (\w+))?/.exec(part) ?? []
        if (name !== undefined) lead(as, { statement, next, name, part })
      }
    } else {
      const [, name] = /\b(?:const|class|interface|type|function|enum|namespace) (\w+)/.exec(text) ?? []
      if (name !== undefined) lead(name, { statement })
    }
  }
  return { statements, leads, target }
}

const files = new Map()
const load = (file) => {
  if (!files.has(file)) files.set(file, read(file))
  return files.get(file)
}

const want = (file, name) => {
  const { leads } = load(file)
  for (const known of name === "*" ? leads.keys() : [name]) {
    for (const { next, name: other, part, statement } of leads.get(known) ?? []) {
      const isNew = part !== undefined && !statement.wanted.has(part)
      if (isNew) statement.wanted.add(part)
      const isFirst = !statement.isWanted
      wantStatement(file, statement)
      if (next !== undefined && (isNew || isFirst)) want(next, other)
    }
  }
}

const wantStatement = (file, statement) => {
  if (statement.isWanted) return
  statement.isWanted = true
  const { leads, target } = load(file)
  const { text } = statement
  for (const [, from, name] of text.matchAll(/import\("(\.[^"]+)"\)\.(\w+)/g)) want(target(from), name)
  if (/^(?:im|ex)port (?:type )?[{*]/.test(text)) return
  for (const [word] of text.matchAll(/\w+/g)) if (leads.has(word)) want(file, word)
}

for (const door of doors) want(door, "*")

const withOnly = (wanted, names) =>
  ` ${names
    .split(",")
    .filter((part) => wanted.has(part))
    .map((part) => part.trim())
    .join(", ")} `

for (const { name, parentPath, path } of readdirSync(library, { recursive: true, withFileTypes: true })) {
  const file = join(parentPath ?? path, name)
  if (!name.endsWith(".d.ts")) continue
  const kept = (files.get(file)?.statements ?? []).filter(({ isWanted }) => isWanted)
  if (kept.length === 0) rmSync(file)
  else {
    const text = kept
      // The comment above the first import is about the source, except where it is that of a door.
      .map(
        ({ comment, text, wanted }) =>
          (/^import /.test(text) && !comment.includes("@packageDocumentation") ? "" : comment) +
          text.replace(listed, (names) => withOnly(wanted, names))
      )
      .join("")
    // A tab for four blanks: the compiler knows no other way to indent.
    writeFileSync(
      file,
      text.replace(/^(?: {4})+/gm, (blanks) => "\t".repeat(blanks.length / 4))
    )
  }
}
