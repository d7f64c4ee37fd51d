/**
 * Many processes at one moment on one file. Long form: `STORM_ROUNDS=200 npx vitest run --config test/vitest.config.ts
 * storm`.
 */

import { once } from "node:events"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ReadyReport } from "../layers/index.ts"
import { independently, rivalProcess, rowsOf, temporaryFolder } from "./support/database.ts"
import { type Ended, runProgram, spawnProgram } from "./support/program.ts"
import { randomFrom } from "./support/random.ts"

const rounds = Number(process.env["STORM_ROUNDS"] ?? 1)
const starters = 16

const first = "CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT);\nINSERT INTO notes (body) VALUES ('first');"
const second = "CREATE TABLE tags (note INTEGER REFERENCES notes(id), tag TEXT);\nINSERT INTO tags VALUES (1, 'a');"

/** Foreign keys are switched off in between, which ends the transaction. */
const rebuild = `-- database-ready: foreign_keys = off
CREATE TABLE new_notes (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
INSERT INTO new_notes SELECT id, body FROM notes;
DROP TABLE notes;
ALTER TABLE new_notes RENAME TO notes;`

/** A folder with a database and migrations; the first may be applied already. */
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
    writeFileSync(join(migrations, "003_rebuild.sql"), rebuild)
    writeFileSync(join(migrations, "004_more.sql"), "CREATE TABLE more (note INTEGER REFERENCES notes(id));")
    if (applied === "ready") yield* runProgram(args)
    return { file, args }
  })

/** What an independent connection sees at the moment when a process has said ready. */
const objectsNow = (file: string) =>
  independently(file, (connection) =>
    connection
      .prepare("SELECT name FROM sqlite_schema WHERE name IN ('more', 'notes', 'tags') ORDER BY name")
      .pluck()
      .all()
  )

const complete = Effect.fnUntraced(function* (file: string) {
  assert.deepStrictEqual(yield* rowsOf(file, "SELECT version FROM schema_migrations ORDER BY version"), [
    { version: "001" },
    { version: "002" },
    { version: "003" },
    { version: "004" }
  ])
  assert.deepStrictEqual(yield* rowsOf(file, "SELECT body, tag FROM notes JOIN tags ON note = id"), [
    { body: "first", tag: "a" }
  ])
  assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
})

/** Starts that nobody killed: each exits 0, complains of nothing and prints its report. */
const reportsOf = (ended: ReadonlyArray<Ended>): ReadonlyArray<ReadyReport> => {
  assert.deepStrictEqual(
    ended.map(({ code, stderr }) => [code, stderr]),
    ended.map(() => [0, ""])
  )
  return ended.map(({ stdout }) => JSON.parse(stdout))
}

/** After the first five waits a stage tries again at most every 100 ms, however long it waits. */
const nobodySpins = (reports: ReadonlyArray<ReadyReport>) => {
  for (const { name, attempts, durationMs } of reports.flatMap(({ stages }) => stages)) {
    assert.isAtMost(attempts, 7 + durationMs / 100, `${name}: ${attempts} attempts in ${durationMs} ms`)
  }
}

/** In every other round all start at one moment, otherwise each a little later, by the seed. */
const jitterIn = (round: number) => {
  const random = randomFrom(round)
  return () => (round % 2 === 0 ? 0 : random(150))
}

describe(`a storm of ${starters} processes`, () => {
  for (const applied of ["absent", "half", "ready"] as const) {
    it.scopedLive(
      `on ${applied === "absent" ? "an absent file" : `a ${applied} one`}: all exit 0, none says ready before it is, each migration is applied once`,
      () =>
        Effect.gen(function* () {
          for (let round = 0; round < rounds; round += 1) {
            const { args, file } = yield* prepare(applied)
            const jitter = jitterIn(round)
            const ended = yield* Effect.all(
              Array.from({ length: starters }, () =>
                runProgram(args).pipe(
                  Effect.tap(() =>
                    Effect.map(objectsNow(file), (objects) =>
                      assert.deepStrictEqual(objects, ["more", "notes", "tags"])
                    )
                  ),
                  Effect.delay(jitter())
                )
              ),
              { concurrency: "unbounded" }
            )
            const reports = reportsOf(ended)
            const due = { absent: 4, half: 3, ready: 0 }[applied]
            assert.strictEqual(reports.flatMap((report) => report.applied).length, due)
            nobodySpins(reports)
            yield* complete(file)
          }
        }),
      rounds * 60_000
    )
  }

  it.scopedLive(
    "on a ready file that another process is writing to: none waits for it, or for another one",
    () =>
      Effect.gen(function* () {
        for (let round = 0; round < rounds; round += 1) {
          const { args, file } = yield* prepare("ready")
          const rival = yield* rivalProcess(file, "BEGIN IMMEDIATE; INSERT INTO notes (body) VALUES ('never')")
          const ended = yield* Effect.all(
            Array.from({ length: starters }, () => runProgram(args)),
            { concurrency: "unbounded" }
          )
          for (const { stages } of reportsOf(ended)) {
            assert.deepStrictEqual(
              stages.map(({ attempts, name }) => [name, attempts]),
              stages.map(({ name }) => [name, 1])
            )
          }
          const gone = once(rival, "exit")
          rival.kill("SIGKILL")
          yield* Effect.promise(() => gone)
          yield* complete(file)
        }
      }),
    rounds * 60_000
  )

  it.scopedLive(
    "in which one is killed at some moment: all others exit 0, and the file is whole",
    () =>
      Effect.gen(function* () {
        for (let round = 0; round < rounds; round += 1) {
          const { args, file } = yield* prepare(round % 2 === 0 ? "half" : "absent")
          const random = randomFrom(round)
          const running = Array.from({ length: starters }, () => spawnProgram(args))
          const [victim] = running.splice(random(starters), 1)
          const soonest = Promise.race(running.map(({ ended }) => ended))
          // The storm is over within about a second and a half; every fourth victim is killed when the first one is
          // ready.
          yield* round % 4 === 0 ? Effect.promise(() => soonest) : Effect.sleep(random(1500))
          victim?.process.kill("SIGKILL")
          nobodySpins(reportsOf(yield* Effect.promise(() => Promise.all(running.map(({ ended }) => ended)))))
          if (victim !== undefined) yield* Effect.promise(() => victim.ended)
          yield* complete(file)
        }
      }),
    rounds * 60_000
  )
})
