/**
 * What can be on a disk in place of a database, and the states of the disk; tested through the program, as a supervisor
 * runs it.
 */
import { spawnSync } from "node:child_process"
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { independently, openConnection, pictureOf, rowsOf, temporaryFolder } from "./support/database.ts"
import { program, runProgram } from "./support/program.ts"

/** Why a run was refused, and its exit code. */
const refusedWith = (args: ReadonlyArray<string>, options?: Parameters<typeof runProgram>[1]) =>
  Effect.map(runProgram([...args, "--json", "--timeout", "20s"], options), ({ code, stderr, stdout }) => {
    const { error } = JSON.parse(stdout)
    return [error === undefined ? "ready" : `${error._tag}.${error.reason}`, code, stderr]
  })

describe("in place of a database", () => {
  it.scopedLive("nothing but a file is opened or waited for, by its name or through a link", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const at = (name: string) => join(folder, name)
      mkdirSync(at("directory"))
      spawnSync("mkfifo", [at("fifo")])
      const server = createServer()
      yield* Effect.acquireRelease(
        Effect.async<void>((resume) => void server.listen(at("socket"), () => resume(Effect.void))),
        () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
      )
      symlinkSync("/dev/null", at("device"))
      symlinkSync(at("fifo"), at("link to fifo"))
      symlinkSync(at("one way"), at("other way"))
      symlinkSync(at("other way"), at("one way"))
      symlinkSync(at("nowhere"), at("dangling"))
      symlinkSync(at("directory"), at("link to directory"))
      const notAFile = ["ConnectionError.NotAFile", 73, ""]
      const brokenLink = ["DirectoryError.BrokenLink", 73, ""]
      for (const [name, expected] of [
        ["directory", notAFile],
        ["fifo", notAFile],
        ["socket", notAFile],
        ["device", notAFile],
        ["link to fifo", notAFile],
        ["link to directory", notAFile],
        ["one way", brokenLink],
        ["dangling", brokenLink]
      ] as const) {
        for (const command of ["init", "status"]) {
          assert.deepStrictEqual(yield* refusedWith([command, "--database", at(name)]), expected, `${command} ${name}`)
        }
      }
      assert.strictEqual(readlinkSync(at("dangling")), at("nowhere"))
      assert.strictEqual(statSync(at("nowhere"), { throwIfNoEntry: false }), undefined)
    })
  )

  it.scopedLive("a file or a directory that this user may not use is refused at once, and stays as it is", (context) =>
    Effect.gen(function* () {
      const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
      if (spawnSync(process.execPath, [program, "--version"], { stdio: "ignore", ...user }).status !== 0) {
        context.skip("another user than root cannot read this checkout")
      }
      const folder = yield* temporaryFolder
      const file = join(folder, "app.db")
      chmodSync(folder, 0o777)
      assert.strictEqual((yield* runProgram(["init", "--database", file])).code, 0)
      const before = yield* pictureOf(folder)
      const asUser = (command: string) => refusedWith([command, "--database", file], user)

      const denied = ["ConnectionError.PermissionDenied", 77, ""]
      chmodSync(file, 0o000)
      assert.deepStrictEqual([yield* asUser("init"), yield* asUser("status")], [denied, denied])

      // In WAL mode nothing can be read without a -wal and a -shm, and files of this user would block the owner.
      const notReadable = ["ConnectionError.NotReadable", 77, ""]
      chmodSync(file, 0o444)
      assert.deepStrictEqual([yield* asUser("init"), yield* asUser("status")], [denied, notReadable])
      assert.deepStrictEqual(yield* asUser("backup"), notReadable)
      const owner = yield* openConnection(file)
      owner.pragma("user_version")
      assert.deepStrictEqual(yield* asUser("status"), ["ready", 0, ""])
      owner.close()
      chmodSync(folder, 0o555)
      chmodSync(file, 0o666)
      assert.deepStrictEqual(yield* asUser("init"), ["DirectoryError.PermissionDenied", 77, ""])
      assert.deepStrictEqual([yield* asUser("status"), yield* asUser("backup")], [notReadable, notReadable])
      chmodSync(folder, 0o000)
      const closed = ["DirectoryError.PermissionDenied", 77, ""]
      assert.deepStrictEqual([yield* asUser("init"), yield* asUser("status")], [closed, closed])
      chmodSync(folder, 0o777)
      assert.deepStrictEqual(yield* pictureOf(folder), before)
    })
  )
})

const protectedRegular = "/proc/sys/fs/protected_regular"
const isProtected = existsSync(protectedRegular) && Number(readFileSync(protectedRegular, "utf8")) > 0

