/** Backups that are asked for, and the list of all backups. */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { basename, dirname, join } from "node:path"
import { gunzipSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCode, exitCodeOf } from "../../layers/index.ts"
import { backUp, listBackups } from "../../layers/operate.ts"
import {
  crashAfter,
  independently,
  notes,
  onlyFirst,
  openConnection,
  pictureOf,
  platform,
  refusal,
  rivalProcess,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { everything, kill, limit, options, skipped, unavailable, wasReached } from "../support/faults.ts"
import { program, runProgram } from "../support/program.ts"

const copy = (chosen: Parameters<typeof backUp>[0]) => Effect.provide(backUp(chosen), platform)
const list = (chosen: Parameters<typeof listBackups>[0]) => Effect.provide(listBackups(chosen), platform)
const bodies = "SELECT body FROM notes ORDER BY id"

const ready = Effect.tap(temporaryFile, (file) => start(file, { migrations: notes }))
const hasZstd = "createZstdCompress" in (await import("node:zlib"))

describe("a backup", () => {
  it.scoped("is a whole, checked file that only its owner may use, named by its time, next to the database", () =>
    Effect.gen(function* () {
      const file = yield* ready
      chmodSync(file, 0o664)
      yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('in the WAL')")
      const made = yield* copy({ filename: file })
      assert.match(made.backup, /\.\d{8}T\d{9}Z\.backup$/)
      assert.strictEqual(dirname(made.backup), dirname(file))
      assert.strictEqual(made.schemaVersion, "002")
      assert.strictEqual(made.bytes, statSync(made.backup).size)
      assert.strictEqual(made.databaseBytes, made.bytes)
      assert.strictEqual(statSync(made.backup).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* rowsOf(made.backup, bodies), [{ body: "first" }, { body: "in the WAL" }])
      assert.deepStrictEqual(
        readdirSync(dirname(file)).filter((name) => name.includes("partial")),
        []
      )
    })
  )

  it.scoped("is of one moment while others write, and keeps nobody from writing", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const writer = yield* openConnection(file)
      writer.exec("BEGIN IMMEDIATE; INSERT INTO notes (body) VALUES ('not committed')")
      const { backup } = yield* copy({ filename: file })
      writer.exec("COMMIT")
      assert.deepStrictEqual(yield* rowsOf(backup, bodies), [{ body: "first" }])
    })
  )

  it.scoped("leaves the directory of the database as it was, and works with a rollback journal", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const folder = yield* temporaryFolder
      const before = yield* pictureOf(dirname(file))
      yield* copy({ filename: file, to: folder })
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      yield* independently(file, (connection) => connection.pragma("journal_mode = delete"))
      const { backup } = yield* copy({ filename: file, to: join(folder, "of a ' journal.db") })
      assert.deepStrictEqual(yield* rowsOf(backup, bodies), [{ body: "first" }])
    })
  )

  it.scoped("goes to a directory or to a file, with blanks, quotes and letters of any kind in its name", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const folder = join(yield* temporaryFolder, "für ' Sicherungen")
      mkdirSync(folder)
      const inFolder = yield* copy({ filename: file, to: `${folder}/` })
      assert.strictEqual(dirname(inFolder.backup), folder)
      assert.isTrue(basename(inFolder.backup).startsWith("app.db."))
      const named = yield* copy({ filename: file, to: join(folder, "am Montag.db") })
      assert.strictEqual(named.backup, join(folder, "am Montag.db"))
      assert.lengthOf(readdirSync(folder), 2)
    })
  )

  it.scoped("is compressed with gzip, and unpacks to the database", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const made = yield* copy({ filename: file, compress: "gzip" })
      assert.match(made.backup, /\.backup\.gz$/)
      assert.strictEqual(statSync(made.backup).mode & 0o777, 0o600)
      const unpacked = join(dirname(file), "unpacked.db")
      writeFileSync(unpacked, gunzipSync(readFileSync(made.backup)))
      assert.strictEqual(made.databaseBytes, statSync(unpacked).size)
      assert.deepStrictEqual(yield* rowsOf(unpacked, bodies), [{ body: "first" }])
    })
  )

  it.scoped("with zstd is refused by a runtime without it, which is named with those that have it", () =>
    Effect.gen(function* () {
      const file = yield* ready
      if (hasZstd) {
        const made = yield* copy({ filename: file, compress: "zstd" })
        assert.match(made.backup, /\.backup\.zst$/)
        return
      }
      const before = yield* pictureOf(dirname(file))
      const error = yield* refusal(copy({ filename: file, compress: "zstd" }))
      assert.strictEqual(`${error._tag}.${error.reason}`, "CopyError.NoCompression")
      assert.strictEqual(exitCodeOf(error), 64)
      assert.include(error.sentence, process.versions.node)
      assert.include(error.remedy, "22.15")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("never replaces what is there, and belongs in a directory that exists", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const folder = yield* temporaryFolder
      writeFileSync(join(folder, "there"), "mine")
      symlinkSync(join(folder, "nowhere"), join(folder, "dangling"))
      const before = [yield* pictureOf(dirname(file)), readdirSync(folder)]
      const cases = [
        [join(folder, "there"), "Exists", 64],
        [join(folder, "dangling"), "Exists", 64],
        [file, "Exists", 64],
        [`${file}-wal`, "InvalidName", 64],
        [`${file}-journal`, "InvalidName", 64],
        ["", "InvalidName", 64],
        [" ", "InvalidName", 64],
        [":memory:", "InvalidName", 64],
        ["file:x.db", "InvalidName", 64],
        ["s3://bucket/app/", "InvalidName", 64],
        [join(folder, "b.db "), "InvalidName", 64],
        [`${folder}/missing/`, "NoPlace", 64],
        [`${folder}/missing/b.db`, "NoPlace", 64],
        [`${folder}/there/b.db`, "NoPlace", 64]
      ] as const
      for (const [to, reason, code] of cases) {
        const error = yield* refusal(copy({ filename: file, to }))
        assert.strictEqual(`${error._tag}.${error.reason}`, `CopyError.${reason}`, to)
        assert.strictEqual(exitCodeOf(error), code, to)
      }
      assert.deepStrictEqual([yield* pictureOf(dirname(file)), readdirSync(folder)], before)
    })
  )

  it.scopedLive("is refused for what is not a sound database, with its reason, and leaves nothing", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const at = (name: string) => join(folder, name)
      mkdirSync(at("directory"))
      writeFileSync(at("text"), "a text that is no database, and longer than a page has to be. ".repeat(20))
      writeFileSync(at("empty"), "")
      yield* start(at("damaged.db"), { migrations: notes })
      yield* independently(at("damaged.db"), (connection) => connection.pragma("journal_mode = delete"))
      const bytes = readFileSync(at("damaged.db"))
      writeFileSync(at("damaged.db"), bytes.fill(0xa5, 4096, 8192))
      yield* start(at("locked.db"), { migrations: notes })
      yield* independently(at("locked.db"), (connection) => connection.pragma("journal_mode = delete"))
      yield* rivalProcess(at("locked.db"), "BEGIN EXCLUSIVE")
      const cases = [
        [":memory:", "DirectoryError.InvalidFilename", 64],
        ["directory", "ConnectionError.NotAFile", 73],
        ["absent.db", "ConnectionError.Absent", 75],
        ["missing/app.db", "DirectoryError.NotFound", 75],
        ["text", "ConnectionError.NotADatabase", 65],
        ["empty", "CopyError.NotSound", 65],
        ["damaged.db", "CopyError.NotSound", 65],
        ["locked.db", "ConnectionError.Busy", 75]
      ] as const
      const names = readdirSync(folder)
      for (const [name, reason, code] of cases) {
        const filename = name === ":memory:" ? name : at(name)
        const error = yield* refusal(copy({ filename, lockPatience: "50 millis" }))
        assert.strictEqual(`${error._tag}.${error.reason}`, reason, name)
        assert.strictEqual(exitCodeOf(error), code, name)
        assert.strictEqual(error.database, filename)
        assert.notInclude(error.sentence, "Remedy", name)
      }
      assert.deepStrictEqual(readdirSync(folder), names)
    })
  )

  it.scopedLive("is refused if a row breaks a CHECK of its table, as a start is; its copy is damaged then", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const { backup: sound } = yield* copy({ filename: file })
      for (const database of [file, sound]) {
        yield* independently(database, (connection) => {
          connection.exec("CREATE TABLE ages (age CHECK (age > 0)); PRAGMA ignore_check_constraints = 1")
          connection.exec("INSERT INTO ages VALUES (-1)")
        })
      }
      const error = yield* refusal(copy({ filename: file }))
      assert.include(error.message, "CHECK constraint failed in ages")
      const found = yield* list({ filename: file, verify: true })
      assert.deepStrictEqual(
        found.map(({ soundness, ...one }) => [one.file, soundness]),
        [[sound, "damaged"]]
      )
      assert.include(found[0]?.detail, "CHECK constraint failed in ages")
    })
  )

  it.scoped("deletes what a killed one left at that place, and nothing else", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const stay = ["app.db.001-to-002.backup", "app.db.20261127T163000123Z.backup", "app.db.mine.partial"]
      const go = [
        "app.db.20261127T163000123Z.backup.partial",
        "app.db.20261127T163000123Z.backup.partial-journal",
        "app.db.20261127T163000123Z.backup.gz.partial",
        "app.db.backup.partial"
      ]
      for (const name of [...stay, ...go]) writeFileSync(join(dirname(file), name), "")
      const { backup } = yield* copy({ filename: file })
      assert.sameMembers(readdirSync(dirname(file)), ["app.db", ...stay, basename(backup)])
    })
  )
})

