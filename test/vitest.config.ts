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
      // The bundler's `--loader:.sql=text`, for the tests.
      name: "sql-as-text",
      load: (id) => (id.endsWith(".sql") ? `export default ${JSON.stringify(readFileSync(id, "utf8"))}` : undefined)
    }
  ]
})
