/**
 * Bundles the program, without the questions of `@effect/cli` for its `--wizard`: 26 kB for what nobody is asked here.
 * `src/program/commandLine.ts` refuses that flag.
 */
const { join, resolve } = require("node:path")
const { build } = require("esbuild")

const root = resolve(__dirname, "../..")
const none = join(__dirname, "none.cjs")

const withoutQuestions = {
  name: "no questions",
  setup: ({ onResolve }) =>
    onResolve({ filter: /\/prompt(?:\/[\w-]+)?\.js$/ }, ({ importer }) =>
      /[\\/]@effect[\\/]cli[\\/]/.test(importer) ? { path: none } : undefined
    )
}

build({
  absWorkingDir: root,
  entryPoints: { program: "src/program/main.ts", "database-ready": "src/program/launch.ts" },
  outdir: "dist",
  bundle: true,
  minify: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  logLevel: "warning",
  outExtension: { ".js": ".cjs" },
  loader: { ".sql": "text" },
  define: { "import.meta.url": "__filename" },
  tsconfigRaw: {},
  banner: { js: '"use strict"' },
  external: ["pg"],
  alias: {
    "better-sqlite3": "./src/build/driver.cjs",
    bindings: "./src/build/addon.cjs",
    "pg-cursor": "./src/build/none.cjs",
    "pg-connection-string": "./src/build/none.cjs"
  },
  plugins: [withoutQuestions]
}).catch(() => process.exit(1))
