import { tmpdir } from "node:os"
import { join } from "node:path"

export default {
  mutate: ["layers/schema/**/*.ts"],
  plugins: ["./test/mutation/runner.js"],
  testRunner: "in-one-process",
  coverageAnalysis: "perTest",
  concurrency: 1,
  timeoutMS: 3000,
  ignorePatterns: ["dist", "src"],
  // There is none with this name: Stryker would rewrite ours with a TypeScript that it does not have.
  tsconfigFile: "none",
  // Outside: a copy that a killed run leaves has links to node_modules.
  tempDirName: join(tmpdir(), "database-ready-mutation"),
  reporters: ["clear-text", "json"],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  jsonReporter: { fileName: "test/mutation/dist/report.json" }
}
