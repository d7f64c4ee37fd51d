/** Several restores of one database at once, in real processes. */
import { existsSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { restoreBackup } from "../layers/index.ts"
import {
  notes,
  onlyFirst,
  openConnection,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile
} from "./support/database.ts"
import { runProgram } from "./support/program.ts"

/** A database that was upgraded, with the backup from before. */
const upgraded = Effect.tap(temporaryFile, (file) =>
  Effect.zipRight(start(file, { migrations: onlyFirst }), start(file, { migrations: notes }))
)

const situations: Readonly<Record<string, (file: string) => void>> = {
  "a database": () => {},
  "what is no database": (file) => writeFileSync(file, "no database. ".repeat(100)),
  nothing: (file) => rmSync(file)
}

describe("simultaneous restores", () => {
  for (const [what, prepare] of Object.entries(situations)) {
    it.scopedLive(
      `over ${what}: one restores, and the others do so after it or are told to try again`,
      () =>
        Effect.gen(function* () {
          const file = yield* upgraded
          prepare(file)
          const restore = runProgram(["restore", "--json", "--database", file])
          const ended = yield* Effect.all([restore, restore, restore, restore], { concurrency: "unbounded" })
          assert.include(
            ended.map(({ code }) => code),
            0
          )
          for (const { code, stdout } of ended.filter((one) => one.code !== 0)) {
            assert.strictEqual(code, 75, stdout)
            assert.deepInclude(JSON.parse(stdout).error, { _tag: "RestoreError", reason: "InUse", retryable: true })
          }
          assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations"), [{ version: "001" }])
          const left = readdirSync(dirname(file)).filter((name) => name.includes(".partial"))
          assert.deepStrictEqual(left, [])
        }),
      60_000
    )
  }
})

describe("what a restore holds while it runs", () => {
  it.scoped("keeps others from restoring, and starts from deleting its files", () =>
    Effect.gen(function* () {
      const file = yield* upgraded
      const lock = `${file}.restore.partial`
      const made = `${file}.replaced-20261127T142639186Z.restored.partial`
      writeFileSync(lock, "")
      writeFileSync(made, "")
      const other = yield* openConnection(lock)
      other.exec("PRAGMA journal_mode = memory; BEGIN EXCLUSIVE")
      const refused = yield* refusal(Effect.provide(restoreBackup({ filename: file }), platform))
      assert.deepInclude(refused, { _tag: "RestoreError", reason: "InUse", retryable: true })
      assert.include(refused.message, "another restore is running")
      yield* start(file)
      assert.deepStrictEqual([existsSync(lock), existsSync(made)], [true, true])
      // As if its process had been killed.
      other.close()
      yield* start(file)
      assert.deepStrictEqual([existsSync(lock), existsSync(made)], [false, false])
    })
  )
})
