/** Which backup is the newest: decided by the names, not by the clock or the times of files. */
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync
} from "node:fs"
import { basename, dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { backupsOf, Migrations, restoreBackup } from "../layers/index.ts"
import {
  type BackupName,
  formatBackupName,
  isOlder,
  newestCandidates,
  nextBackupName,
  parseBackupName,
  superseded
} from "../layers/sqlite/BackupNames.ts"
import {
  independently,
  notesFiles,
  onlyFirst,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile
} from "./support/database.ts"

const named = (suffix: string): BackupName => {
  const name = parseBackupName(suffix)
  if (name === undefined) throw new Error(`${suffix} is not a name of a backup`)
  return name
}
const restore = (options: Parameters<typeof restoreBackup>[0]) => Effect.provide(restoreBackup(options), platform)
const backupsBeside = (file: string) =>
  readdirSync(dirname(file))
    .filter((name) => name.includes(".backup"))
    .map((name) => name.replace(basename(file), ""))
    .sort()

const upTo = (version: number) =>
  Migrations.fromRecord(
    Object.fromEntries(
      [
        ...Object.entries(notesFiles),
        ["003_more.sql", "CREATE TABLE t3 (x);"],
        ["004_more.sql", "CREATE TABLE t4 (x);"]
      ]
        .filter(([name = ""]) => Number.parseInt(name, 10) <= version)
        .map(([name = "", text = ""]) => [name, text])
    )
  )
const upgradeTo = (file: string, version: number, backups = 2) =>
  Effect.map(start(file, { migrations: upTo(version), backups }), ({ backup }) => backup ?? "")
const write = (file: string, body: string) =>
  independently(file, (connection) => connection.prepare("INSERT INTO notes (body) VALUES (?)").run(body))
const bodies = (file: string) =>
  Effect.map(rowsOf(file, "SELECT body FROM notes ORDER BY id"), (rows) => JSON.stringify(rows))

describe("the name of a backup", () => {
  it("is read as it was written, and no other name is taken for one", () => {
    for (const suffix of [
      ".001-to-002.backup",
      ".none-to-9.backup",
      ".9-to-10.3.backup",
      ".20240101120000-to-20250101120000.backup"
    ]) {
      assert.strictEqual(formatBackupName(named(suffix)), suffix)
    }
    for (const suffix of [
      ".mine.backup",
      ".backup",
      ".old-to-002.backup",
      ".001-to-002.backup.partial",
      ".001-to-002.backup.uncommitted",
      ".001-to-002.1.backup",
      ".001-to-002.0.backup",
      ".003-to-002.backup",
      ".002-to-2.backup",
      "-old.001-to-002.backup"
    ]) {
      assert.isUndefined(parseBackupName(suffix), suffix)
    }
  })

  it("orders by the versions as numbers, and by its own number before that", () => {
    const known = [
      [".none-to-1.backup", ".1-to-2.backup"],
      [".none-to-0.backup", ".000-to-001.backup"],
      [".8-to-9.backup", ".9-to-10.backup"],
      [".9-to-10.backup", ".10-to-11.backup"],
      [".001-to-2.backup", ".002-to-003.backup"],
      [".2-to-3.backup", ".20240101120000-to-20250101120000.backup"],
      [".004-to-005.backup", ".001-to-002.2.backup"],
      [".001-to-002.9.backup", ".001-to-002.10.backup"]
    ] as const
    for (const [older, newer] of known) {
      assert.isTrue(isOlder(named(older), named(newer)), `${older} ${newer}`)
      assert.isFalse(isOlder(named(newer), named(older)), `${newer} ${older}`)
    }
  })

  it("gives no order if none can be known", () => {
    const unknown = [
      [".001-to-003.backup", ".002-to-003.backup"],
      [".001-to-002.backup", ".001-to-003.backup"],
      [".001-to-002.backup", ".1-to-2.backup"],
      [".none-to-003.backup", ".001-to-002.backup"],
      [".001-to-002.3.backup", ".002-to-003.3.backup"]
    ] as const
    for (const pair of unknown) {
      const [one, other] = [named(pair[0]), named(pair[1])]
      assert.deepStrictEqual([isOlder(one, other), isOlder(other, one)], [false, false], pair.join(" "))
      assert.deepStrictEqual(newestCandidates([one, other]), [one, other])
      assert.deepStrictEqual(superseded([one, other], 1), [])
    }
  })

  it("gets a number if the versions alone would not make it the newest", () => {
    const next = (from: string, to: string, there: ReadonlyArray<string>) =>
      formatBackupName(nextBackupName({ from, to }, there.map(named)))
    assert.strictEqual(next("002", "003", [".001-to-002.backup"]), ".002-to-003.backup")
    assert.strictEqual(next("001", "002", [".001-to-002.backup"]), ".001-to-002.2.backup")
    assert.strictEqual(next("001", "003", [".001-to-002.backup", ".002-to-003.backup"]), ".001-to-003.2.backup")
    assert.strictEqual(next("003", "004", [".001-to-003.2.backup"]), ".003-to-004.3.backup")
  })
})

describe("the newest backup", () => {
  const times: Readonly<Record<string, (file: string) => void>> = {
    "a clock that stepped back": (file) => {
      for (const [age, suffix] of [".003-to-004.backup", ".002-to-003.backup", ".001-to-002.backup"].entries()) {
        if (existsSync(`${file}${suffix}`)) utimesSync(`${file}${suffix}`, 1000 + age, 1000 + age)
      }
    },
    "a copy of the directory without times": (file) => {
      const folder = dirname(file)
      cpSync(folder, `${folder}.copy`, { recursive: true })
      rmSync(folder, { recursive: true })
      renameSync(`${folder}.copy`, folder)
    }
  }
  for (const [what, change] of Object.entries(times)) {
    it.scoped(`is kept and restored despite ${what}`, () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        yield* start(file, { migrations: onlyFirst })
        yield* upgradeTo(file, 2)
        yield* upgradeTo(file, 3)
        change(file)
        // Its time is newer than that of the next one.
        utimesSync(`${file}.001-to-002.backup`, 4e9, 4e9)
        assert.strictEqual(yield* upgradeTo(file, 4), `${file}.003-to-004.backup`)
        assert.deepStrictEqual(backupsBeside(file), [".002-to-003.backup", ".003-to-004.backup"])
        change(file)
        assert.strictEqual((yield* restore({ filename: file })).backup, `${file}.003-to-004.backup`)
      })
    )
  }

  it.scopedLive("is the one of the upgrade after a restore; the copy from before the restore stays", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const first = yield* upgradeTo(file, 2)
      yield* upgradeTo(file, 3)
      yield* restore({ filename: file, backup: first })
      yield* write(file, "after the restore")
      const second = yield* upgradeTo(file, 2, 3)
      assert.strictEqual(second, `${file}.001-to-002.2.backup`)
      assert.notInclude(yield* bodies(first), "after the restore")
      assert.include(yield* bodies(second), "after the restore")
      const third = yield* upgradeTo(file, 4, 3)
      assert.strictEqual(third, `${file}.002-to-004.3.backup`)
      assert.deepStrictEqual(
        (yield* Effect.provide(backupsOf(file), platform)).map(({ path }) => path),
        [third, second, `${file}.002-to-003.backup`]
      )
      assert.strictEqual((yield* restore({ filename: file })).backup, third)
    })
  )

  it.scoped("is never guessed: the restore refuses and lists the candidates, and pruning keeps both", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const backup = yield* upgradeTo(file, 3, 1)
      copyFileSync(backup, `${file}.002-to-003.backup`)
      const refused = yield* refusal(restore({ filename: file }))
      if (refused._tag !== "RestoreError") throw refused
      assert.deepInclude({ ...refused }, { reason: "Ambiguous", retryable: false })
      assert.deepStrictEqual(
        refused.candidates.map(({ path }) => path),
        [`${file}.002-to-003.backup`, backup]
      )
      for (const known of [backup, `${file}.002-to-003.backup`, "from version 002", `${statSync(backup).size} bytes`]) {
        assert.include(refused.message, known)
      }
      assert.strictEqual((yield* restore({ filename: file, backup })).backup, backup)
      yield* upgradeTo(file, 2, 2)
      assert.deepStrictEqual(backupsBeside(file), [".001-to-002.2.backup", ".001-to-003.backup", ".002-to-003.backup"])
      yield* upgradeTo(file, 4, 2)
      assert.deepStrictEqual(backupsBeside(file), [".001-to-002.2.backup", ".002-to-004.3.backup"])
    })
  )

  it.scoped("is never one whose history contradicts its name", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const backup = yield* upgradeTo(file, 2)
      copyFileSync(backup, `${file}.002-to-003.backup`)
      const refused = yield* refusal(restore({ filename: file }))
      assert.deepInclude({ ...refused }, { _tag: "RestoreError", reason: "Ambiguous" })
      assert.include(refused.message, "ends at 001")
    })
  )
})

