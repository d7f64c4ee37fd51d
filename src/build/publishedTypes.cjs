/**
 * Part of the build: deletes the library's declarations that its entry points do not reach, and the members that are
 * marked `@internal`. TypeScript's `stripInternal` leaves those in the type literals that it writes for `Context.Tag`.
 */
const { readdirSync, readFileSync, rmSync, writeFileSync } = require("node:fs")
const { dirname, join, resolve } = require("node:path")

/** A comment with `@internal`, and the member below it: up to the next line that is not indented deeper or a closing one. */
const internalMember = /^( +)\/\*\*(?:(?!\*\/)[\s\S])*@internal(?:(?!\*\/)[\s\S])*\*\/\n\1\S.*\n(?:\1[ })\]].*\n)*/gm

const library = resolve(__dirname, "../../dist/layers")
const wanted = new Set(["index.d.ts", "testing.d.ts"].map((door) => join(library, door)))
for (const file of wanted) {
  const text = readFileSync(file, "utf8").replace(internalMember, "")
  writeFileSync(file, text)
  for (const [, target] of text.matchAll(/(?:from |import\()"(\.[^"]+)"/g)) {
    wanted.add(resolve(dirname(file), target.replace(/\.[jt]s$/, ".d.ts")))
  }
}
for (const { name, parentPath, path } of readdirSync(library, { recursive: true, withFileTypes: true })) {
  const file = join(parentPath ?? path, name)
  if (name.endsWith(".d.ts") && !wanted.has(file)) rmSync(file)
}
