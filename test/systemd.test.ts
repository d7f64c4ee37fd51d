/** What systemd hears. */
import { renameSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { notifySystemd } from "../layers/index.ts"
import { start, starting, temporaryFile } from "./support/database.ts"
import { because } from "./support/faults.ts"
import { listening, unavailable } from "./support/systemd.ts"

describe.skipIf(unavailable !== undefined)(`systemd${because(unavailable)}`, () => {
  it.scopedLive("hears that a database is ready, and that it is closed", () =>
    Effect.gen(function* () {
      const { environment, heard } = yield* listening
      const file = yield* temporaryFile
      const scope = yield* Scope.make()
      yield* environment()(Layer.buildWithScope(notifySystemd(starting(file)), scope))
      assert.deepStrictEqual(heard, [`READY=1 | STATUS=ready: ${file}`])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(heard.slice(1), ["STOPPING=1"])
    })
  )

  it.scopedLive("hears what a start waits for, and gives it more time", () =>
    Effect.gen(function* () {
      const { environment, heard, until } = yield* listening
      const file = yield* temporaryFile
      const wait = until(/STATUS=migrations stage/)
      const slow = starting(file, {
        onProgress: ({ _tag, stage }) => (_tag === "StageStarted" && stage === "migrations" ? wait : Effect.void)
      })
      yield* environment()(Layer.build(notifySystemd(slow)))
      assert.match(heard[0] ?? "", /^EXTEND_TIMEOUT_USEC=15000000 \| STATUS=migrations stage/)
      assert.match(heard.at(-1) ?? "", /^READY=1/)
    })
  )

  it.scopedLive("hears why a start is refused", () =>
    Effect.gen(function* () {
      const { environment, heard } = yield* listening
      const file = yield* temporaryFile
      yield* start(file, { applicationId: 1 })
      const refused = yield* Effect.flip(
        environment()(Layer.build(notifySystemd(starting(file, { applicationId: 2 }))))
      )
      assert.deepStrictEqual(heard, [`STATUS=not ready: ${refused.sentence}`])
    })
  )

  it.scopedLive("hears from the watchdog as long as the database is sound", () =>
    Effect.gen(function* () {
      const { environment, heard, until } = yield* listening
      const file = yield* temporaryFile
      yield* environment({ WATCHDOG_USEC: "200000", WATCHDOG_PID: String(process.pid) })(
        Layer.build(notifySystemd(starting(file)))
      )
      yield* until(/^WATCHDOG=1$/)
      renameSync(file, `${file}.away`)
      yield* until(/^STATUS=not sound: /)
      assert.strictEqual(heard.indexOf("WATCHDOG=1"), 1)
    })
  )
})

describe("a program that is not run by systemd", () => {
  it.scopedLive("starts without it, and with a warning where systemd-notify is missing", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const logged: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => void logged.push(String(message)))
      )
      const none = Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))
      yield* Effect.scoped(none(Layer.build(notifySystemd(starting(file))))).pipe(Effect.provide(logger))
      assert.notMatch(logged.join(), /systemd/)
      const path = process.env["PATH"]
      process.env["PATH"] = "/nonexistent"
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          process.env["PATH"] = path
        })
      )
      const nowhere = Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["NOTIFY_SOCKET", "/nonexistent"]])))
      yield* Effect.scoped(nowhere(Layer.build(notifySystemd(starting(file))))).pipe(Effect.provide(logger))
      assert.lengthOf(
        logged.filter((line) => /^systemd was not told: .*Install systemd-notify/s.test(line)),
        1
      )
    })
  )

  it.scoped.skipIf(unavailable !== undefined)("hears what to look at where systemd-notify is there and fails", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const logged: Array<string> = []
      const logger = Logger.replace(
        Logger.defaultLogger,
        Logger.make(({ message }) => void logged.push(String(message)))
      )
      const nowhere = Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["NOTIFY_SOCKET", "/nonexistent"]])))
      yield* Effect.scoped(nowhere(Layer.build(notifySystemd(starting(file))))).pipe(Effect.provide(logger))
      const told = logged.filter((line) => line.startsWith("systemd was not told"))
      assert.lengthOf(told, 1)
      assert.include(told[0] ?? "", "NOTIFY_SOCKET is /nonexistent")
      assert.notInclude(told[0] ?? "", "Install")
    })
  )
})
