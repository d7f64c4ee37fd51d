/** Bundles the program, without what its libraries bring along and nothing in it ever calls. */
const { join, resolve } = require("node:path")
const { build } = require("esbuild")

const root = resolve(__dirname, "../..")
const none = join(__dirname, "none.cjs")

/** Modules of a package that are left out: code that calls one gets an object without functions. */
const unused = [
  // The questions for `--wizard`, 26 kB. `src/program/commandLine.ts` refuses that flag.
  { imported: /\/prompt(?:\/[\w-]+)?\.js$/, by: /[\\/]@effect[\\/]cli[\\/]/ },
  // Another kind of effect, 9 kB, which Effect's runtime can run too. Nothing here makes one.
  { imported: /\/Micro\.js$/, by: /[\\/]effect[\\/]dist[\\/]esm[\\/]internal[\\/]fiberRuntime\.js$/ },
  // The fibers that a supervisor tracks in the order of their numbers, 9 kB of trees. The program has no such supervisor.
  { imported: /\/SortedSet\.js$/, by: /[\\/]effect[\\/]dist[\\/]esm[\\/]internal[\\/]supervisor\.js$/ },
  // The rules for paths of POSIX in JavaScript, 5 kB. The program has those of Node.js.
  {
    imported: /\/internal\/path\.js$/,
    by: /[\\/]@effect[\\/]platform[\\/]dist[\\/]esm[\\/]Path\.js$/,
    instead: join(__dirname, "path.mjs")
  },
  // The schemas of the platform's errors, 11 kB with what only they use of `Schema`. Only the full parser loads it then.
  {
    imported: /(?:\/Error\.js|@effect\/platform\/Error)$/,
    by: /[\\/]@effect[\\/](?:platform|platform-node-shared|sql)[\\/]dist[\\/]esm[\\/]/,
    instead: join(__dirname, "platformError.ts")
  },
  // Queues for key presses, reactive queries and streams from callbacks, 9 kB. The program has none of them.
  { imported: /\/[mM]ailbox\.js$/, by: /[\\/](?:effect|experimental|platform-node-shared|sql)[\\/]dist[\\/]esm[\\/]/ },
  // Batches of requests, 2 kB, which `Effect.request` makes. The program makes none.
  {
    imported: /\/blockedRequests\.js$/,
    by: /[\\/]effect[\\/]dist[\\/]esm[\\/]internal[\\/](?:core|fiberRuntime)\.js$/
  },
  // Virtual tables written in JavaScript, 4 kB. The program registers none.
  { imported: /\/methods\/table$/, by: /[\\/]better-sqlite3[\\/]/ }
]

const withoutUnused = {
  name: "without what is unused",
  setup: ({ onLoad, onResolve }) => {
    // Of the driver's package.json the version is compared, and nothing else.
    onLoad({ filter: /[\\/]better-sqlite3[\\/]package\.json$/ }, ({ path }) => ({
      contents: JSON.stringify({ version: require(path).version }),
      loader: "json"
    }))
    for (const { by, imported, instead = none } of unused) {
      onResolve({ filter: imported }, ({ importer }) => (by.test(importer) ? { path: instead } : undefined))
    }
  }
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
  plugins: [withoutUnused]
}).catch(() => process.exit(1))
