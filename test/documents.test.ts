/** Checks the documents: links lead somewhere, code compiles, commands exist, and tables match the code. */
import { execFile } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { buildSync } from "esbuild"
import {
  BackupError,
  ConnectionError,
  DatabaseConfig,
  type DatabaseOptions,
  DirectoryError,
  exitCode,
  exitCodeOf,
  FleetError,
  HistoryError,
  type InitializationError,
  IntegrityError,
  LockError,
  MigrationSourceError,
  Migrations,
  type NewFile,
  PragmaError,
  type Pragmas,
  RestoreError,
  StageTimeoutError,
  UpgradeError
} from "../layers/index.ts"
import { lint } from "../layers/operate.ts"
import packageJson from "../package.json" with { type: "json" }
import servicePackage from "../src/service/package.json" with { type: "json" }
import { independently, start, temporaryFile, temporaryFolder } from "./support/database.ts"
import {
  type Document,
  documents,
  examplesInComments,
  type Fence,
  readDocument,
  root,
  rowsIn,
  targetOf,
  wordsIn
} from "./support/documents.ts"
import { runProgram } from "./support/program.ts"

const readme = readDocument("README.md")
const library = readDocument("layers/README.md")
const migrations = readDocument("migrations/README.md")
const program = readDocument("src/program/README.md")
const readmes = documents.filter(({ path }) => path.endsWith("README.md"))

const recipesInOrder = [
  "Rebuild a table",
  "Rename a column or a table",
  "Drop a table that others refer to",
  "Backfill a column",
  "Restrict a column to an enumeration",
  "Add full-text search",
  "Add a generated column",
  "Split a table",
  "Merge rows",
  "Index a large table"
]

const fencesOf = (language: string, of: ReadonlyArray<Document> = documents) =>
  of.flatMap((document) => document.fences.filter((fence) => fence.language === language))

/** The one fence of a language under a heading. */
const fenceUnder = ({ fences, path }: Document, heading: string, language: string): string => {
  const [fence] = fences.filter((one) => one.heading === heading && one.language === language)
  if (fence === undefined) throw new Error(`${path} has no ${language} under ${heading}`)
  return fence.text
}

/** A temporary folder inside this repository, where packages are found. */
const folderInside = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(root, "test", "documents-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
)

/** Runs a program to its end. The event loop stays free: a worker that is silent for a minute counts as broken. */
const runToEnd = (cwd: string, command: string, words: ReadonlyArray<string>) =>
  Effect.async<{ readonly stdout: string; readonly stderr: string }>((resume) => {
    execFile(command, [...words], { cwd }, (_, stdout, stderr) => resume(Effect.succeed({ stdout, stderr })))
  })

describe("a link", () => {
  it("leads to an existing file, and to a heading in it", () => {
    const dead = documents.flatMap((document) =>
      document.links
        .filter(({ target }) => !/^https:\/\/[^/]+\.\w+/.test(target))
        .filter((link) => {
          const { anchor, path } = targetOf(document, link)
          if (!existsSync(join(root, path))) return true
          return anchor !== "" && !readDocument(path).anchors.has(anchor)
        })
        .map(({ target }) => `${document.path}: ${target}`)
    )
    assert.deepStrictEqual(dead, [])
  })

  it("is not needed to name a file: its path in code exists in this repository", () => {
    const folders = new Set(readdirSync(root))
    const named = documents.flatMap(({ path, prose }) =>
      [...prose.join("\n").matchAll(/`((?:[\w.-]+\/)+[\w.-]*\w|[A-Z]+\.md)`/g)]
        .map(([, file = ""]) => file)
        .filter((file) => folders.has(file.split("/")[0] ?? "") || file.endsWith(".md"))
        .filter((file) => !existsSync(join(root, file)) && !made.has(file))
        .map((file) => `${path}: ${file}`)
    )
    assert.deepStrictEqual(named, [])
  })
})

/** Paths in examples that look like those of this repository. */
const made = new Set(["data/app.db", "migrations/001_create_notes.sql"])

