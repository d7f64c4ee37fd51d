/**
 * Bundles the library. All that the main door reaches is one file, `core.js`: Node.js resolves and links each specifier
 * of each file anew, which takes as long as compiling all of the code. The other doors, and the rooms that a start loads
 * only when it needs them (`import()`), take what they share with it from there, so that nothing is in the process twice.
 */
const { readFileSync } = require("node:fs")
const { dirname, join, relative, resolve } = require("node:path")
const { build } = require("esbuild")

const root = resolve(__dirname, "../..")
const main = "layers/index.ts"
const doors = [main, "layers/http.ts", "layers/operate.ts", "layers/postgres.ts", "layers/testing.ts"]

const options = {
  absWorkingDir: root,
  bundle: true,
  packages: "external",
  platform: "node",
  target: "node20",
  format: "esm",
  minify: true,
  keepNames: true,
  lineLimit: 500,
  logLevel: "warning"
}

/** Every file of the library with the files that it imports, as esbuild sees them: without types. */
const filesOf = async () => {
  const { metafile } = await build({ ...options, entryPoints: doors, outdir: "dist", write: false, metafile: true })
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
    names:
      names === "*"
        ? ["*"]
        : names
            .slice(1, -1)
            .split(",")
            .map((name) => name.trim())
            .filter((name) => name !== "" && !name.startsWith("type "))
            .map((name) => name.split(" as ")[0])
  }))

const bundle = async () => {
  const files = await filesOf()
  const core = reachedFrom(files, main)
  const rooms = Object.keys(files).filter((file) =>
    Object.values(files).some(({ imports }) =>
      imports.some(({ kind, path }) => kind === "dynamic-import" && path === file)
    )
  )
  // What is taken as a whole has no names to be taken by.
  for (const { from, names } of Object.keys(files).flatMap(namesTakenBy)) if (names[0] === "*") core.delete(from)
  const taken = new Map()
  for (const file of Object.keys(files).filter((file) => !core.has(file))) {
    for (const { from, names } of namesTakenBy(file)) {
      if (core.has(from)) taken.set(from, new Set([...(taken.get(from) ?? []), ...names]))
    }
  }
  /** Two files may export the same name. */
  const shared = [...taken].map(([file, names], at) => ({
    file,
    names: [...names].map((name) => [name, `${name}_${at}`])
  }))
  const targetOf = ({ path, resolveDir }) => relative(root, resolve(resolveDir, path))
  const isRoom = (args) => args.kind === "dynamic-import" && rooms.includes(targetOf(args))
  const nameOf = (file) => `${relative("layers", file).replace(/\.ts$/, "").replaceAll("/", "-")}.js`
  const lazily = {
    name: "rooms that are loaded when they are needed",
    setup: ({ onResolve }) =>
      onResolve({ filter: /^\./ }, (args) =>
        isRoom(args) ? { path: `./${nameOf(targetOf(args))}`, external: true } : undefined
      )
  }
  const fromCore = {
    name: "what the core has",
    setup: ({ onLoad, onResolve }) => {
      onResolve({ filter: /^\./, namespace: "file" }, (args) =>
        core.has(targetOf(args)) && !isRoom(args) ? { path: targetOf(args), namespace: "core" } : undefined
      )
      onResolve({ filter: /^\.\/core\.js$/, namespace: "core" }, ({ path }) => ({ path, external: true }))
      onLoad({ filter: /./, namespace: "core" }, ({ path }) => {
        const { names = [] } = shared.find(({ file }) => file === path) ?? {}
        const list = names.map(([name, unique]) => `${unique} as ${name}`).join(", ")
        return { contents: `export { ${list} } from "./core.js"` }
      })
    }
  }
  await build({
    ...options,
    stdin: {
      contents: shared
        .map(
          ({ file, names }) =>
            `export { ${names.map(([name, unique]) => `${name} as ${unique}`).join(", ")} } from "./${file}"`
        )
        .join("\n"),
      resolveDir: root
    },
    outfile: "dist/layers/core.js",
    plugins: [lazily]
  })
  // By itself: else what it shares with the others would be further files.
  await build({ ...options, entryPoints: [main], outfile: "dist/layers/index.js", plugins: [fromCore] })
  await build({
    ...options,
    // Names of functions are for stack traces of programs that serve: 17 kB that the other doors can do without.
    keepNames: false,
    splitting: true,
    entryPoints: [...doors.slice(1), ...rooms].map((file) => ({ in: file, out: nameOf(file).replace(/\.js$/, "") })),
    outdir: "dist/layers",
    chunkNames: "[name]-[hash]",
    plugins: [lazily, fromCore]
  })
}

bundle()
