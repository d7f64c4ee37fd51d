/** The explicit way out of each refusal of a history: what it writes, what it proves, and what it leaves alone. */
import { spawnSync } from "node:child_process"
import { mkdirSync, readdirSync, writeFileSync } from "node:fs"
import { userInfo } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exitCode, exitCodeOf, Migrations } from "../../layers/index.ts"
import { type RepairCase, type RepairError, type RepairOptions, repair } from "../../layers/operate.ts"
import {
  independently,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"

const program = join(import.meta.dirname, "../../dist/database-ready.cjs")

const files = {
  "001_users.sql":
    "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO users (name) VALUES ('Ann');",
  "002_tags.sql": "CREATE TABLE tags (user INTEGER, tag TEXT);",
  "003_age.sql": "ALTER TABLE users ADD COLUMN age INTEGER;"
}
type Files = Readonly<Record<string, string>>
const without = (name: keyof typeof files): Files => {
  const { [name]: _, ...rest } = files
  return rest
}
const only = (...names: ReadonlyArray<keyof typeof files>): Files =>
  Object.fromEntries(names.map((name) => [name, files[name]]))

const repairing = (
  filename: string,
  migrations: Files,
  wanted: RepairCase,
  versions: ReadonlyArray<string> = [],
  options: Partial<RepairOptions> = {}
) =>
  Effect.provide(
    repair({
      filename,
      migrations: Migrations.fromRecord(migrations),
      repair: wanted,
      versions,
      reason: "because",
      program: "test",
      ...options
    }),
    platform
  )

const startWith = (file: string, migrations: Files) => start(file, { migrations: Migrations.fromRecord(migrations) })
const refusedWith = (file: string, migrations: Files) => refusal(startWith(file, migrations))

/** A database with these migrations, and then something done to it by hand. */
const broken = (made: Files, script = "") =>
  Effect.tap(temporaryFile, (file) =>
    Effect.zipRight(
      startWith(file, made),
      independently(file, (connection) => connection.exec(script))
    )
  )

/** The texts of a column. */
const textsOf = (file: string, sql: string) =>
  independently(file, (connection) => connection.prepare<[], string>(sql).pluck().all())

interface Case {
  readonly name: string
  readonly made: Files
  readonly script?: string
  /** As they are now. */
  readonly now: Files
  readonly reason: string
  readonly repair: RepairCase
  readonly versions: ReadonlyArray<string>
  /** The versions that the history has then. */
  readonly recorded: ReadonlyArray<string>
}

const edited: Files = { ...files, "002_tags.sql": "CREATE TABLE tags (user INTEGER, tag TEXT); -- the same\nSELECT 1;" }
const cases: ReadonlyArray<Case> = [
  {
    name: "the edited text of a file",
    made: files,
    now: edited,
    reason: "Edited",
    repair: "accept-edited",
    versions: ["002"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "an edited text whose change somebody made by hand",
    made: files,
    script: "ALTER TABLE tags ADD COLUMN color TEXT",
    now: { ...files, "002_tags.sql": "CREATE TABLE tags (user INTEGER, tag TEXT, color TEXT);" },
    reason: "Edited",
    repair: "accept-edited",
    versions: ["2"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "a renamed file",
    made: files,
    now: { ...without("002_tags.sql"), "002_labels.sql": files["002_tags.sql"] },
    reason: "Renamed",
    repair: "accept-renamed",
    versions: ["002"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "a file with another number",
    made: files,
    now: { ...without("002_tags.sql"), "004_tags.sql": files["002_tags.sql"] },
    reason: "Missing",
    repair: "accept-renamed",
    versions: ["004"],
    recorded: ["001", "004", "003"]
  },
  {
    name: "a migration that somebody applied by hand and the schema shows",
    made: only("001_users.sql", "002_tags.sql"),
    script: "ALTER TABLE users ADD COLUMN age INTEGER",
    now: files,
    reason: "SchemaDiffers",
    repair: "record-applied",
    versions: ["003"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "a table that somebody made by hand before its migration",
    made: only("001_users.sql"),
    script: files["002_tags.sql"],
    now: only("001_users.sql", "002_tags.sql"),
    reason: "StatementFailed",
    repair: "record-applied",
    versions: ["002"],
    recorded: ["001", "002"]
  },
  {
    name: "a migration in between that somebody applied by hand",
    made: without("002_tags.sql"),
    script: files["002_tags.sql"],
    now: files,
    reason: "Late",
    repair: "record-applied",
    versions: ["002"],
    recorded: ["001", "003", "002"]
  },
  {
    name: "rows that were deleted",
    made: files,
    script: "DELETE FROM schema_migrations WHERE version > '001'",
    now: files,
    reason: "Unrecorded",
    repair: "record-applied",
    versions: ["002", "003"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "a row that another program left unfinished, and somebody completed",
    made: files,
    script: "UPDATE schema_migrations SET status = 'failed' WHERE version = '002'",
    now: files,
    reason: "NotCompleted",
    repair: "record-applied",
    versions: ["002"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "a row of a migration that did nothing before it failed",
    made: only("001_users.sql", "002_tags.sql"),
    script:
      "INSERT INTO schema_migrations (version, description, status) VALUES ('003', 'age', 'failed'); PRAGMA user_version = 3",
    now: files,
    reason: "NotCompleted",
    repair: "remove-record",
    versions: ["003"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "the row of a migration whose file is gone",
    made: files,
    now: without("002_tags.sql"),
    reason: "Missing",
    repair: "remove-record",
    versions: ["002"],
    recorded: ["001", "003"]
  },
  {
    name: "the newest rows of a release that was given up, and undone",
    made: files,
    script: "ALTER TABLE users DROP COLUMN age; DROP TABLE tags",
    now: only("001_users.sql"),
    reason: "NewerDatabase",
    repair: "remove-record",
    versions: ["002", "003"],
    recorded: ["001"]
  },
  {
    name: "the row of a migration that somebody undid by hand, which the next start applies again",
    made: files,
    script: "ALTER TABLE users DROP COLUMN age",
    now: files,
    reason: "SchemaDiffers",
    repair: "remove-record",
    versions: ["003"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "a number that is recorded twice, by the row as it is written",
    made: files,
    script: "INSERT INTO schema_migrations (version, description, name) VALUES ('2', 'tags', 'tags')",
    now: files,
    reason: "RecordedTwice",
    repair: "remove-record",
    versions: ["2"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "the user_version that another program wrote",
    made: files,
    script: "PRAGMA user_version = 70",
    now: files,
    reason: "VersionMismatch",
    repair: "set-version",
    versions: [],
    recorded: ["001", "002", "003"]
  },
  {
    name: "the record of a repeatable migration whose file is gone",
    made: {
      ...files,
      "R__names.sql": "CREATE VIEW names AS SELECT name FROM users;",
      "R__all.sql": "CREATE VIEW a AS SELECT 1;"
    },
    now: { ...files, "R__all.sql": "CREATE VIEW a AS SELECT 1;" },
    reason: "NewerDatabase",
    repair: "remove-repeatable",
    versions: ["R__names"],
    recorded: ["001", "002", "003"]
  },
  {
    name: "the same where numbered migrations are pending",
    made: { ...only("001_users.sql", "002_tags.sql"), "R__names.sql": "CREATE VIEW names AS SELECT name FROM users;" },
    now: files,
    reason: "Missing",
    repair: "remove-repeatable",
    versions: ["R__names"],
    recorded: ["001", "002", "003"]
  }
]

describe("a repair", () => {
  for (const { made, name, now, reason, recorded, repair: wanted, script, versions } of cases) {
    it.effect(`${wanted}: ${name}`, () =>
      Effect.gen(function* () {
        const file = yield* broken(made, script)
        const error = yield* refusedWith(file, now)
        assert.strictEqual(error.reason, reason)
        assert.include(error.remedy, `\`database-ready repair ${wanted}`)
        const picture = yield* pictureOf(dirname(file))
        const shown = yield* repairing(file, now, wanted, versions, { dryRun: true })
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
        assert.include(shown, { isWritten: false, remaining: undefined, backup: undefined })
        const before = yield* rowsOf(file, "SELECT * FROM schema_migrations ORDER BY migration_id")
        const rest = yield* rowsOf(file, "SELECT * FROM users")
        const repaired = yield* repairing(file, now, wanted, versions, { expected: shown })
        assert.deepStrictEqual({ ...repaired, isWritten: false, backup: undefined }, shown)
        // The backup has what was there, and what was shown is what was written.
        assert.deepStrictEqual(
          yield* rowsOf(repaired.backup ?? "", "SELECT * FROM schema_migrations ORDER BY migration_id"),
          before
        )
        const [kept = "[]"] = yield* textsOf(file, "SELECT events FROM schema_migrations WHERE events IS NOT NULL")
        assert.deepInclude(JSON.parse(kept)[0], {
          what: "repair",
          detail: wanted === "set-version" ? "set-version 3, which was 70" : [wanted, ...versions].join(" "),
          by: userInfo().username,
          program: "test",
          reason: "because"
        })
        yield* startWith(file, now)
        assert.deepStrictEqual(yield* textsOf(file, "SELECT version FROM schema_migrations ORDER BY migration_id"), [
          ...recorded
        ])
        assert.deepStrictEqual((yield* rowsOf(file, "SELECT id, name FROM users")).length, rest.length)
        // Nothing is left to repair.
        const again = yield* refusal(repairing(file, now, wanted, versions))
        assert.include(["NothingToRepair", "NoSuchVersion"], again.reason)
      }).pipe(Effect.scoped)
    )
  }

  it.effect("is refused, and changes nothing, where there is nothing to repair or nothing proves it", () =>
    Effect.gen(function* () {
      const now = { ...files, "002_tags.sql": "CREATE TABLE tags (user INTEGER, tag TEXT, color TEXT);" }
      const viewed: Files = { ...files, "R__names.sql": "CREATE VIEW names AS SELECT name FROM users;" }
      const odd = "UPDATE schema_migrations SET status = 'failed', version = '9' WHERE version = '003'"
      const refused: ReadonlyArray<readonly [RepairError["reason"], string, Files, RepairCase, ReadonlyArray<string>]> =
        [
          ["NothingToRepair", "", files, "accept-edited", ["002"]],
          ["NothingToRepair", "", files, "accept-renamed", ["002"]],
          ["NothingToRepair", "", files, "record-applied", ["002"]],
          ["NothingToRepair", "", files, "remove-record", ["002"]],
          ["NothingToRepair", "", files, "set-version", []],
          ["NoSuchVersion", "", files, "accept-edited", ["007"]],
          ["NoSuchVersion", "", files, "record-applied", ["tags"]],
          ["NoSuchVersion", "", files, "remove-record", ["x' OR 1"]],
          ["NoSuchVersion", "", files, "remove-repeatable", ["R__names"]],
          ["NothingToRepair", "", viewed, "remove-repeatable", ["R__names"]],
          ["NoVersion", "", files, "accept-edited", []],
          ["NoVersion", "", files, "set-application-id", ["77"]],
          ["NoApplicationId", "", files, "set-application-id", []],
          ["NoVersion", "PRAGMA user_version = 70", files, "set-version", ["002"]],
          // The text says of a column that is not there.
          ["SchemaDiffers", "", now, "accept-edited", ["002"]],
          ["SchemaDiffers", "", without("003_age.sql"), "remove-record", ["003"]],
          ["SchemaDiffers", "DROP TABLE tags; PRAGMA user_version = 70", files, "set-version", []],
          ["NotProven", odd, files, "record-applied", ["003"]],
          ["NoHistory", "DELETE FROM schema_migrations", files, "record-applied", ["001"]],
          [
            "SeveralRows",
            "UPDATE schema_migrations SET version = '02' WHERE version = '003'",
            files,
            "remove-record",
            ["2"]
          ]
        ]
      for (const [reason, script, migrations, wanted, versions] of refused) {
        const file = yield* broken(migrations === viewed ? viewed : files, script)
        const picture = yield* pictureOf(dirname(file))
        const label = `${wanted} ${versions.join(" ")} ${script}`
        for (const dryRun of [true, false]) {
          const error = yield* refusal(repairing(file, migrations, wanted, versions, { dryRun }))
          assert.deepInclude(error, { _tag: "RepairError", reason, database: file }, label)
        }
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture, label)
      }
    }).pipe(Effect.scoped)
  )

  it.effect("wants a reason, and a database that still is what was shown", () =>
    Effect.gen(function* () {
      const file = yield* broken(files, "PRAGMA user_version = 70")
      const shown = yield* repairing(file, files, "set-version", [], { dryRun: true, reason: "" })
      assert.deepStrictEqual([shown.changes, shown.userVersion], [[], { before: 70, after: 3 }])
      const picture = yield* pictureOf(dirname(file))
      const silent = yield* refusal(repairing(file, files, "set-version", [], { reason: " \n" }))
      assert.deepInclude(silent, { _tag: "RepairError", reason: "NoReason" })
      assert.strictEqual("entry" in silent ? exitCodeOf(silent) : 0, exitCode.usage)
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
      yield* independently(file, (connection) => connection.exec("PRAGMA user_version = 71"))
      const changed = yield* refusal(repairing(file, files, "set-version", [], { expected: shown }))
      assert.deepInclude(changed, { _tag: "RepairError", reason: "Changed" })
      const trigger =
        "CREATE TRIGGER theirs AFTER UPDATE ON schema_migrations BEGIN UPDATE schema_migrations SET program = 'x'; END"
      yield* independently(file, (connection) => connection.exec(trigger))
      const meddled = yield* refusal(repairing(file, edited, "accept-edited", ["002"]))
      assert.deepInclude(meddled, { _tag: "RepairError", reason: "Changed" })
      assert.deepStrictEqual(
        readdirSync(dirname(file)).filter((name) => name.includes("backup")),
        []
      )
    }).pipe(Effect.scoped)
  )

  it.effect("leaves what else is wrong, and says what a start is still refused with", () =>
    Effect.gen(function* () {
      const renamed: Files = { "001_people.sql": files["001_users.sql"], ...edited }
      const { "001_users.sql": _, ...now } = renamed
      const file = yield* broken(files)
      const first = yield* repairing(file, now, "accept-renamed", ["001"])
      assert.deepInclude(first.remaining, { reason: "Edited", migrations: ["002_tags"] })
      const second = yield* repairing(file, now, "accept-edited", ["002"])
      assert.isUndefined(second.remaining)
      // The newest row has both.
      const [row = ""] = yield* textsOf(file, "SELECT events FROM schema_migrations WHERE version = '003'")
      const events: ReadonlyArray<{ readonly detail: string }> = JSON.parse(row)
      assert.deepStrictEqual(
        events.map(({ detail }) => detail),
        ["accept-renamed 001", "accept-edited 002"]
      )
      yield* startWith(file, now)
      // What was done stays known when its row goes.
      yield* independently(file, (connection) => connection.exec("ALTER TABLE users DROP COLUMN age"))
      const { "003_age.sql": __, ...fewer } = now
      yield* repairing(file, fewer, "remove-record", ["003"])
      const [kept = ""] = yield* textsOf(file, "SELECT events FROM schema_migrations WHERE version = '002'")
      assert.lengthOf(JSON.parse(kept), 3)
      yield* startWith(file, fewer)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "set-application-id gives a file the mark of this program, where its history and schema are this program's",
    () =>
      Effect.gen(function* () {
        const file = yield* temporaryFile
        const of = (applicationId: number, migrations: Files = files) =>
          start(file, { migrations: Migrations.fromRecord(migrations), applicationId })
        yield* of(12)
        const error = yield* refusal(of(77))
        assert.strictEqual(error.reason, "ForeignApplication")
        assert.include(error.remedy, "`database-ready repair set-application-id")
        const mark = (options: Partial<RepairOptions>, migrations: Files = files) =>
          repairing(file, migrations, "set-application-id", [], { applicationId: 77, ...options })
        const picture = yield* pictureOf(dirname(file))
        const shown = yield* mark({ dryRun: true })
        assert.deepStrictEqual([shown.changes, shown.applicationId], [[], { before: 12, after: 77 }])
        for (const [reason, options, migrations] of [
          ["OutOfRange", { applicationId: 0 }, files],
          ["NothingToRepair", { applicationId: 12 }, files],
          ["NoReason", { reason: "" }, files],
          ["NotProven", {}, { "007_others.sql": "CREATE TABLE others (x);" }]
        ] as const) {
          assert.strictEqual((yield* refusal(mark(options, migrations))).reason, reason)
        }
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), picture)
        const repaired = yield* mark({ expected: shown })
        assert.deepStrictEqual(yield* rowsOf(repaired.backup ?? "", "PRAGMA application_id"), [{ application_id: 12 }])
        const { events } = yield* of(77)
        assert.deepStrictEqual(
          events.map(({ detail }) => detail),
          ["set-application-id 77, which was 12"]
        )
        assert.strictEqual((yield* refusal(mark({}))).reason, "NothingToRepair")
      }).pipe(Effect.scoped)
  )

  it.effect("says of a migration that changes no schema that nothing proves it", () =>
    Effect.gen(function* () {
      const now = { ...files, "004_fill.sql": "UPDATE users SET age = 1;" }
      const file = yield* broken(files)
      const repaired = yield* repairing(file, now, "record-applied", ["004"])
      assert.deepStrictEqual(repaired.unproven, ["004_fill"])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT age FROM users"), [{ age: null }])
    }).pipe(Effect.scoped)
  )

  it.effect("takes a history whose table an earlier release made, and keeps repeatable migrations", () =>
    Effect.gen(function* () {
      const view = { "R__names.sql": "CREATE VIEW names AS SELECT name FROM users;" }
      const file = yield* broken({ ...files, ...view }, "ALTER TABLE schema_migrations DROP COLUMN events")
      const health = yield* startWith(file, { ...files, ...view })
      assert.deepStrictEqual(health.repeated, [])
      const { "003_age.sql": __, ...fewer } = { ...files, ...view }
      yield* independently(file, (connection) => connection.exec("ALTER TABLE users DROP COLUMN age"))
      yield* repairing(file, fewer, "remove-record", ["003"])
      const report = yield* startWith(file, fewer)
      assert.deepStrictEqual([report.schemaVersion, report.repeated], ["002", []])
    }).pipe(Effect.scoped)
  )
})

describe("database-ready repair", () => {
  it.effect("shows what it would write, wants a reason and a yes, and writes it with --yes", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const migrations = join(folder, "it's größe")
      mkdirSync(migrations)
      for (const [name, text] of Object.entries(files)) writeFileSync(join(migrations, name), text)
      const file = join(folder, "a b.db")
      yield* startWith(file, files)
      writeFileSync(join(migrations, "002_tags.sql"), edited["002_tags.sql"] ?? "")
      const run = (...words: ReadonlyArray<string>) =>
        spawnSync(process.execPath, [program, "repair", ...words, "--database", file, "--migrations", migrations], {
          encoding: "utf8"
        })
      const shown = run("accept-edited", "002", "--dry-run")
      assert.strictEqual(shown.status, 0, shown.stderr)
      assert.match(shown.stdout, /update {3}row 002 of schema_migrations\n +checksum: "\w+" -> "\w+"/)
      const silent = run("accept-edited", "002", "--json", "--yes")
      assert.strictEqual(silent.status, exitCode.usage)
      assert.nestedInclude(JSON.parse(silent.stdout), { status: "failed", "error.reason": "NoReason" })
      const unasked = run("accept-edited", "002", "--reason", "a comment")
      assert.strictEqual(unasked.status, exitCode.usage)
      assert.include(unasked.stderr, "RepairError.NotConfirmed")
      assert.lengthOf(readdirSync(folder), 2)
      const done = run("accept-edited", "002", "--reason", "a comment", "--yes", "--json")
      assert.strictEqual(done.status, 0, done.stderr)
      assert.deepInclude(JSON.parse(done.stdout), { status: "repaired", reason: "a comment", remaining: null })
      assert.strictEqual(run("accept-edited", "002", "--reason", "again", "--yes").status, exitCode.data)
      assert.strictEqual(run("set-everything").status, exitCode.usage)
      yield* startWith(file, edited)
    }).pipe(Effect.scoped)
  )
})
