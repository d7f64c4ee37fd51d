/** What the kit's checks with real processes find. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Migrator from "@effect/sql/Migrator"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Migrations } from "../layers/index.ts"
import { checkFailures, checkKills, checkRace, whyNoFaults } from "../layers/testing.ts"
import { notesFiles, platform, refusal, temporaryFolder } from "./support/database.ts"
import { because } from "./support/faults.ts"
import { program } from "./support/program.ts"

const addNote = Effect.flatMap(SqlClient.SqlClient, (sql) => sql`INSERT INTO notes (body) VALUES ('old')`)

const notes = { migrations: Migrations.fromRecord(notesFiles), rows: { "001": addNote } }

/** Their directory, for a program of one's own. */
const directory = Effect.tap(temporaryFolder, (folder) =>
  Effect.sync(() => {
    for (const [name, text] of Object.entries(notesFiles)) writeFileSync(join(folder, name), text)
  })
)

const inShell =
  (script: string) =>
  (file: string): readonly [string, ...ReadonlyArray<string>] => ["sh", "-c", script, file]

describe("a race in the test kit", () => {
  it.effect("finds a program that says ready and is not, that fails, that is not there or that takes too long", () =>
    Effect.gen(function* () {
      const race = (command: (file: string) => readonly [string, ...ReadonlyArray<string>], patience = 60_000) =>
        refusal(checkRace({ ...notes, command, patience }, 2))
      const lie = yield* race(inShell("exit 0"))
      assert.deepInclude(lie, { _tag: "MigrationTestError", reason: "Refused", during: "One start alone" })
      const failed = yield* race(inShell("echo no disk >&2; exit 3"))
      assert.deepInclude(failed, { reason: "ProgramFailed", detail: "the program ended with 3: no disk" })
      assert.deepInclude(yield* race(() => ["/nowhere/program"]), { reason: "ProgramFailed" })
      const slow = yield* race(inShell("sleep 60 & wait"), 50)
      assert.deepInclude(slow, { detail: "the program ended with SIGKILL: it took longer than 50ms" })
    }).pipe(Effect.provide(platform))
  )

  it.effect("needs a program where a migration is an Effect", () =>
    Effect.gen(function* () {
      const loader = Migrator.fromRecord({ "003_more": addNote })
      const migrations = Migrations.all(notes.migrations, Migrations.fromLoader(loader))
      const error = yield* refusal(checkRace({ migrations }))
      assert.deepInclude(error, { reason: "NeedsProgram", detail: "003_more is an Effect" })
    }).pipe(Effect.provide(platform))
  )
})

describe("faults in the test kit", () => {
  it.effect("are not injected where there is no strace, and the error says so", () =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const path = process.env["PATH"]
        process.env["PATH"] = "/nowhere"
        return path
      }),
      () =>
        Effect.gen(function* () {
          assert.strictEqual(whyNoFaults(), "spawnSync strace ENOENT")
          const error = yield* refusal(checkKills(notes))
          assert.deepInclude(error, { reason: "Unavailable", detail: "spawnSync strace ENOENT" })
        }),
      (path) =>
        Effect.sync(() => {
          process.env["PATH"] = path
        })
    ).pipe(Effect.provide(platform))
  )

  const why = whyNoFaults()
  describe.skipIf(why !== undefined)(`with strace${because(why)}`, () => {
    const init = Effect.map(
      directory,
      (folder) => `"${process.execPath}" "${program}" init --database "$0" --migrations "${folder}"`
    )

    it.scoped("find a program that does not start again after a kill", () =>
      Effect.gen(function* () {
        const begin = `mkdir -p "$(dirname "$0")"; test -e "$0.mark" && { echo half done >&2; exit 3; }; touch "$0.mark"`
        const marked = inShell(`${begin}; ${yield* init} && rm "$0.mark"`)
        const error = yield* refusal(checkKills({ ...notes, command: marked, calls: ["fsync"] }))
        assert.deepInclude(error, {
          reason: "ProgramFailed",
          during: "The start after signal=SIGKILL at fsync 1, from nothing",
          detail: "the program ended with 3: half done"
        })
      }).pipe(Effect.provide(platform))
    )

    it.scoped("find a program that says ready although a call failed", () =>
      Effect.gen(function* () {
        const lying = inShell(`${yield* init}; exit 0`)
        const error = yield* refusal(checkFailures({ ...notes, command: lying, calls: ["fsync"] }))
        assert.deepInclude(error, { reason: "Refused", during: "error=EIO at fsync 1, from nothing" })
      }).pipe(Effect.provide(platform))
    )

    it.effect("fail where the program makes no such call", () =>
      Effect.gen(function* () {
        const error = yield* refusal(checkKills({ ...notes, from: "001", calls: ["mkdir"] }))
        assert.deepInclude(error, { reason: "NothingReached" })
      }).pipe(Effect.provide(platform))
    )
  })
})
