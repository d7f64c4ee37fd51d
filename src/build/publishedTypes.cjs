/** Part of the build: deletes the library's declarations that its entry points do not reach. */
const { readdirSync, readFileSync, rmSync } = require("node:fs")
const { dirname, join, resolve } = require("node:path")

const library = resolve(__dirname, "../../dist/layers")
const wanted = new Set(
  ["index.d.ts", "http.d.ts", "operate.d.ts", "postgres.d.ts", "testing.d.ts"].map((door) => join(library, door))
)
for (const file of wanted) {
  for (const [, target] of readFileSync(file, "utf8").matchAll(/(?:from |import\()"(\.[^"]+)"/g)) {
    wanted.add(resolve(dirname(file), target.replace(/\.[jt]s$/, ".d.ts")))
  }
}
for (const { name, parentPath, path } of readdirSync(library, { recursive: true, withFileTypes: true })) {
  const file = join(parentPath ?? path, name)
  if (name.endsWith(".d.ts") && !wanted.has(file)) rmSync(file)
}
