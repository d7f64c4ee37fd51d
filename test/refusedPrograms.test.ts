/** What a program that embeds the library does with a refusal: its lines, its facts, its exit code. */
import { mkdirSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import {
  exitCodeOf,
  isRefusal,
  logRefusal,
  Migrations,
  refusalJson,
  refusalLines,
  restoreBackup,
  teardown,
  WriteError
} from "../layers/index.ts"
import { notes, onlyFirst, platform, refusal, start, starting, temporaryFile } from "./support/database.ts"

/** Durations differ from run to run. */
const masked = (text: string) => text.replace(/\d+\.\d ms/g, "N ms")

/** What is logged while a layer is built and refused: each line with its annotations. */
const loggedBy = <A, E>(layer: Layer.Layer<A, E>) =>
  Effect.suspend(() => {
    const lines: Array<readonly [message: string, annotations: Readonly<Record<string, unknown>>]> = []
    const kept = Logger.make(({ annotations, logLevel, message }) => {
      if (logLevel._tag === "Error") lines.push([masked(String(message)), Object.fromEntries(annotations)])
    })
    return Effect.scoped(refusal(Layer.build(layer))).pipe(
      Effect.provide(Logger.replace(Logger.defaultLogger, kept)),
      Effect.map((error) => ({ error, lines }))
    )
  })

const codeAfter = (exit: Exit.Exit<unknown, unknown>): number => {
  let ended = Number.NaN
  teardown(exit, (code) => {
    ended = code
  })
  return ended
}

class Mine extends Data.TaggedError("Mine") {}

describe("a refused program", () => {
  it.scoped("logs the lines that the program prints, with the facts as annotations", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const { error, lines } = yield* loggedBy(logRefusal(starting(file, { migrations: onlyFirst })))
      const [what, remedy] = [error.sentence, error.remedy]
      assert.deepStrictEqual(lines, [
        [
          `not ready  ${file}  refused in the migrations stage after N ms\n\n  what    ${what}\n  remedy  ${remedy}\n  code    HistoryError.NewerDatabase`,
          { database: file, refusal: "HistoryError.NewerDatabase", exitCode: 76 }
        ]
      ])
    })
  )

  it.scoped("says the same of migrations that cannot be read, which are read before the first stage", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const migrations = Migrations.fromRecord({ "one.sql": "" })
      const { lines } = yield* loggedBy(logRefusal(starting(file, { migrations })))
      assert.match(String(lines[0]?.[0]), /^not ready {2}\S+app\.db {2}refused in the migrations stage after N ms\n/)
    })
  )

  it.effect("leaves the other errors of a layer alone", () =>
    Effect.gen(function* () {
      const { error, lines } = yield* loggedBy(logRefusal(Layer.effectDiscard(new Mine())))
      assert.deepStrictEqual([error, lines.length, isRefusal(error)], [new Mine(), 0, false])
    })
  )

  it.scoped("has the facts of its start as one line of JSON", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, "no database".repeat(500))
      const error = yield* refusal(start(file))
      const facts = JSON.parse(refusalJson(error))
      assert.containSubset(facts, {
        status: "failed",
        database: file,
        stage: "connection",
        error: { _tag: "ConnectionError", reason: "NotADatabase", retryable: false },
        applied: [],
        backup: null
      })
      assert.deepStrictEqual(
        facts.stages.map(({ name }: { readonly name: string }) => name),
        ["directory", "connection"]
      )
    })
  )

  it.scoped("says of a restore what was not restored", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: notes })
      const error = yield* refusal(restoreBackup({ filename: file }).pipe(Effect.provide(platform)))
      assert.strictEqual(refusalLines(error)[0], `not restored  ${file}`)
      assert.containSubset(JSON.parse(refusalJson(error)), { database: file, error: { _tag: "RestoreError" } })
    })
  )

  it("ends with the exit code of what a write was refused with", () => {
    const refused = (reason: WriteError["reason"], code = "", retryable = false) =>
      new WriteError({ cause: undefined, reason, code, retryable, sentence: "", remedy: "", database: "a.db" })
    const codes = [
      refused("Busy", "SQLITE_BUSY", true),
      refused("NewerDatabase"),
      refused("Replaced"),
      refused("Damaged", "SQLITE_CORRUPT"),
      refused("DiskFull", "SQLITE_FULL"),
      refused("IoError", "SQLITE_IOERR_WRITE"),
      refused("PermissionDenied", "SQLITE_READONLY"),
      refused("Edited"),
      refused("Refused", "SQLITE_ERROR")
    ].map(exitCodeOf)
    assert.deepStrictEqual(codes, [75, 76, 75, 65, 74, 74, 77, 65, 65])
    assert.strictEqual(refusalLines(refused("Busy"))[0], "not written  a.db")
  })

  it.scoped("ends by its teardown with the exit code of the refusal, among other failures too", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      const newer = Cause.fail(yield* refusal(start(file, { migrations: onlyFirst })))
      const exits = [
        Exit.failCause(newer),
        Exit.failCause(Cause.parallel(Cause.fail(new Mine()), newer)),
        Exit.fail(new Mine()),
        Exit.die("a defect"),
        Exit.interrupt(FiberId.none),
        Exit.void
      ]
      assert.deepStrictEqual(exits.map(codeAfter), [76, 76, 1, 1, 0, 0])
    })
  )
})
