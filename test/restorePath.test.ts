/** A restore finds the database as a start does, and refuses what a start refuses. */
import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type RestoreStep, restoreBackup } from "../layers/index.ts"
import {
  independently,
  onlyFirst,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"
import { runProgram } from "./support/program.ts"

const restore = (options: Parameters<typeof restoreBackup>[0]) => Effect.provide(restoreBackup(options), platform)

/** A backup, and a folder for the restored database. */
const prepared = Effect.gen(function* () {
  const file = yield* temporaryFile
  yield* start(file, { migrations: onlyFirst })
  const { backup = "" } = yield* start(file)
  const folder = yield* temporaryFolder
  return { backup, file, folder, at: (name: string) => join(folder, name) }
})

describe("the database of a restore", () => {
  it.scopedLive("is refused as a start refuses it, with its exit code, and nothing is created", () =>
    Effect.gen(function* () {
      const { at, backup, folder } = yield* prepared
      mkdirSync(at("directory"))
      writeFileSync(at("text"), "a file")
      spawnSync("mkfifo", [at("fifo")])
      symlinkSync("/dev/null", at("device"))
      symlinkSync(at("fifo"), at("link to fifo"))
      symlinkSync(at("nowhere"), at("dangling"))
      symlinkSync(at("one way"), at("other way"))
      symlinkSync(at("other way"), at("one way"))
      mkdirSync(at("wal.db-wal"))
      const before = readdirSync(folder)
      const cases = [
        [":memory:", "DirectoryError.InvalidFilename", 64],
        ["file:x.db", "DirectoryError.InvalidFilename", 64],
        ["FILE:///x.db?mode=rwc", "DirectoryError.InvalidFilename", 64],
        ["sqlite:x.db", "DirectoryError.InvalidFilename", 64],
        ["postgres:/x/app", "DirectoryError.OtherEngine", 64],
        ["app.db/", "DirectoryError.InvalidFilename", 64],
        ["..", "DirectoryError.InvalidFilename", 64],
        ["app.db\n", "DirectoryError.InvalidFilename", 64],
        // What a runtime makes of bytes that are not UTF-8: it would be another file.
        ["app\uFFFD.db", "DirectoryError.InvalidFilename", 64],
        ["dangling", "DirectoryError.BrokenLink", 73],
        ["one way", "DirectoryError.BrokenLink", 73],
        ["text/app.db", "DirectoryError.NotADirectory", 73],
        ["directory", "ConnectionError.NotAFile", 73],
        ["fifo", "ConnectionError.NotAFile", 73],
        ["device", "ConnectionError.NotAFile", 73],
        ["link to fifo", "ConnectionError.NotAFile", 73],
        ["wal.db", "ConnectionError.NotAFile", 73]
      ] as const
      for (const [name, expected, exitCode] of cases) {
        for (const named of [["--backup", backup], []]) {
          const { code, stdout } = yield* runProgram(["restore", "--json", "--database", name, ...named], {
            cwd: folder
          })
          const { error } = JSON.parse(stdout)
          assert.deepStrictEqual([`${error._tag}.${error.reason}`, code], [expected, exitCode], `${name} ${named}`)
        }
      }
      const refused = yield* refusal(restore({ filename: `${at("a")}\0b`, backup }))
      assert.deepInclude({ ...refused }, { _tag: "DirectoryError", reason: "InvalidFilename" })
      assert.deepStrictEqual(readdirSync(folder), before)
      assert.isTrue(lstatSync(at("dangling")).isSymbolicLink())
    })
  )

  it.scoped("is found through a link, which stays, and through another name of the same file", () =>
    Effect.gen(function* () {
      const { at, backup, file } = yield* prepared
      symlinkSync(file, at("link.db"))
      assert.strictEqual((yield* restore({ filename: at("link.db"), backup })).database, file)
      assert.isTrue(lstatSync(at("link.db")).isSymbolicLink())
      const other = join(dirname(file), "other.db")
      linkSync(file, other)
      yield* restore({ filename: other, backup })
      assert.strictEqual(statSync(other).ino, statSync(file).ino)
    })
  )

  it.scoped("gets its missing directories, once the backup is proven", () =>
    Effect.gen(function* () {
      const { at, backup } = yield* prepared
      const file = at("new/directory/app.db")
      const refused = yield* refusal(restore({ filename: file, backup: at("absent") }))
      assert.deepInclude({ ...refused }, { _tag: "RestoreError", reason: "NoBackup" })
      assert.isFalse(existsSync(at("new")))
      yield* restore({ filename: file, backup })
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }])
    })
  )
})

describe("a restore of a large file", () => {
  it.scopedLive("tells each step that takes long before it runs, as a program too", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* independently(file, (connection) =>
        connection.exec("INSERT INTO notes (body) VALUES (zeroblob(34000000))")
      )
      const { backup = "" } = yield* start(file)
      const told: Array<string> = []
      const onProgress = ({ bytes, doing }: RestoreStep) =>
        Effect.sync(() => told.push(`${doing}: ${Math.round(bytes / 1_000_000)} MB`))
      yield* restore({ filename: file, backup, onProgress })
      const steps = ["checking the backup", "copying the backup", "keeping what was there", "writing the database"]
      assert.deepStrictEqual(
        told,
        steps.map((step) => `${step}: 34 MB`)
      )
      const args = ["restore", "--database", file, "--backup", backup, "--json=stream"]
      const { code, stderr, stdout } = yield* runProgram(args)
      assert.deepStrictEqual([code, stderr], [0, ""])
      const lines = stdout.trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.slice(0, -1).map((line) => JSON.parse(line).doing),
        steps
      )
      assert.strictEqual(JSON.parse(lines.at(-1) ?? "").status, "restored")
    })
  )
})

describe("the backup of a restore", () => {
  it.scoped("must be a file: anything else is refused", () =>
    Effect.gen(function* () {
      const { at, backup, file } = yield* prepared
      symlinkSync(at("nowhere"), at("dangling"))
      symlinkSync(at("circle"), at("circle"))
      const blank = `${at("copy")} `
      copyFileSync(backup, blank)
      const cases = [
        ["", "NoBackup"],
        [":memory:", "NoBackup"],
        [`file:${backup}`, "NoBackup"],
        [blank, "NoBackup"],
        [`${backup}/`, "NoBackup"],
        [`${backup}/x`, "NoBackup"],
        [`${backup}\0`, "NoBackup"],
        [at("dangling"), "NoBackup"],
        [at("circle"), "NoBackup"],
        [dirname(file), "NotABackup"]
      ] as const
      for (const [named, reason] of cases) {
        const refused = yield* refusal(restore({ filename: file, backup: named }))
        assert.deepInclude({ ...refused }, { _tag: "RestoreError", reason }, named)
      }
      symlinkSync(backup, at("link"))
      assert.strictEqual((yield* restore({ filename: file, backup: at("link") })).schemaVersion, "001")
    })
  )
})
