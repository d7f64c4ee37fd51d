/**
 * Bundles the library. All that the main door reaches is one file, `core.js`: Node.js resolves and links each specifier
 * of each file again, which takes as long as compiling all of the code. The other doors, and the rooms that are loaded
 * only when they are needed (`import()`), take what they share with it from there, so that nothing is in a process twice.
 */
const { readFileSync } = require("node:fs")
const { dirname, join, relative, resolve } = require("node:path")
const { build } = require("esbuild")

const root = resolve(__dirname, "../..")
const main = "layers/index.ts"
const others = ["layers/http.ts", "layers/operate.ts", "layers/postgres.ts", "layers/testing.ts"]

const options = {
  absWorkingDir: root,
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "esm",
  minify: true,
  lineLimit: 4000,
  logLevel: "warning"
}

/** Every file of the library with the files that it imports, as esbuild sees them: without types. */
const filesOf = async () => {
  const entryPoints = [main, ...others]
  const { metafile } = await build({ ...options, entryPoints, outdir: "dist", write: false, metafile: true })
  return metafile.inputs
}

/** All that a file imports before it runs, and what that imports. */
const reachedFrom = (files, from, reached = new Set()) => {
  for (const { external, kind, path } of files[from].imports) {
    if (external === true || kind === "dynamic-import" || reached.has(path)) continue
    reached.add(path)
    reachedFrom(files, path, reached)
  }
  return reached
}

const statement = /^(?:im|ex)port (?!type\b)(\*|\{[^}]*\})[^"]*? from "(\.[^"]+)"/gm

/** What a file takes by name from other files: `*` for all. */
const namesTakenBy = (file) =>
  [...readFileSync(join(root, file), "utf8").matchAll(statement)].map(([, names, from]) => ({
    from: relative(root, resolve(root, dirname(file), from)),
    names: names === "*" ? ["*"] : names.slice(1, -1).split(",").flatMap(valueIn)
  }))

const valueIn = (name) => {
  const [value] = name.trim().split(" as ")
  return value === "" || value.startsWith("type ") ? [] : [value]
}

const targetOf = ({ path, resolveDir }) => relative(root, resolve(resolveDir, path))
const outputOf = (file) => relative("layers", file).replace(/\.ts$/, "").replaceAll("/", "-")

const bundle = async () => {
  const files = await filesOf()
  const core = reachedFrom(files, main)
  const all = Object.keys(files)
  // What is taken as a whole has no names to be taken by.
  for (const { from, names } of all.flatMap(namesTakenBy)) if (names[0] === "*") core.delete(from)
  const rooms = all.filter((file) =>
    all.some((one) => files[one].imports.some(({ kind, path }) => kind === "dynamic-import" && path === file))
  )
  const isRoom = (args) => args.kind === "dynamic-import" && rooms.includes(targetOf(args))

  /** What these files take from the core: for each file of it the names, and what the core calls them. */
  const called = new Map()
  const takenBy = (takers) => {
    const taken = new Map()
    for (const { from, names } of takers.flatMap(namesTakenBy).filter(({ from }) => core.has(from))) {
      const known = taken.get(from) ?? new Map()
      for (const name of names) {
        const id = `${from} ${name}`
        // Two files may export the same name.
        if (!called.has(id)) called.set(id, `_${called.size.toString(36)}`)
        known.set(name, called.get(id))
      }
      taken.set(from, known)
    }
    return taken
  }
  const lists = (names, toCore) =>
    [...names].map(([name, id]) => (toCore ? `${name} as ${id}` : `${id} as ${name}`)).join(", ")

  const loadedLater = {
    name: "rooms that are loaded when they are needed",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\./ }, (args) =>
        isRoom(args) ? { path: `./${outputOf(targetOf(args))}.js`, external: true } : undefined
      )
  }
  const fromCore = (taken) => ({
    name: "what the core has",
    setup: ({ onLoad, onResolve }) => {
      onResolve({ filter: /^\./, namespace: "file" }, (args) =>
        core.has(targetOf(args)) && !isRoom(args) ? { path: targetOf(args), namespace: "core" } : undefined
      )
      onResolve({ filter: /^\.\/core\.js$/, namespace: "core" }, ({ path }) => ({ path, external: true }))
      onLoad({ filter: /./, namespace: "core" }, ({ path }) => ({
        contents: `export { ${lists(taken.get(path) ?? [], false)} } from "./core.js"`
      }))
    }
  })

  const outside = all.filter((file) => !core.has(file))
  const byMain = takenBy([main, ...outside.filter((file) => files[main].imports.some(({ path }) => path === file))])
  const byOthers = takenBy(outside.filter((file) => file !== main))
  const wanted = [...byMain, ...byOthers].map(([file, names]) => `export { ${lists(names, true)} } from "./${file}"`)
  const stdin = { contents: [...new Set(uniqueExports(wanted))].join("\n"), resolveDir: root }
  await build({ ...options, stdin, outfile: "dist/layers/core.js", plugins: [loadedLater] })
  // By itself: else what it shares with the others would be further files.
  await build({ ...options, entryPoints: [main], outfile: "dist/layers/index.js", plugins: [fromCore(byMain)] })
  await build({
    ...options,
    splitting: true,
    entryPoints: [...others, ...rooms].map((file) => ({ in: file, out: outputOf(file) })),
    outdir: "dist/layers",
    chunkNames: "[name]-[hash]",
    plugins: [loadedLater, fromCore(byOthers)]
  })
}

/** One statement for each name: the doors take some names twice. */
const uniqueExports = (statements) =>
  statements.flatMap((text) => {
    const [, names, from] = /^export \{ (.*) \} from (.*)$/.exec(text) ?? []
    return names === undefined || names === "" ? [] : names.split(", ").map((name) => `export { ${name} } from ${from}`)
  })

bundle()