describe("a backup whose upgrade was not committed", () => {
  it.scoped("is deleted by the next start, which makes its own", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      // What a start leaves that is killed between naming the copy and the commit.
      copyFileSync(file, `${file}.001-to-002.backup`)
      writeFileSync(`${file}.001-to-002.backup.uncommitted`, "")
      yield* write(file, "written since")
      const backup = yield* upgradeTo(file, 2)
      assert.deepStrictEqual(backupsBeside(file), [".001-to-002.backup"])
      assert.include(yield* bodies(backup), "written since")
    })
  )

  it.scoped("stays if it was restored", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const backup = yield* upgradeTo(file, 2)
      // What a start leaves that is killed right after the commit.
      writeFileSync(`${backup}.uncommitted`, "")
      yield* restore({ filename: file })
      yield* write(file, "written since")
      yield* upgradeTo(file, 2)
      assert.deepStrictEqual(backupsBeside(file), [".001-to-002.2.backup", ".001-to-002.backup"])
      assert.notInclude(yield* bodies(backup), "written since")
    })
  )

  it.scoped("stays if the upgrade was committed after all", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const backup = yield* upgradeTo(file, 2)
      // What a start leaves that is killed right after the commit.
      writeFileSync(`${backup}.uncommitted`, "")
      yield* upgradeTo(file, 3)
      assert.deepStrictEqual(backupsBeside(file), [".001-to-002.backup", ".002-to-003.backup"])
    })
  )
})