describe("the list of backups", () => {
  it.scoped("has each with its version, time, size and soundness, the newest first; ok only when it was checked", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      yield* start(file)
      const plain = yield* copy({ filename: file })
      const elsewhere = yield* temporaryFolder
      const packed = yield* copy({ filename: file, to: elsewhere, compress: "gzip" })
      cpSync(plain.backup, `${file}.replaced-20200101T000000000Z`)
      const before = yield* pictureOf(dirname(file))
      const found = yield* list({ filename: file, directory: elsewhere })
      assert.sameMembers(
        found.map(({ compression, kind, schemaVersion, soundness }) =>
          [kind, schemaVersion, compression, soundness].join(" ")
        ),
        [
          "copy 002 none not checked",
          // Without unpacking all of it, only its header is seen.
          "copy 2 gzip not checked",
          "upgrade 001 none not checked",
          "replaced 002 none not checked"
        ]
      )
      assert.deepStrictEqual(
        found.map(({ at }) => at),
        found
          .map(({ at }) => at)
          .toSorted()
          .toReversed()
      )
      const checked = yield* list({ filename: file, directory: elsewhere, verify: true })
      assert.deepStrictEqual(
        checked.map(({ soundness }) => soundness),
        ["ok", "ok", "ok", "ok"]
      )
      const gzip = checked.find(({ compression }) => compression === "gzip")
      assert.strictEqual(gzip?.schemaVersion, "002")
      assert.strictEqual(gzip?.file, packed.backup)
      assert.strictEqual(gzip?.bytes, statSync(packed.backup).size)
      assert.strictEqual(checked.find(({ kind }) => kind === "replaced")?.at, "2020-01-01T00:00:00.000Z")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("has what is odd with its reason, and the rest", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const { backup } = yield* copy({ filename: file, compress: "gzip" })
      const beside = (more: string) => `${file}.${more}`
      mkdirSync(beside("001-to-002.backup"))
      symlinkSync("/nowhere", beside("002-to-003.backup"))
      writeFileSync(beside("003-to-004.backup"), "")
      writeFileSync(beside("004-to-005.backup"), "<html>not found</html>".repeat(30))
      writeFileSync(beside("20260101T000000000Z.backup.gz"), readFileSync(backup).subarray(0, 100))
      writeFileSync(beside("of last week.backup"), readFileSync(file).fill(0xa5, 4096, 8192))
      spawnSync("mkfifo", [beside("20260102T000000000Z.backup")])
      const wal = beside("in WAL mode.backup")
      cpSync(file, wal)
      const before = readdirSync(dirname(file))
      const found = yield* list({ filename: file, verify: true })
      assert.deepStrictEqual(readdirSync(dirname(file)), before)
      const seen = Object.fromEntries(
        found.map(({ detail, file: one, kind, soundness }) => [one.slice(file.length + 1), { detail, kind, soundness }])
      )
      assert.include(seen["001-to-002.backup"], { soundness: "unreadable", detail: "not a file: Directory" })
      assert.include(seen["002-to-003.backup"], { soundness: "unreadable", detail: "a link that leads nowhere" })
      assert.include(seen["003-to-004.backup"], { soundness: "damaged", detail: "it is empty" })
      assert.include(seen["004-to-005.backup"], { soundness: "damaged" })
      assert.include(seen["004-to-005.backup"]?.detail, "HTML")
      assert.include(seen["20260101T000000000Z.backup.gz"], { soundness: "damaged" })
      assert.include(seen["20260102T000000000Z.backup"], { soundness: "unreadable", detail: "not a file: FIFO" })
      assert.include(seen["of last week.backup"], { kind: "unknown", soundness: "damaged" })
      assert.include(seen["in WAL mode.backup"], { kind: "unknown", soundness: "ok" })
      assert.strictEqual(found.filter(({ soundness }) => soundness === "ok").length, 2)
    })
  )

  it.scoped("is there when the database is gone; a directory that cannot be read is not an empty list", () =>
    Effect.gen(function* () {
      const file = yield* ready
      yield* copy({ filename: file })
      renameSync(file, `${file}.away`)
      assert.lengthOf(yield* list({ filename: file }), 1)
      const error = yield* refusal(list({ filename: file, directory: join(dirname(file), "missing") }))
      assert.strictEqual(`${error._tag}.${error.reason}`, "DirectoryError.NotFound")
      assert.strictEqual((yield* refusal(list({ filename: ":memory:" }))).reason, "InvalidFilename")
    })
  )
})