describe("a sticky directory that everybody may write", () => {
  const why =
    process.getuid?.() !== 0 ? "two users are needed" : isProtected ? undefined : "fs.protected_regular is off"

  // There the kernel keeps everybody from opening another user's file with O_CREAT, as SQLite does (proc_sys_fs(5)).
  it.scopedLive.skipIf(why !== undefined)(
    `is no place for another user's database${why === undefined ? "" : ` (skipped: ${why})`}`,
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const file = join(folder, "app.db")
        const user = { uid: 65_534, gid: 65_534 }
        chmodSync(folder, 0o1777)
        assert.strictEqual((yield* runProgram(["init", "--database", file], user)).code, 0)
        chmodSync(file, 0o666)
        const before = yield* pictureOf(folder)
        assert.deepStrictEqual(yield* refusedWith(["init", "--database", file]), ["ConnectionError.ReadOnly", 77, ""])
        assert.deepStrictEqual(yield* pictureOf(folder), before)
        assert.deepStrictEqual(yield* refusedWith(["init", "--database", file], user), ["ready", 0, ""])
      })
  )
})

describe("a directory in which nothing can be created", () => {
  it.scopedLive(
    "is refused at once, and the program ends: Node.js itself would try to create its parents for ever",
    () =>
      Effect.gen(function* () {
        const none = ["DirectoryError.Unavailable", 74, ""]
        for (const directory of ["/proc/nope", "/proc/nope/deeper", "/proc/self/fd/nope/deeper"]) {
          if (!existsSync("/proc/self")) return
          assert.deepStrictEqual(yield* refusedWith(["init", "--database", `${directory}/app.db`]), none, directory)
        }
      })
  )

  it.scopedLive("is not created twice: many starts at once create its parents together, for their owner alone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "a", "b", "c", "app.db")
      const init = refusedWith(["init", "--database", file])
      const all = yield* Effect.all([init, init, init, init], { concurrency: "unbounded" })
      assert.deepStrictEqual(
        all,
        all.map(() => ["ready", 0, ""])
      )
      const modes = ["a", "a/b", "a/b/c"].map((directory) => statSync(join(folder, directory)).mode & 0o777)
      assert.deepStrictEqual(modes, [0o700, 0o700, 0o700])
    })
  )
})

const bindfs = spawnSync("bindfs", ["--version"]).status === 0 && existsSync("/dev/fuse")

describe("a filesystem that is not known to be local", () => {
  it.scopedLive.skipIf(!bindfs)(
    `is refused with its type and its place, and accepted with a warning where the settings trust it${bindfs ? "" : " (skipped: no bindfs)"}`,
    () =>
      Effect.gen(function* () {
        const [below, above] = [yield* temporaryFolder, yield* temporaryFolder]
        yield* Effect.acquireRelease(
          Effect.sync(() => assert.strictEqual(spawnSync("bindfs", [below, above]).status, 0)),
          () => Effect.sync(() => assert.strictEqual(spawnSync("umount", [above]).status, 0))
        )
        const args = ["init", "--database", join(above, "app.db"), "--json"]
        const refused = yield* runProgram(args)
        assert.strictEqual(refused.code, 73)
        const { error } = JSON.parse(refused.stdout)
        assert.include(error, { _tag: "DirectoryError", reason: "UnknownFilesystem" })
        const [type] = /fuse[.\w-]*/.exec(error.detail) ?? []
        assert.strictEqual(error.detail, `${type}, mounted at ${above}`)
        assert.deepStrictEqual(yield* pictureOf(below), {})

        for (const env of [{}, { DATABASE_TRUST_FILESYSTEM: "9p, virtiofs" }]) {
          assert.strictEqual((yield* runProgram(args, { env })).code, 73)
        }
        const warning = `The settings trust the locks of ${type}, mounted at ${above}, which is not known to be local.`
        const byFlag = yield* runProgram([...args, "--trust-filesystem", String(type)])
        assert.deepStrictEqual(JSON.parse(byFlag.stdout).warnings, [warning])
        const env = { DATABASE_TRUST_FILESYSTEM: `9p,${type}` }
        const byVariable = yield* runProgram(args.slice(0, -1), { env })
        assert.include(byVariable.stdout, warning)
        const status = yield* runProgram(["status", ...args.slice(1), "--trust-filesystem", ` ${type} `])
        assert.deepStrictEqual([status.code, JSON.parse(status.stdout).warnings], [0, [warning]])
      })
  )

  it.scopedLive("is refused by the kernel's own names too", () =>
    Effect.gen(function* () {
      if (!existsSync("/sys/fs/cgroup/cgroup.procs")) return
      assert.deepStrictEqual(yield* refusedWith(["status", "--database", "/sys/fs/cgroup/app.db"]), [
        "DirectoryError.UnknownFilesystem",
        73,
        ""
      ])
    })
  )
})

/** A filesystem of the given size, removed by the kernel at the end of the scope. */
const mounted = (size: string) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const mount = (...args: ReadonlyArray<string>) => spawnSync("mount", [...args, folder], { encoding: "utf8" })
    yield* Effect.acquireRelease(
      Effect.sync(() => assert.strictEqual(mount("-t", "tmpfs", "-o", `size=${size}`, "tmpfs").status, 0)),
      () => Effect.sync(() => assert.strictEqual(spawnSync("umount", [folder]).status, 0))
    )
    return {
      folder,
      remount: (options: string) => Effect.sync(() => assert.strictEqual(mount("-o", `remount,${options}`).status, 0))
    }
  })