describe("a README", () => {
  it("has at most 130 lines and 1,800 words, if it is the first one", () => {
    assert.isAtMost(readme.text.trimEnd().split("\n").length, 130)
    assert.isAtMost(readme.text.split(/\s+/).length, 1800)
  })

  for (const { path, sentences, sentencesInTables } of readmes) {
    it(`is read once: sentences of ${path}`, () => {
      const lengths = sentences.map(wordsIn).toSorted((one, other) => one - other)
      assert.isAtMost(lengths[Math.floor(lengths.length / 2)] ?? 0, 15, "the median")
      assert.deepStrictEqual(
        [...sentences, ...sentencesInTables].filter((sentence) => wordsIn(sentence) > 35),
        []
      )
    })
  }
})

describe("an example", () => {
  it.scopedLive("compiles, in every document and comment, with the declarations that are published", () =>
    Effect.gen(function* () {
      const folder = yield* folderInside
      const inComments = examplesInComments()
      const examples = [...fencesOf("ts").map(({ text }) => text), ...inComments]
      for (const [index, text] of examples.entries()) writeFileSync(join(folder, `example${index}.ts`), text)
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          extends: "../../tsconfig.json",
          compilerOptions: {
            // Declarations that are at fault would be `any` to their users.
            skipLibCheck: false,
            paths: {
              "database-ready": ["../../dist/layers/index.d.ts"],
              "database-ready/http": ["../../dist/layers/http.d.ts"],
              "database-ready/operate": ["../../dist/layers/operate.d.ts"],
              "database-ready/postgres": ["../../dist/layers/postgres.d.ts"],
              "database-ready/testing": ["../../dist/layers/testing.d.ts"],
              "conversation-files/client": ["../../src/service/Client.ts"]
            }
          },
          include: ["*.ts", "../../src/build/*.d.ts"]
        })
      )
      const { stderr, stdout } = yield* runToEnd(root, join(root, "node_modules/.bin/tsc"), ["-p", folder])
      // What is wrong with the declarations of other packages is not ours.
      assert.deepStrictEqual(
        `${stderr}${stdout}`.split("\n").filter((line) => /^(?!node_modules\/)\S/.test(line)),
        []
      )
      assert.isAbove(examples.length - inComments.length, 5)
      assert.isAbove(inComments.length, 5)
    })
  )

  it.scopedLive("of the README runs, and is ready", () =>
    Effect.gen(function* () {
      const folder = yield* folderInside
      writeFileSync(join(folder, "main.ts"), fenceUnder(readme, "Use", "ts"))
      buildSync({
        entryPoints: [join(folder, "main.ts")],
        bundle: true,
        platform: "node",
        format: "esm",
        packages: "external",
        alias: { "database-ready": join(root, "layers/index.ts") },
        outfile: join(folder, "main.mjs"),
        logLevel: "error"
      })
      mkdirSync(join(folder, "migrations"))
      writeFileSync(join(folder, "migrations/001_create_notes.sql"), fenceUnder(readme, "Use", "sql"))
      const ended = yield* runToEnd(folder, process.execPath, ["main.mjs"])
      assert.include(ended.stdout, "ready, schema 001", ended.stderr)
      assert.include(ended.stdout, "hello")
    })
  )
})

/** The tests that run what is in fences, besides this file: by language, and where it needs it by heading. */
const shownBy: Readonly<Record<string, ReadonlyArray<string> | "anywhere">> = {
  ts: "anywhere",
  sh: "anywhere",
  // test/install.test.ts has its lines.
  json: ["Runtimes and drivers"],
  // test/declarations.test.ts reads the first one.
  sql: ["Declarations", "Use", "Lint", "Repeatable migrations", ...recipesInOrder],
  // test/deploy/manifests.test.ts reads them.
  yaml: ["Probes", "What a supervisor has to allow"],
  ini: ["What a supervisor has to allow"],
  dockerfile: ["Probes"],
  // test/operate/proof.test.ts runs the last one.
  "": ["database-ready", "The program", "The commands", "A proof"]
}

