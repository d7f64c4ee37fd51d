/**
 * Many processes at one moment on one file. The short form runs with the tests; the long one is
 * `STORM_ROUNDS=200 npx vitest run --config test/vitest.config.ts storm`.
 */

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { independently, rowsOf, temporaryFolder } from "./support/database.ts"
import { runProgram, spawnProgram } from "./support/program.ts"

const rounds = Number(process.env["STORM_ROUNDS"] ?? 1)
const starters = 16

const first = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\nINSERT INTO notes (body) VALUES ('first');"
const second = "CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT);\nINSERT INTO tags VALUES (1, 'a');"

/** A folder with a database and migrations, the first of which may be applied already. */
const prepare = (applied: "absent" | "half" | "ready") =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const migrations = join(folder, "migrations")
    const file = join(folder, "data", "app.db")
    mkdirSync(migrations)
    const args = ["init", "--json", "--database", file, "--migrations", migrations]
    writeFileSync(join(migrations, "001_notes.sql"), first)
    if (applied === "half") yield* runProgram(args)
    writeFileSync(join(migrations, "002_tags.sql"), second)
    if (applied === "ready") yield* runProgram(args)
    return { file, args }
  })

/** What an independent connection sees at the moment at which a process has said ready. */
const objectsNow = (file: string) =>
  independently(file, (connection) =>
    connection.prepare("SELECT name FROM sqlite_schema WHERE name IN ('notes', 'tags') ORDER BY name").pluck().all()
  )

const complete = Effect.fnUntraced(function* (file: string) {
  assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations ORDER BY version"), [
    { version: "001" },
    { version: "002" }
  ])
  assert.deepStrictEqual(yield* rowsOf(file, "SELECT body, tag FROM notes JOIN tags ON note = id"), [
    { body: "first", tag: "a" }
  ])
  assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
})

describe(`a storm of ${starters} processes`, () => {
  for (const applied of ["absent", "half", "ready"] as const) {
    it.scopedLive(
      `on ${applied === "absent" ? "an absent file" : `a ${applied} one`}: all exit 0, none says ready before it is, each migration is applied once`,
      () =>
        Effect.gen(function* () {
          for (let round = 0; round < rounds; round += 1) {
            const { args, file } = yield* prepare(applied)
            const ended = yield* Effect.all(
              Array.from({ length: starters }, () =>
                Effect.tap(runProgram(args), () =>
                  Effect.map(objectsNow(file), (objects) => assert.deepStrictEqual(objects, ["notes", "tags"]))
                )
              ),
              { concurrency: "unbounded" }
            )
            assert.deepStrictEqual(
              ended.map(({ code, stderr }) => [code, stderr]),
              ended.map(() => [0, ""])
            )
            const due = { absent: 2, half: 1, ready: 0 }[applied]
            assert.strictEqual(ended.flatMap(({ stdout }) => JSON.parse(stdout).applied).length, due)
            yield* complete(file)
          }
        }),
      rounds * 60_000
    )
  }

  it.scopedLive(
    "of which one is killed: all others exit 0, and the file is whole",
    () =>
      Effect.gen(function* () {
        for (let round = 0; round < rounds; round += 1) {
          const { args, file } = yield* prepare("half")
          const running = Array.from({ length: starters }, () => spawnProgram(args))
          const [victim, ...others] = running
          // The moment differs from round to round by what the machine does; no moment may matter.
          const soonest = yield* Effect.promise(() => Promise.race(others.map(({ ended }) => ended)))
          assert.strictEqual(soonest.code, 0)
          victim?.process.kill("SIGKILL")
          const ended = yield* Effect.promise(() => Promise.all(others.map(({ ended }) => ended)))
          assert.deepStrictEqual(
            ended.map(({ code, stderr }) => [code, stderr]),
            ended.map(() => [0, ""])
          )
          if (victim !== undefined) yield* Effect.promise(() => victim.ended)
          yield* complete(file)
        }
      }),
    rounds * 60_000
  )
})