// In its own namespace, which ends with the command.
const obstacle = spawnSync("unshare", ["-m", "mount", "-t", "tmpfs", "tmpfs", "/tmp"], { encoding: "utf8" })
const why = obstacle.error?.message ?? (obstacle.status === 0 ? undefined : obstacle.stderr.trim())

describe.skipIf(why !== undefined)(`a filesystem of its own${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  const notes = "CREATE TABLE notes (body);\nINSERT INTO notes VALUES ('first');"

  /** Migrations elsewhere, so that only the database is on the full disk. */
  const prepared = (folder: string, second: string) =>
    Effect.map(temporaryFolder, (migrations) => {
      writeFileSync(join(migrations, "001_notes.sql"), notes)
      const file = join(folder, "app.db")
      const args = ["--database", file, "--migrations", migrations]
      return { file, args, upgrade: Effect.sync(() => writeFileSync(join(migrations, "002_more.sql"), second)) }
    })

  it.scopedLive("that is full refuses a first start, which succeeds when there is space", () =>
    Effect.gen(function* () {
      const { folder, remount } = yield* mounted("40k")
      const { args, file } = yield* prepared(folder, "")
      assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["UpgradeError.NotWritten", 74, ""])
      yield* remount("size=4m")
      assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["ready", 0, ""])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT * FROM notes"), [{ body: "first" }])
    })
  )

  it.scopedLive("that has no space for a -shm is reported as full, and not as failing", () =>
    Effect.gen(function* () {
      const { folder } = yield* mounted("256k")
      const { args } = yield* prepared(folder, "")
      yield* runProgram(["init", ...args])
      // Until nothing is left.
      assert.strictEqual(spawnSync("dd", ["if=/dev/zero", `of=${join(folder, "other")}`, "bs=4k"]).status, 1)
      for (const command of ["init", "status"]) {
        assert.deepStrictEqual(yield* refusedWith([command, ...args]), ["ConnectionError.DiskFull", 74, ""])
      }
    })
  )

  it.scopedLive(
    "that is full refuses an upgrade without its backup, and one that does not fit, and loses nothing",
    () =>
      Effect.gen(function* () {
        const { folder, remount } = yield* mounted("2m")
        const { args, file, upgrade } = yield* prepared(
          folder,
          "CREATE TABLE more (bytes);\nINSERT INTO more VALUES (randomblob(1500000));"
        )
        yield* runProgram(["init", ...args])
        yield* independently(file, (connection) => connection.exec("INSERT INTO notes VALUES (randomblob(900000))"))
        yield* upgrade
        yield* remount("size=1m")
        const before = yield* pictureOf(folder)
        assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["BackupError.NoSpace", 74, ""])
        assert.deepStrictEqual(yield* pictureOf(folder), before)
        const unsaved = [...args, "--backups", "0"]
        assert.deepStrictEqual(yield* refusedWith(["init", ...unsaved]), ["UpgradeError.NotWritten", 74, ""])
        assert.deepStrictEqual(yield* pictureOf(folder), before)
        yield* remount("size=8m")
        assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["ready", 0, ""])
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS notes FROM notes"), [{ notes: 2 }])
      })
  )

  it.scopedLive("that becomes full at the commit of an upgrade keeps no copy of it", () =>
    Effect.gen(function* () {
      const { folder, remount } = yield* mounted("8m")
      const { args, file, upgrade } = yield* prepared(
        folder,
        "CREATE TABLE more (bytes);\nINSERT INTO more VALUES (randomblob(1500000));"
      )
      yield* runProgram(["init", ...args])
      yield* independently(file, (connection) => connection.exec("INSERT INTO notes VALUES (randomblob(900000))"))
      yield* upgrade
      // Enough for the copy, too little for the commit.
      yield* remount("size=2m")
      const before = yield* pictureOf(folder)
      assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["UpgradeError.NotWritten", 74, ""])
      assert.deepStrictEqual(yield* pictureOf(folder), before)
      yield* remount("size=8m")
      assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["ready", 0, ""])
      assert.deepStrictEqual(Object.keys(yield* pictureOf(folder)), ["app.db", "app.db.001-to-002.backup"])
    })
  )

  it.scopedLive("that is read-only refuses a start at once, and `status` if it would have to create a -shm", () =>
    Effect.gen(function* () {
      const { folder, remount } = yield* mounted("4m")
      const { args } = yield* prepared(folder, "")
      yield* runProgram(["init", ...args])
      yield* remount("ro")
      const before = yield* pictureOf(folder)
      const readOnly = ["DirectoryError.ReadOnlyFilesystem", 73, ""]
      assert.deepStrictEqual(yield* refusedWith(["init", ...args]), readOnly)
      for (const absent of ["new.db", "new/app.db", "new/er/app.db"]) {
        const other = ["init", "--database", join(folder, absent)]
        assert.deepStrictEqual(yield* refusedWith(other), readOnly, absent)
      }
      assert.deepStrictEqual(yield* refusedWith(["status", ...args]), ["ConnectionError.NotReadable", 77, ""])
      assert.deepStrictEqual(yield* pictureOf(folder), before)
      yield* remount("rw")
      assert.deepStrictEqual(yield* refusedWith(["init", ...args]), ["ready", 0, ""])
    })
  )
})