describe("the commands backup and backups", () => {
  it.scopedLive("print for people, one line of JSON for programs, and refuse with the library's exit code", () =>
    Effect.gen(function* () {
      const file = yield* ready
      const made = yield* runProgram(["backup", "--database", file, "--compress", "gzip", "--json"])
      assert.strictEqual(made.code, 0, made.stderr)
      assert.strictEqual(made.stdout.trim().split("\n").length, 1)
      assert.include(JSON.parse(made.stdout), { status: "backed up", schemaVersion: "002", compression: "gzip" })
      const listed = yield* runProgram(["backups", "--database", file, "--verify"])
      assert.strictEqual(listed.code, 0, listed.stderr)
      assert.match(listed.stdout, /schema 002 .* ok {10} copy {6}gzip\n/)
      const refused = yield* runProgram(["backup", "--database", file, "--to", file, "--json"])
      assert.strictEqual(refused.code, 64)
      assert.strictEqual(JSON.parse(refused.stdout).error.reason, "Exists")
    })
  )

  it.scopedLive.skipIf(unavailable !== undefined)(
    `a backup that is refused leaves nothing, also where the last flush of its directory fails${skipped}`,
    () =>
      Effect.gen(function* () {
        const file = yield* ready
        const folder = yield* temporaryFolder
        const flushes = ["-e", "trace=fsync", "-P", folder, "-e", "inject=fsync:error=EIO:when=1+"]
        const { status, stdout } = spawnSync(
          "strace",
          [
            ...["-f", "-qq", "-o", join(dirname(dirname(file)), "trace"), ...flushes, process.execPath, program],
            ...["backup", "--database", file, "--to", folder, "--json"]
          ],
          { encoding: "utf8", timeout: 60_000, env: { PATH: process.env["PATH"], UV_THREADPOOL_SIZE: "1" } }
        )
        assert.strictEqual(status, exitCode.inputOutput, stdout)
        assert.deepStrictEqual(readdirSync(folder), [])
      })
  )

  it.scopedLive.skipIf(unavailable !== undefined)(
    `a backup that cannot be checked because a disk is full is not called damaged${skipped}`,
    () =>
      Effect.gen(function* () {
        const file = yield* ready
        const backup = `${file}.20260101T120000000Z.backup`
        // In WAL mode reading makes a -shm, which takes space.
        cpSync(file, backup)
        const onFullDisk = (...args: ReadonlyArray<string>) => {
          const full = ["-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC:when=1+"]
          const { status, stdout } = spawnSync(
            "strace",
            ["-f", "-qq", "-o", "/dev/null", ...full, process.execPath, program, ...args, "--json"],
            { encoding: "utf8", timeout: 60_000, env: { PATH: process.env["PATH"], UV_THREADPOOL_SIZE: "1" } }
          )
          return { ...JSON.parse(stdout), code: status }
        }
        const { code, error } = onFullDisk("restore", "--database", file, "--backup", backup, "--dry-run")
        assert.deepStrictEqual([error?.reason, code], ["NotProven", exitCode.inputOutput])
        const { backups } = onFullDisk("backups", "--database", file, "--verify")
        assert.deepStrictEqual(
          backups.map(({ soundness }: { soundness: string }) => soundness),
          ["unreadable"]
        )
      })
  )

  it.scopedLive.skipIf(unavailable !== undefined)(
    `backup, killed at a call that changes something, leaves no half file under the name; the next one cleans up${skipped}`,
    () =>
      Effect.gen(function* () {
        const file = yield* ready
        const folder = yield* temporaryFolder
        const target = join(folder, "copy.db.gz")
        const calls = everything
          ? ["openat", "pwrite64", "write", "fsync", "unlink", "link", "ftruncate"]
          : ["fsync", "link"]
        let killed = 0
        for (const call of calls) {
          for (let nth = 1; ; nth += everything ? 1 : 6) {
            const fault = { what: kill, call, nth }
            const trace = join(dirname(dirname(file)), "trace")
            const args = ["backup", "--database", file, "--to", target, "--compress", "gzip"]
            spawnSync("strace", ["-f", "-qq", "-o", trace, ...options(fault), process.execPath, program, ...args], {
              timeout: 60_000,
              env: { PATH: process.env["PATH"], UV_THREADPOOL_SIZE: "1" }
            })
            const isReached = wasReached(fault, readFileSync(trace, "utf8"))
            if (readdirSync(folder).includes("copy.db.gz")) {
              const whole = gunzipSync(readFileSync(target))
              assert.strictEqual(whole.subarray(0, 15).toString(), "SQLite format 3", `${call} ${nth}`)
              renameSync(target, join(folder, "seen.db.gz"))
            }
            if (!isReached) break
            killed += 1
          }
        }
        assert.isAbove(killed, 1)
        yield* copy({ filename: file, to: target, compress: "gzip" })
        assert.sameMembers(
          readdirSync(folder).filter((name) => name !== "seen.db.gz"),
          ["copy.db.gz"]
        )
      }),
    limit
  )
})
