/** The command line of `cli.mjs` as one file: `node test/examples/bundle.mjs [FILE.cjs]`. Its migrations are inside, the driver stays outside. */
import { join } from "node:path"
import { build } from "esbuild"

const [, , outfile = "dist/notes.cjs"] = process.argv

await build({
  entryPoints: [join(import.meta.dirname, "cli.mjs")],
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  external: ["better-sqlite3"],
  // CommonJS has no `import.meta`; the library finds the driver from the file of the bundle.
  logOverride: { "empty-import-meta": "silent" },
  outfile
})
