/** Tells systemd how the databases of a program are (https://www.freedesktop.org/software/systemd/man/sd_notify.html). */
import type { ExecFileException } from "node:child_process"
import { createRequire } from "node:module"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { describeStep } from "../start/Measure.ts"
import { type ObservedStart, startObservers } from "../start/startObservers.ts"
import { isRefusal } from "../start/TaggedRefusal.ts"

/** A start that is over within a second says only that it is ready. */
const whileStarting = Schedule.spaced("1 second")

/** How long systemd waits for the next of these. The deadline of the start itself bounds them all. */
const extension = Duration.seconds(15)

const settings = {
  socket: Config.option(Config.nonEmptyString("NOTIFY_SOCKET")),
  /** Microseconds. */
  watchdog: Config.option(Config.integer("WATCHDOG_USEC")),
  watched: Config.option(Config.integer("WATCHDOG_PID"))
}

/**
 * A layer of databases that tells systemd how they are, where `NOTIFY_SOCKET` is set; elsewhere it is the layer itself.
 *
 * - While a start takes longer than a second: `STATUS` with what it does, and `EXTEND_TIMEOUT_USEC`, every second.
 * - Once all are ready: `READY`. Where one is refused: `STATUS` with the sentence of the refusal.
 * - Where the unit has `WatchdogSec`: `WATCHDOG` twice in that time, as long as every database passes its `health`.
 * - Before they are closed: `STOPPING`.
 *
 * It runs `systemd-notify`, because Node.js has no sockets of that kind. The unit needs `Type=notify` and
 * `NotifyAccess=all`. Without `systemd-notify` a warning says so, and the start goes on.
 *
 * @example
 * ```ts
 * import { NodeContext, NodeRuntime } from "@effect/platform-node"
 * import { DatabaseReady, Migrations, notifySystemd } from "database-ready"
 * import { Layer } from "effect"
 *
 * const Database = DatabaseReady.layer({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations")
 * }).pipe(notifySystemd, Layer.provide(NodeContext.layer))
 *
 * export const main = () => NodeRuntime.runMain(Layer.launch(Database))
 * ```
 */
export const notifySystemd = <A, E, R>(layer: Layer.Layer<A, E, R>): Layer.Layer<A, E, R> =>
  Layer.scopedContext(
    Effect.gen(function* () {
      // Other values get what systemd would do with them: nothing.
      const { socket, watchdog, watched } = yield* Effect.orElseSucceed(Config.all(settings), () => unset)
      if (Option.isNone(socket)) return yield* Layer.build(layer)
      const notify = notifier(socket.value)
      const starts = new Set<ObservedStart>()
      const telling = yield* Effect.forkScoped(
        Effect.delay(Effect.repeat(tellStarts(notify, starts), whileStarting), "1 second")
      )
      const context = yield* Layer.build(
        Layer.locallyWith(layer, startObservers, (observers) => [...observers, starts])
      ).pipe(
        Effect.tapError((error) => (isRefusal(error) ? notify(status(`not ready: ${error.sentence}`)) : Effect.void))
      )
      yield* Fiber.interrupt(telling)
      yield* notify("READY=1", status(`ready: ${[...starts].map(({ database }) => database).join(", ")}`))
      const isWatched = Option.match(watched, { onNone: () => true, onSome: (pid) => pid === process.pid })
      if (Option.isSome(watchdog) && isWatched) {
        yield* Effect.forkScoped(
          Effect.repeat(watch(notify, starts), Schedule.spaced(Duration.micros(BigInt(watchdog.value) / 2n)))
        )
      }
      // Finalizers run in reverse order: this one runs before the databases are closed.
      yield* Effect.addFinalizer(() => notify("STOPPING=1"))
      return context
    })
  )

const unset = { socket: Option.none<string>(), watchdog: Option.none<number>(), watched: Option.none<number>() }

type Notify = (...assignments: ReadonlyArray<string>) => Effect.Effect<void>

/** One line: the next would be another assignment. */
const status = (text: string): string => `STATUS=${text.replace(/\s+/g, " ")}`

const tellStarts = (notify: Notify, starts: Iterable<ObservedStart>) =>
  Effect.gen(function* () {
    const courses = yield* Effect.forEach(starts, ({ timeline }) => timeline)
    const doing = courses.flatMap(({ current, doing, stages, step }) => {
      if (current === undefined) return []
      const found = stages.find(({ name }) => name === current)?.found ?? ""
      const what = doing === "" ? found : `${doing}${describeStep(step)}`
      return [what === "" ? `${current} stage` : `${current} stage: ${what}`]
    })
    yield* notify(`EXTEND_TIMEOUT_USEC=${Duration.toMillis(extension) * 1000}`, status(doing.join("; ")))
  })

/** Where no start was seen, nothing can be vouched for. */
const watch = (notify: Notify, starts: ReadonlySet<ObservedStart>) =>
  Effect.forEach(starts, ({ health }) => health ?? Effect.void, { discard: true }).pipe(
    Effect.matchEffect({
      onFailure: ({ sentence }) => notify(status(`not sound: ${sentence}`)),
      onSuccess: () => (starts.size === 0 ? Effect.void : notify("WATCHDOG=1"))
    })
  )

/** Loaded only for this. Not by `import()`: code that is compiled from a cache cannot. */
const childProcess = (): typeof import("node:child_process") => createRequire(process.execPath)("node:child_process")

const notifier = (socket: string): Notify => {
  let hasFailed = false
  return (...assignments) =>
    Effect.async<void, ExecFileException>((resume) => {
      const { execFile } = childProcess()
      const environment = { PATH: process.env["PATH"], NOTIFY_SOCKET: socket }
      const child = execFile("systemd-notify", assignments, { env: environment, timeout: 5000 }, (error) =>
        resume(error === null ? Effect.void : Effect.fail(error))
      )
      return Effect.sync(() => child.kill())
    }).pipe(
      Effect.catchAll(({ code, message }) => {
        const isNews = !hasFailed
        hasFailed = true
        const remedy =
          code === "ENOENT"
            ? "Install systemd-notify, which is part of systemd."
            : `See whether systemd listens: NOTIFY_SOCKET is ${socket}.`
        return isNews ? Effect.logWarning(`systemd was not told: ${message.trim()}. ${remedy}`) : Effect.void
      })
    )
}
