/**
 * What the doors export, as `layers/*.api.md`, from the declarations that are published.
 * Fails where a report is not what the declarations say, unless it is told to `--update` it; where something that is
 * exported has no comment; and where the declarations do not compile by themselves.
 */
const { mkdtempSync, readFileSync, rmSync } = require("node:fs")
const { tmpdir } = require("node:os")
const { join, resolve } = require("node:path")
const { CompilerState, Extractor, ExtractorConfig } = require("@microsoft/api-extractor")

const root = resolve(__dirname, "../..")
const update = process.argv.includes("--update")
const folder = mkdtempSync(join(tmpdir(), "api-"))
const doors = ["index", "http", "operate", "postgres", "testing"]
const declarationsOf = (door) => join(root, `dist/layers/${door}.d.ts`)

const none = { default: { logLevel: "none" } }
const configs = doors.map((door) =>
  ExtractorConfig.prepare({
    configObject: {
      projectFolder: root,
      mainEntryPointFilePath: declarationsOf(door),
      newlineKind: "lf",
      compiler: {
        overrideTsconfig: {
          compilerOptions: { lib: ["ES2023"], module: "NodeNext", strict: true, skipLibCheck: true, types: [] },
          files: doors.map(declarationsOf)
        }
      },
      apiReport: {
        enabled: true,
        reportFileName: `${door}.api.md`,
        reportFolder: join(root, "layers"),
        reportTempFolder: folder,
        // What is not exported and shows in what is. The second door leads to what the first one has.
        includeForgottenExports: door === "index"
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: true, untrimmedFilePath: join(folder, `${door}.d.ts`) },
      tsdocMetadata: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: "error" } },
        extractorMessageReporting: none,
        tsdocMessageReporting: none
      }
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, "package.json")
  })
)

/** TypeScript writes one declaration, or one member, a line. */
const declared = /^(?:export declare (?!namespace).*| {4,}(?:(?:static|readonly|get|set) )*(?!_tag\b)[\w"]+\??[:(<].*)$/

/** The declarations and members without a comment above. */
const undocumented = (text) =>
  text.split("\n").filter((line, index, lines) => declared.test(line) && !lines[index - 1].trim().endsWith("*/"))

const fail = (message) => {
  console.error(message)
  process.exitCode = 1
}

try {
  // One TypeScript for both doors: reading Effect's declarations takes longer than everything else.
  const compilerState = CompilerState.create(configs[0], { additionalEntryPoints: doors.slice(1).map(declarationsOf) })
  for (const [index, door] of doors.entries()) {
    const { apiReportChanged, errorCount } = Extractor.invoke(configs[index], {
      compilerState,
      localBuild: update,
      messageCallback: (message) => {
        // It tells which TypeScript it has, and of a report that changed; the second is told below.
        if (message.logLevel !== "error") message.handled = true
      }
    })
    if (errorCount > 0) fail(`The declarations of layers/${door}.ts are at fault.`)
    if (apiReportChanged && !update) {
      fail(`layers/${door}.api.md is not what layers/${door}.ts exports. Run npm run api, and look at the difference.`)
    }
    const bare = undocumented(readFileSync(join(folder, `${door}.d.ts`), "utf8"))
    if (bare.length > 0) fail(`Without a comment, in what layers/${door}.ts exports:\n${bare.join("\n")}`)
  }
} finally {
  rmSync(folder, { recursive: true })
}