describe("a fence", () => {
  it("is compiled, run or compared by a test, in every document", () => {
    const others = documents.flatMap(({ fences, path }) =>
      fences
        .filter(({ heading, language }) => shownBy[language] !== "anywhere" && !shownBy[language]?.includes(heading))
        .map(({ heading, language }) => `${path}: ${language} under ${heading}`)
    )
    assert.deepStrictEqual(others, [])
  })

  it.effect("about lint silences the finding that it names", () =>
    Effect.gen(function* () {
      const first = "CREATE TABLE identity (id TEXT NOT NULL);\n"
      const withFence = `${first}${fenceUnder(migrations, "Lint", "sql")}`
      const findingsOf = (text: string) =>
        Effect.map(lint(Migrations.fromRecord({ "001_identity.sql": text })), ({ findings }) =>
          findings.map(({ code }) => code)
        )
      assert.deepStrictEqual(yield* findingsOf(withFence), [])
      assert.deepStrictEqual(yield* findingsOf(withFence.replace(/^--.*$/m, "")), ["depends-on-time"])
    })
  )

  it.scoped("about repeatable migrations makes its view", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { repeated } = yield* start(file, {
        migrations: Migrations.fromRecord({
          "001_create.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT, paid INTEGER NOT NULL);",
          "R__open_orders.sql": fenceUnder(migrations, "Repeatable migrations", "sql")
        })
      })
      assert.deepStrictEqual(repeated, ["R__open_orders"])
    })
  )
})

/** Masks durations, free space, hashes and paths, which differ from run to run. */
const masked = (text: string): string =>
  text
    .replaceAll(/ +[\d.]+ ms/g, " N ms")
    .replaceAll(/\S+, [\d.]+ [MGT]B free/g, "DISK")
    .replaceAll(/SQLite [\d.]+/g, "SQLite")
    .replaceAll(/schema [0-9a-f]{12}/g, "schema HASH")
    .replaceAll(/\S*data\/app\.db/g, "FILE")
    .trim()

describe("an output", () => {
  it.scoped("of a start in the README is what the program prints", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      mkdirSync(join(folder, "migrations"))
      const write = (name: string, text: string) => writeFileSync(join(folder, "migrations", name), text)
      write("001_create_notes.sql", fenceUnder(readme, "Use", "sql"))
      write(
        "002_add_owner.sql",
        "CREATE TABLE owners (id INTEGER PRIMARY KEY);\nALTER TABLE notes ADD COLUMN owner INTEGER REFERENCES owners (id);\n"
      )
      const init = () => runProgram(["init", "--database", "data/app.db"], { cwd: folder })
      const [ready = "", refused = ""] = readme.fences.map(({ text }) => masked(text))
      assert.strictEqual(masked((yield* init()).stdout), ready)
      write(
        "003_add_tags.sql",
        "CREATE TABLE tags (id INTEGER PRIMARY KEY);\nCREATE TABEL note_tags (note INTEGER, tag INTEGER);\n"
      )
      // On a slow machine, lines of progress come before it.
      assert.strictEqual(masked((yield* init()).stderr.replace(/^.*?(?=not ready)/s, "")), refused)
    })
  )
})

