import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DatabaseConfig, DatabaseDirectory, exitCodeOf, Initialization } from "../layers/index.ts"
import { kindOfFilesystem, mountIn, mountsIn, noMountCanHang } from "../layers/machine/MountTable.ts"
import { platform, refusal, temporaryFolder } from "./support/database.ts"

const directoryOf = (filename: string, access: "initialize" | "inspect" = "initialize") =>
  Effect.provide(
    DatabaseDirectory,
    DatabaseDirectory.layer.pipe(
      Layer.provide(Initialization.layer),
      Layer.provide(DatabaseConfig.layer({ filename, access })),
      Layer.provide(platform)
    )
  )

const refusalOf = (filename: string) =>
  Effect.map(refusal(directoryOf(filename)), (refused) => [refused._tag, refused.reason])

describe("the directory", () => {
  it.scoped("follows a link to the file, because the WAL will be next to the real file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      mkdirSync(join(folder, "real"))
      writeFileSync(join(folder, "real", "app.db"), "")
      symlinkSync(join(folder, "real", "app.db"), join(folder, "link.db"))
      assert.strictEqual((yield* directoryOf(join(folder, "link.db"))).file, join(folder, "real", "app.db"))
    })
  )

  it.scoped("refuses a parent that is a file, as a value", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      writeFileSync(join(folder, "file"), "")
      assert.deepStrictEqual(yield* refusalOf(join(folder, "file", "app.db")), ["DirectoryError", "NotADirectory"])
      assert.deepStrictEqual(yield* refusalOf(join(folder, "file", "deeper", "app.db")), [
        "DirectoryError",
        "NotADirectory"
      ])
    })
  )

  it.scoped("refuses links that lead in a circle", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      symlinkSync(join(folder, "b"), join(folder, "a"))
      symlinkSync(join(folder, "a"), join(folder, "b"))
      assert.deepStrictEqual(yield* refusalOf(join(folder, "a")), ["DirectoryError", "BrokenLink"])
    })
  )

  it.scoped("refuses a link to a missing file, instead of creating that file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      symlinkSync(join(folder, "nowhere.db"), join(folder, "link.db"))
      assert.deepStrictEqual(yield* refusalOf(join(folder, "link.db")), ["DirectoryError", "BrokenLink"])
      assert.isFalse(existsSync(join(folder, "nowhere.db")))
    })
  )

  it.scoped("refuses a URL by the engine that it is for, without its password, and makes no folder of it", () =>
    Effect.gen(function* () {
      const urls = [
        ["postgres://app:s3cr3t@db.example.org/app", "postgres://..."],
        ["PostgreSQL://app:s3cr3t@[::1]/app", "postgresql://..."],
        // What joining paths leaves of it.
        ["postgres:/app:s3cr3t@db.example.org/app", "postgres://..."],
        ["mysql://app:s3cr3t@db.example.org/app", "mysql://..."],
        ["libsql://app.turso.io?authToken=s3cr3t", "libsql://..."],
        ["http://127.0.0.1:8080/s3cr3t", "http://..."],
        ["jdbc:postgresql://db.example.org/app?password=s3cr3t", "jdbc:postgresql://..."],
        ["s3://s3cr3t/app.db", "s3://..."]
      ] as const
      for (const [filename, shown] of urls) {
        const refused = yield* refusal(directoryOf(filename))
        assert.deepStrictEqual(
          [refused._tag, refused.reason, exitCodeOf(refused)],
          ["DirectoryError", "OtherEngine", 64]
        )
        assert.include(refused.sentence, shown)
        assert.include(refused.remedy, "database-ready/postgres")
        assert.notInclude(JSON.stringify([refused, refused.message]), "s3cr3t", filename)
        assert.isFalse(existsSync(filename.replace(/\/.*/, "")))
      }
      for (const filename of ["file:app.db", "sqlite:app.db", "sqlite3:///app.db", "jdbc:sqlite:app.db"]) {
        assert.deepStrictEqual(yield* refusalOf(filename), ["DirectoryError", "InvalidFilename"], filename)
      }
      const folder = yield* temporaryFolder
      for (const name of ["a:b.db", "postgres.db", "x://app.db"]) yield* directoryOf(join(folder, name))
    })
  )

  it.scoped("refuses a name that names no file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const filename of [
        "",
        ".",
        "..",
        `${folder}/`,
        `${folder}/..`,
        `${folder}/a\0b`,
        `${folder}/a.db\n`,
        ` ${folder}/a.db`
      ]) {
        assert.deepStrictEqual(yield* refusalOf(filename), ["DirectoryError", "InvalidFilename"], filename)
      }
    })
  )

  it.scoped("refuses a URI, which would be taken for a path that begins with `file:`", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const filename of [`file:${folder}/a/app.db`, `FILE://${folder}/a/app.db?mode=ro`, "file::memory:"]) {
        const refused = yield* refusal(directoryOf(filename))
        assert.deepInclude(refused, { _tag: "DirectoryError", reason: "InvalidFilename", path: filename })
        assert.include(refused.message, "a URI is not a path")
      }
      assert.isFalse(existsSync("file:"))
      assert.strictEqual((yield* directoryOf(join(folder, "file:app.db"))).file, join(folder, "file:app.db"))
    })
  )

  it.scoped("reports the file whose name is too long, not its directory", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const long = "n".repeat(300)
      for (const access of ["initialize", "inspect"] as const) {
        const file = join(folder, long)
        const facts = { _tag: "DirectoryError", reason: "InvalidFilename", path: file } as const
        assert.deepInclude(yield* refusal(directoryOf(file, access)), facts)
        const deeper = join(folder, long, "app.db")
        assert.deepInclude(yield* refusal(directoryOf(deeper, access)), { ...facts, path: deeper })
      }
    })
  )

  it.scoped("creates nothing when it only inspects", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const refused = yield* refusal(directoryOf(join(folder, "absent", "app.db"), "inspect"))
      assert.strictEqual(refused.reason, "NotFound")
      assert.isFalse(existsSync(join(folder, "absent")))
    })
  )

  it("finds the filesystem in the mount table: the longest mount point, the later of two, spaces in names", () => {
    const table = [
      "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
      "30 22 0:40 / /data rw - nfs4 server:/export rw",
      "31 30 0:41 / /data/local rw master:3 - xfs /dev/sdb rw",
      "32 22 0:42 / /my\\040disk rw - fuse.sshfs user@host:/ rw",
      "33 22 0:43 / /twice rw - ext4 /dev/sdc rw",
      "34 22 0:44 / /twice rw - 9p share rw"
    ].join("\n")
    const found = (directory: string) => mountIn(mountsIn(table), directory).type
    assert.deepStrictEqual(
      ["/", "/database", "/data", "/data/app", "/data/local/app", "/my disk/x", "/twice"].map(found),
      ["ext4", "ext4", "nfs4", "nfs4", "xfs", "fuse.sshfs", "9p"]
    )
    assert.strictEqual(mountIn(mountsIn(""), "/data").type, "unknown")
  })

  it("knows by type which filesystems belong to one kernel, and trusts no other", () => {
    const local = "ext4 xfs btrfs zfs f2fs tmpfs overlay fuseblk ntfs3 vfat unknown"
    const shared = `nfs nfs4 cifs smb3 9p virtiofs fuse.virtiofs fuse.grpcfuse grpcfuse osxfs fakeowner vboxsf drvfs
      prl_fs vmhgfs fuse.vmhgfs-fuse ceph fuse.ceph glusterfs fuse.glusterfs lustre juicefs gpfs ocfs2 gfs2 beegfs afs coda
      fuse.sshfs fuse.s3fs fuse.gcsfuse fuse.rclone`
    const unfamiliar = "fuse fuse.bindfs fuse.portal autofs proc cgroup2 ext5 EXT4"
    for (const [kind, types] of Object.entries({ local, shared, unfamiliar })) {
      for (const type of types.split(/\s+/)) assert.strictEqual(kindOfFilesystem(type), kind, type)
    }
  })

  it("is checked synchronously only if no mount can hang", () => {
    const disks = [
      "1 0 8:1 / / rw - ext4 /dev/sda1 rw",
      "2 1 0:5 / /proc rw - proc proc rw",
      "3 2 0:6 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw",
      "4 1 0:7 / /dev/shm rw - tmpfs tmpfs rw"
    ]
    const hang = (...more: ReadonlyArray<string>) => !noMountCanHang(mountsIn([...disks, ...more].join("\n")))
    assert.isFalse(hang())
    assert.isTrue(hang("5 1 0:8 / /mnt/far rw - nfs4 server:/far rw"))
    assert.isTrue(hang("5 1 0:8 / /home rw - autofs /etc/auto.home rw"))
    assert.isTrue(hang("5 1 0:8 / /run/user/1000/doc rw - fuse.portal portal rw"))
    assert.isFalse(noMountCanHang(mountsIn("")))
  })
})
