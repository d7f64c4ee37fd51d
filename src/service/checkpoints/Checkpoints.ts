/**
 * Checkpoints of the WAL, made by another thread. SQLite makes them within commits: each fortieth upload then copies
 * pages and flushes twice, while nothing is answered. If the thread fails, or the WAL grows all the same, commits do it
 * again.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type { SqlError } from "@effect/sql/SqlError"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { Database } from "../Database.ts"
import { WriteSignal } from "../WriteSignal.ts"
import { CheckpointError, type CheckpointThread, type Mode, type Progress, startThread } from "./checkpointThread.ts"

/** Pages in the WAL from which a commit makes a checkpoint, as SQLite does it by itself. */
const byCommits = 1000

/** Pages that are not in the database yet, from which the thread makes a checkpoint: as many. */
const enough = byCommits

/**
 * Bytes of the WAL from which the thread makes a checkpoint between two writes. A WAL starts over at a write that finds
 * all of it in the database. While others write, a checkpoint never catches up.
 */
const startsOver = 12 * 1024 * 1024

/** Bytes of the WAL from which commits make checkpoints whatever the thread does. */
const mostBytes = 48 * 1024 * 1024

/** How long to wait after a write for those that follow it. */
const betweenLooks = Duration.millis(50)

/** How long to wait if a reader keeps a checkpoint from its end, and if another process makes one. */
const afterNoProgress = Duration.seconds(1)

/** How long writes wait for a checkpoint at most. */
const pauseOfWrites = Duration.millis(500)

/** How long the thread may take. */
const patience = Duration.seconds(10)

/** How long to wait before the thread is tried again. */
const afterFailure = Duration.seconds(10)

const made = Metric.counter("conversation_files_checkpoints", {
  description: "Checkpoints of the WAL beside the event loop",
  incremental: true
})
const failed = Metric.counter("conversation_files_checkpoint_failures", {
  description: "Failures of the thread that makes checkpoints",
  incremental: true
})

export class Checkpoints extends Context.Tag("conversation-files/Checkpoints")<
  Checkpoints,
  {
    /** Why commits make the checkpoints at this moment; undefined if the thread makes them. */
    readonly fault: Effect.Effect<CheckpointError | undefined>
  }
>() {
  /** For engines that make checkpoints by themselves. */
  static readonly none = Layer.succeed(Checkpoints, { fault: Effect.succeed(undefined) })

  /** Never fails: without the thread everything works as usual. `start` is the thread. */
  static readonly by = (
    start: (file: string) => Effect.Effect<CheckpointThread, CheckpointError, Scope.Scope>
  ): Layer.Layer<Checkpoints, never, Database | SqlClient.SqlClient | WriteSignal> =>
    Layer.scoped(
      Checkpoints,
      Effect.gen(function* () {
        const { report, write } = yield* Database
        const sql = yield* SqlClient.SqlClient
        const written = yield* Effect.flatMap(WriteSignal, ({ listen }) => listen)
        if (report.pragmas["journal_mode"] !== "wal") return { fault: Effect.succeed(undefined) }
        let fault: CheckpointError | undefined

        const letCommits = (pages: number) => sql`PRAGMA wal_autocheckpoint = ${sql.literal(String(pages))}`

        /** Makes checkpoints until one fails. */
        const use = Effect.fnUntraced(function* (thread: CheckpointThread) {
          const ask = (mode: Mode) =>
            Effect.timeoutFail(thread.ask(mode), { duration: patience, onTimeout: () => noAnswer })
          const checkpoint = Effect.tap(ask("PASSIVE"), () => Effect.sync(() => made.unsafeUpdate(1, [])))
          // Proves that it answers. After a failure it proves that the cause is gone.
          yield* fault === undefined ? ask("NOOP") : checkpoint
          const [row] = yield* sql<{ readonly page_size: number }>`PRAGMA page_size`
          const pageSize = row?.page_size ?? 4096
          yield* letCommits(Math.ceil(mostBytes / pageSize))
          if (fault !== undefined) yield* Effect.logInfo("A thread makes the checkpoints again")
          fault = undefined

          /** In a transaction that writes nothing, and not for long. What then still runs is waited for outside. */
          const betweenWrites = write(
            Effect.tap(Effect.fork(checkpoint), (running) => Effect.timeoutOption(Fiber.await(running), pauseOfWrites))
          ).pipe(
            Effect.flatMap(Fiber.join),
            // Another process has the lock for long.
            Effect.catchTag("SqlError", () => Effect.succeed(undefined))
          )
          const isLong = ({ log }: Progress) => log * pageSize >= startsOver
          yield* Effect.gen(function* () {
            yield* written
            yield* Effect.sleep(betweenLooks)
            const before = yield* ask("NOOP")
            if (before.log - before.checkpointed < enough && !isLong(before)) return
            const first = yield* checkpoint
            const last = isLong(first) && isBehind(first) ? yield* betweenWrites : first
            if (last === undefined || hasNotMoved(before, last)) yield* Effect.sleep(afterNoProgress)
          }).pipe(Effect.forever)
        })

        const fallBack = (error: CheckpointError | SqlError) =>
          Effect.gen(function* () {
            const isNew = fault === undefined
            fault = error instanceof CheckpointError ? error : refusedBy(error)
            failed.unsafeUpdate(1, [])
            if (isNew) yield* Effect.logWarning(`${fault.message}. Until that is over, commits make the checkpoints`)
            yield* Effect.catchAll(letCommits(byCommits), ({ message }) => Effect.logError(message))
          })

        const once = start(report.database).pipe(
          Effect.tap((thread) => Effect.catchAll(use(thread), fallBack)),
          Effect.scoped,
          // One that hangs in SQLite is waited for: a second one would hang there too.
          Effect.flatMap(({ ended }) => ended),
          Effect.catchAll(fallBack)
        )
        yield* Effect.forkScoped(Effect.forever(Effect.zipRight(once, Effect.sleep(afterFailure))))
        return { fault: Effect.sync(() => fault) }
      })
    )

  static readonly layer = Checkpoints.by(startThread)
}

const isBehind = ({ checkpointed, log }: Progress): boolean => checkpointed < log

/** A reader keeps it from its end, or another process makes a checkpoint. */
const hasNotMoved = (before: Progress, after: Progress): boolean =>
  after.log < 0 || (isBehind(after) && after.log >= before.log && after.checkpointed <= before.checkpointed)

const refusedBy = ({ message }: SqlError) => new CheckpointError({ reason: "Refused", message })

const noAnswer = new CheckpointError({
  reason: "NoAnswer",
  message: `A checkpoint has not ended within ${Duration.toSeconds(patience)} s`
})
