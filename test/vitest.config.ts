import { readFileSync } from "node:fs"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    root: import.meta.dirname,
    include: ["**/*.test.ts"],
    // Whole processes start under load here; nothing is measured by this limit.
    testTimeout: 60_000,
    silent: "passed-only"
  },
  plugins: [
    {
      // The bundler's `--loader:.sql=text --loader:.html=text`, for the tests.
      name: "files-as-text",
      load: (id) =>
        /\.(sql|html)$/.test(id) ? `export default ${JSON.stringify(readFileSync(id, "utf8"))}` : undefined
    }
  ]
})