/** Each line of a shell fence, without comments and joined where it is continued. */
const commandsOf = ({ text }: Fence): ReadonlyArray<string> =>
  text
    .replaceAll("\\\n", " ")
    .split("\n")
    .flatMap((line) => line.replace(/(^|\s)#.*$/, "").split("&&"))
    .map((command) => command.trim())
    .filter((command) => command !== "")

/** Those of the README, and of the other commands on their own page. */
const usageLines = [fenceUnder(readme, "The program", ""), fenceUnder(program, "The commands", "")].flatMap((fence) =>
  fence.trim().split("\n")
)

const scripts = new Set(["install", "pack", ...Object.keys(packageJson.scripts)])

/** Whether `name@version` is a peer, in the version from which on the package accepts it. */
const isAccepted = (word: string): boolean => {
  const [name = "", version = ""] = word.split(/(?<=.)@/)
  return Object.entries(packageJson.peerDependencies).some(
    ([peer, range]) => peer === name && range === `^${version}.0`
  )
}

/** Below `test`. Packages of their own, such as the benchmark's, are large. */
const testFiles = readdirSync(join(root, "test"), { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() && !/^(?:node_modules|bench|mutation)$/.test(entry.name)
    ? readdirSync(join(root, "test", entry.name), { recursive: true }).map((file) => join(entry.name, String(file)))
    : [entry.name]
)

/** Whether a command line is a known script, or another test runs it. */
const isKnown = (command: string): boolean => {
  const words = command.replace(/^(?:[A-Z_]+=\S+ )+/, "").split(/\s+/)
  const [first = "", second = "", third = ""] = words
  // test/install.test.ts runs these two.
  if (/^(npm install|pnpm add) .*\.\/database-ready-/.test(command)) return true
  // Without a version npm takes the newest one, which the package may not accept.
  if (first === "npm" && second === "install" && third !== "") return words.slice(2).every(isAccepted)
  if (first === "npm") return scripts.has(second === "run" ? third : second)
  if (first !== "npx") return false
  if (second === "database-ready") return usageLines.some((line) => line.startsWith(`database-ready ${third} `))
  // test/bundles.test.ts runs the same options.
  if (second === "esbuild") {
    const options = ["--bundle", "--platform=node", "--target=node20", "--external:better-sqlite3"]
    return (
      options.every((option) => words.includes(option)) && /--format=cjs|--format=esm .*createRequire/.test(command)
    )
  }
  const [, , , option, config = "", name = ""] = words
  return (
    second === "vitest" &&
    option === "--config" &&
    existsSync(join(root, config)) &&
    testFiles.some((file) => file.includes(name))
  )
}

describe("a command line", () => {
  it("is a script of this package, a command of the program, or an existing test", () => {
    const unknown = fencesOf("sh")
      .flatMap(commandsOf)
      .filter((command) => !isKnown(command))
    assert.deepStrictEqual(unknown, [])
  })

  it("for a fresh machine is in the README: the two that do all the set-up", () => {
    assert.deepStrictEqual(commandsOf({ language: "sh", heading: "", text: fenceUnder(readme, "Develop", "sh") }), [
      "npm install",
      "npm run init",
      "npm install",
      "npm test"
    ])
  })

  it.live("has the flags that the program's help has, each with what it takes, for each command", () =>
    Effect.gen(function* () {
      const commands = readdirSync(join(root, "src/program/commands")).map((file) =>
        file.replace(".ts", "").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
      )
      assert.sameMembers(
        usageLines.map((line) => line.split(" ")[1]),
        commands
      )
      for (const line of usageLines) {
        const [, command = ""] = /^database-ready ([\w-]+)/.exec(line) ?? []
        const { stdout } = yield* runProgram([command, "--help"])
        const [, options = ""] = stripVTControlCharacters(stdout).split(/\nOPTIONS\n/)
        const told = [...options.matchAll(/^(--\S+)( .+)?$/gm)].filter(([, flag]) => isOwn(flag))
        assert.sameMembers(
          [...line.matchAll(/\[(--[^\]]+)\]/g)].map(([, flag]) => flag),
          // A list of choices that does not fit in one line has a name in the document.
          told.map(([line, flag]) => (line.endsWith(" |") ? `${flag} TOOL` : line.replaceAll(" | ", "|"))),
          command
        )
      }
    })
  )

  it("has its flags in the table of operations too", () => {
    const told = new Set([...usageLines.join("\n").matchAll(/--[\w-]+/g)].map(([flag]) => flag))
    const listed = rowsIn(program).flatMap(([cell = ""]) => /^`(--[\w-]+)/.exec(cell)?.[1] ?? [])
    assert.sameMembers(listed, [...told])
  })
})

/** The parser adds these to every command. */
const isOwn = (flag: string | undefined): boolean =>
  flag !== undefined && !/^--(help|version|completions|log-level)$/.test(flag)

type Refused = InitializationError | RestoreError | FleetError
type ReasonOf<Tag> = Extract<Refused, { readonly _tag: Tag }>["reason"]

const facts = { code: "", detail: "", retryable: false }
const backup = { ...facts, backup: "/srv/app.backup" }
const again = { retryable: true }

/** A row of the table for each reason: what `exitCodeOf` makes of an error without a code of SQLite or the system. */
const rowsOf = <Reason extends string>(
  tag: Refused["_tag"],
  make: (reason: Reason) => Refused,
  reasons: Readonly<Record<Reason, typeof again | undefined>>
): ReadonlyArray<string> => {
  const rows: Array<string> = []
  for (const reason in reasons) {
    const error = make(reason)
    const isRetryable = reasons[reason] !== undefined
    rows.push(`${tag}.${reason} ${isRetryable ? exitCode.tryAgain : exitCodeOf(error)}`)
  }
  return rows
}

/** A new error or reason does not compile until it is here. `again` is one that is always retryable. */
const allRows: Readonly<Record<Refused["_tag"], ReadonlyArray<string>>> = {
  MigrationSourceError: rowsOf<ReasonOf<"MigrationSourceError">>(
    "MigrationSourceError",
    (reason) => new MigrationSourceError({ ...facts, reason, path: "" }),
    {
      DirectoryUnreadable: undefined,
      BadName: undefined,
      BadLayout: undefined,
      NotUtf8: undefined,
      BadDeclaration: undefined,
      Duplicate: undefined,
      NotLoaded: undefined
    }
  ),
  DirectoryError: rowsOf<ReasonOf<"DirectoryError">>(
    "DirectoryError",
    (reason) => new DirectoryError({ ...facts, reason, path: "" }),
    {
      InvalidFilename: undefined,
      Taken: undefined,
      OtherEngine: undefined,
      NotADirectory: undefined,
      NotFound: undefined,
      PermissionDenied: undefined,
      BrokenLink: undefined,
      ReadOnlyFilesystem: undefined,
      DiskFull: undefined,
      NetworkFilesystem: undefined,
      UnknownFilesystem: undefined,
      Unavailable: undefined
    }
  ),
  ConnectionError: rowsOf<ReasonOf<"ConnectionError">>(
    "ConnectionError",
    (reason) => new ConnectionError({ ...facts, reason, file: "" }),
    {
      Absent: undefined,
      Orphaned: undefined,
      Moved: undefined,
      NotAFile: undefined,
      NotRecovered: undefined,
      NotADatabase: undefined,
      Damaged: undefined,
      CannotCreate: undefined,
      CannotOpen: undefined,
      PermissionDenied: undefined,
      ReadOnly: undefined,
      NotReadable: undefined,
      NotShared: undefined,
      DiskFull: undefined,
      IoError: undefined,
      Busy: undefined,
      Replaced: undefined,
      DriverNotLoaded: undefined,
      UnsafeDriver: undefined,
      OnOpenFailed: undefined,
      MissingExtension: undefined,
      UnsafeSqlite: undefined,
      ForeignApplication: undefined
    }
  ),
  PragmaError: rowsOf<ReasonOf<"PragmaError">>(
    "PragmaError",
    (reason) => new PragmaError({ reason, pragma: "", wanted: "", got: "", detail: "", retryable: false }),
    { Mismatch: undefined, OutOfRange: undefined, Refused: undefined, Unreadable: undefined }
  ),
  HistoryError: rowsOf<ReasonOf<"HistoryError">>(
    "HistoryError",
    (reason) => new HistoryError({ ...facts, reason, migrations: [] }),
    {
      ForeignHistory: undefined,
      NotCompleted: undefined,
      RecordedTwice: undefined,
      OtherApplication: undefined,
      NewerDatabase: undefined,
      Missing: undefined,
      Edited: undefined,
      Renamed: undefined,
      Late: undefined,
      VersionMismatch: undefined,
      Unrecorded: undefined,
      Unreadable: undefined
    }
  ),
  BackupError: rowsOf<ReasonOf<"BackupError">>("BackupError", (reason) => new BackupError({ ...backup, reason }), {
    NoSpace: undefined,
    NotWritten: undefined
  }),
  UpgradeError: rowsOf<ReasonOf<"UpgradeError">>(
    "UpgradeError",
    (reason) => new UpgradeError({ ...facts, reason, migration: "", statement: "", line: 0, losses: [] }),
    {
      Pending: undefined,
      Busy: again,
      DeadlineTooShort: undefined,
      StatementFailed: undefined,
      EffectFailed: undefined,
      TransactionEnded: undefined,
      NotAllowed: undefined,
      Incomplete: undefined,
      NotSql: undefined,
      ForeignKeyViolations: undefined,
      ForeignKeyMismatch: undefined,
      RowsDeleted: undefined,
      SchemaBroken: undefined,
      HistoryRewritten: undefined,
      NotWritten: undefined
    }
  ),
  IntegrityError: rowsOf<ReasonOf<"IntegrityError">>(
    "IntegrityError",
    (reason) => new IntegrityError({ ...facts, reason, difference: undefined, findings: [] }),
    {
      SchemaDiffers: undefined,
      SchemaBroken: undefined,
      DamagedPages: undefined,
      ForeignKeyViolations: undefined,
      Unreadable: undefined
    }
  ),
  LockError: rowsOf<ReasonOf<"LockError">>(
    "LockError",
    (reason) => new LockError({ ...facts, reason, stage: "migrations" }),
    {
      NotReleased: again,
      LocksRefused: undefined
    }
  ),
  StageTimeoutError: rowsOf<ReasonOf<"StageTimeoutError">>(
    "StageTimeoutError",
    (reason) =>
      new StageTimeoutError({
        reason,
        stage: "migrations",
        timeoutMs: 1,
        attempts: 1,
        doing: "",
        waitingFor: "",
        holders: []
      }),
    { Stage: undefined, Start: undefined }
  ),
  FleetError: rowsOf<ReasonOf<"FleetError">>(
    "FleetError",
    (reason) => new FleetError({ ...facts, reason, name: "", directory: "" }),
    {
      InvalidName: undefined,
      InvalidExtension: undefined,
      OtherEngine: undefined,
      NotFound: undefined,
      Linked: undefined,
      Unreadable: undefined
    }
  ),
  RestoreError: rowsOf<ReasonOf<"RestoreError">>(
    "RestoreError",
    (reason) => new RestoreError({ ...backup, reason, database: "", candidates: [] }),
    {
      NoBackup: undefined,
      Ambiguous: undefined,
      TwoChoices: undefined,
      SameFile: undefined,
      NotABackup: undefined,
      NotProven: undefined,
      InUse: again,
      TimedOut: again,
      NoSpace: undefined,
      NotWritten: undefined
    }
  )
}

describe("a table", () => {
  for (const { dependencies, document } of [
    {
      document: readDocument("CONTRIBUTING.md"),
      dependencies: { ...packageJson.dependencies, ...packageJson.peerDependencies, ...packageJson.devDependencies }
    },
    // What the library has too has its reason there.
    { document: readDocument("src/service/README.md"), dependencies: servicePackage.dependencies }
  ]) {
    it(`of dependencies in ${document.path} has every one`, () => {
      const told = new Set(
        rowsIn(document).flatMap(([cell = ""]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name))
      )
      const isOfLibrary = (name: string) => document.path !== "CONTRIBUTING.md" && name in packageJson.devDependencies
      const missing = Object.keys(dependencies).filter(
        (name) => !told.has(name) && !name.startsWith("@types/") && !isOfLibrary(name)
      )
      assert.deepStrictEqual(missing, [])
    })
  }

  it("of errors has every reason, with the exit code that the program ends with", () => {
    const told = rowsIn(library).flatMap(([cell = "", , code = ""]) => {
      const [, name = ""] = /^`(\w+Error\.\w+)`$/.exec(cell) ?? []
      return name === "" ? [] : [`${name} ${code.replace("*", "")}`]
    })
    assert.sameMembers(told, Object.values(allRows).flat())
  })

  for (const document of [readme, program]) {
    it(`of exit codes in ${document.path} has every code of the program`, () => {
      const told = rowsIn(document).flatMap(([cell = ""]) => (/^\d[\d, ]*$/.test(cell) ? cell.split(", ") : []))
      assert.sameMembers(told, [...Object.values(exitCode).map(String), "130", "143"])
    })
  }

  it("of options has every option, with its default", () => {
    const told = new Map<string, string>()
    for (const [cell = "", , byDefault = ""] of rowsIn(library)) {
      // A stage may have the same name as an option: the first table is the one of the options.
      for (const [, name = ""] of cell.matchAll(/`(\w+)`/g)) if (!told.has(name)) told.set(name, byDefault)
    }
    const defaults: Readonly<Record<keyof DatabaseOptions | keyof Pragmas | keyof NewFile, string>> = {
      filename: "required",
      access: "`initialize`",
      integrity: "`auto`",
      timeout: "60 s",
      policies: "below",
      pragmas: "below",
      onOpen: "none",
      newFile: "SQLite's",
      applicationId: "none",
      program: "empty",
      backups: "2",
      permissions: "`owner`",
      trustedFilesystems: "none",
      client: "none",
      lockPatience: "5 s",
      readers: "4",
      healthInterval: "1 s",
      onProgress: "none",
      busyTimeout: "5 s",
      journalMode: "`wal`",
      synchronous: "`normal`",
      trustedSchema: "false",
      cellSizeCheck: "true",
      journalSizeLimit: "64 MiB",
      tempStore: "`memory`",
      cacheSize: "-64000",
      mmapSize: "0",
      secureDelete: "SQLite's",
      walAutocheckpoint: "1000",
      recursiveTriggers: "false",
      analysisLimit: "0",
      threads: "0",
      softHeapLimit: "0",
      hardHeapLimit: "0",
      maxPageCount: "4294967294",
      cacheSpill: "true",
      automaticIndex: "true",
      fullFsync: "false",
      checkpointFullFsync: "false",
      pageSize: "4096",
      autoVacuum: "`none`",
      encoding: "`UTF-8`"
    }
    for (const [name, byDefault] of Object.entries(defaults)) assert.strictEqual(told.get(name), byDefault, name)
    const { access, backups, integrity, permissions, pragmas } = DatabaseConfig.from({ filename: "app.db" })
    assert.deepInclude(
      { access, backups, integrity, permissions, ...pragmas },
      {
        access: "initialize",
        backups: 2,
        integrity: "auto",
        permissions: "owner",
        journalMode: "wal",
        synchronous: "normal",
        trustedSchema: false,
        cellSizeCheck: true,
        journalSizeLimit: 64 * 1024 * 1024,
        tempStore: "memory",
        cacheSize: -64_000,
        mmapSize: 0
      }
    )
  })
})

/** The starting point of the recipes: an owner without pets, one with two, and two with one name. */
const before = `CREATE TABLE owners (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE pets (id INTEGER PRIMARY KEY, owner INTEGER REFERENCES owners (id) ON DELETE CASCADE);`
const rows = `INSERT INTO owners VALUES (1, 'ada'), (2, 'ben'), (3, 'ada'), (4, NULL);
INSERT INTO pets VALUES (1, 1), (2, 1), (3, 3), (4, NULL);`

/** The result of each recipe: a query and its answer. */
const recipes: Readonly<Record<string, readonly [question: string, answer: unknown]>> = {
  "Rebuild a table": [
    "SELECT (SELECT group_concat(name) FROM owners) || ' ' || (SELECT count(*) FROM pets WHERE owner IS NOT NULL)",
    "ada,ben,ada, 3"
  ],
  "Rename a column or a table": [
    "SELECT group_concat(full_name) FROM animals JOIN owners ON owners.id = animals.owner",
    "ada,ada,ada"
  ],
  "Drop a table that others refer to": [
    "SELECT count(*) || group_concat((SELECT name FROM sqlite_schema WHERE name = 'owners')) FROM pets",
    null
  ],
  "Backfill a column": ["SELECT group_concat(label) FROM pets", "pet 1,pet 2,pet 3,pet 4"],
  "Restrict a column to an enumeration": ["SELECT group_concat(kind) FROM pets", "other,other,other,other"],
  "Add full-text search": ["SELECT group_concat(rowid) FROM owner_search WHERE owner_search MATCH 'ada'", "1,3"],
  "Add a generated column": ["SELECT group_concat(initial) FROM owners INDEXED BY owners_by_initial", "A,A,B"],
  "Split a table": ["SELECT group_concat(name) FROM owner_names JOIN owners ON owners.id = owner", "ada,ben,ada"],
  "Merge rows": [
    "SELECT (SELECT group_concat(owner) FROM pets) || ' ' || (SELECT group_concat(id) FROM owners)",
    "1,1,1 1,2,4"
  ],
  "Index a large table": ["SELECT count(*) FROM pets INDEXED BY pets_with_owner WHERE owner IS NOT NULL", 3]
}

describe("a recipe of the cookbook", () => {
  const cookbook = migrations.fences.slice(migrations.fences.findIndex(({ heading }) => heading in recipes))

  it("is tested, each of the ten", () => {
    assert.deepStrictEqual(
      cookbook.map(({ heading }) => heading),
      recipesInOrder
    )
    assert.sameMembers(Object.keys(recipes), recipesInOrder)
  })

  for (const { heading, text } of cookbook) {
    it.scoped(`works on a database with rows: ${heading}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const first = { "001_create.sql": before }
        yield* start(file, { migrations: Migrations.fromRecord(first) })
        yield* independently(file, (connection) => connection.exec(rows))
        const { schemaVersion } = yield* start(file, {
          migrations: Migrations.fromRecord({ ...first, "002_change.sql": text })
        })
        assert.strictEqual(schemaVersion, "002")
        const [question, answer] = recipes[heading] ?? ["SELECT 1", undefined]
        const found = yield* independently(file, (connection) => connection.prepare(question).pluck().get())
        assert.strictEqual(found, answer)
      })
    )
  }
})
