import { readFileSync } from "node:fs"
import { dirname, resolve } from "node:path"
import { defineConfig } from "vitest/config"

const suffix = "\0text"

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    globalSetup: "postgres/cluster.ts",
    // Whole processes start under load here; this limit measures nothing.
    testTimeout: 60_000,
    // Much of a test is waiting for another process.
    maxWorkers: 3,
    minWorkers: 1,
    silent: "passed-only"
  },
  plugins: [
    {
      // Does for the tests what the bundler does with `--loader:.sql=text` and `with { type: "text" }`. The suffix
      // hides styles from the plugins that would compile them.
      name: "files-as-text",
      enforce: "pre",
      resolveId: (id, importer) =>
        importer !== undefined && /\.(sql|html|css)$|^\.\/page\/\w+\.js$/.test(id)
          ? `${resolve(dirname(importer), id)}${suffix}`
          : undefined,
      load: (id) =>
        id.endsWith(suffix)
          ? `export default ${JSON.stringify(readFileSync(id.slice(0, -suffix.length), "utf8"))}`
          : undefined
    }
  ]
})
