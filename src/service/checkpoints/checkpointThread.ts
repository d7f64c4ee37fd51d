/**
 * The thread that makes checkpoints. It loads the driver that this process has loaded: one SQLite, which knows of all
 * its locks. (Two copies of SQLite in one process would drop each other's locks, https://sqlite.org/howtocorrupt.html.)
 * A checkpoint of the thread blocks only the thread.
 */
import { createRequire } from "node:module"
import { Worker } from "node:worker_threads"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"

/** What to do: `NOOP` only looks, `PASSIVE` writes into the database what no reader is in the way of. */
export type Mode = "NOOP" | "PASSIVE"

/** In pages. Both are -1 if another process makes a checkpoint at this moment. */
export interface Progress {
  /** How many are in the WAL. */
  readonly log: number
  /** How many of them are in the database. */
  readonly checkpointed: number
}

/** Why a checkpoint was not made. */
export class CheckpointError extends Data.TaggedError("CheckpointError")<{
  /** `Refused`: SQLite says so, as when the disk is full. `NoAnswer`: it takes too long. `Ended`: the thread is gone. */
  readonly reason: "Refused" | "NoAnswer" | "Ended"
  readonly message: string
}> {}

export interface CheckpointThread {
  /** One question at a time. */
  readonly ask: (mode: Mode) => Effect.Effect<Progress, CheckpointError>
  /** Finishes when the thread has ended. */
  readonly ended: Effect.Effect<void>
}

/** Plain JavaScript as text, so that it needs no file of its own in a bundle. */
export const program = `
const { parentPort, workerData: { driver, file } } = require("node:worker_threads")
const connection = new (require(driver))(file, { fileMustExist: true, timeout: 0 })
connection.pragma("synchronous = normal")
connection.pragma("wal_autocheckpoint = 0")
parentPort.on("message", (mode) => {
  if (mode === "end") {
    connection.close()
    parentPort.close()
    return
  }
  try {
    const [{ log, checkpointed }] = connection.pragma("wal_checkpoint(" + mode + ")")
    parentPort.postMessage({ log, checkpointed })
  } catch (error) {
    parentPort.postMessage({ refused: error.code + ": " + error.message })
  }
})
`

/**
 * Starts the thread, with a connection to the database. When the scope closes it closes the connection and ends. If it
 * hangs, nobody waits for it longer than a second.
 */
export const startThread = (
  file: string,
  code = program
): Effect.Effect<CheckpointThread, CheckpointError, Scope.Scope> =>
  Effect.map(Effect.acquireRelease(launch(file, code), end), ({ ended, worker }) => ({
    ask: (mode) =>
      Effect.async<Progress, CheckpointError>((resume) => {
        const stop = () => worker.off("message", onMessage).off("exit", onExit)
        const onMessage = (answer: unknown) => {
          stop()
          resume(progressOf(answer))
        }
        const onExit = () => {
          stop()
          resume(gone(ended.why()))
        }
        if (ended.isOver()) return onExit()
        worker.on("message", onMessage).on("exit", onExit)
        worker.postMessage(mode)
        return Effect.sync(stop)
      }),
    ended: Effect.promise(() => ended.promise)
  }))

const launch = (file: string, code: string) =>
  Effect.try({
    try: () => {
      const driver = createRequire(import.meta.url).resolve("better-sqlite3")
      const worker = new Worker(code, { eval: true, name: "checkpoints", workerData: { driver, file } })
      let isOver = false
      let why = "it has ended"
      // It keeps no process alive.
      worker.unref()
      worker.on("error", (error) => {
        why = error.message
      })
      const promise = new Promise<void>((resolve) => {
        worker.once("exit", () => {
          isOver = true
          resolve()
        })
      })
      return { worker, ended: { promise, isOver: () => isOver, why: () => why } }
    },
    catch: (cause) => gone(cause instanceof Error ? cause.message : String(cause))
  })

const end = ({ ended, worker }: Effect.Effect.Success<ReturnType<typeof launch>>): Effect.Effect<void> =>
  Effect.sync(() => {
    worker.ref()
    worker.postMessage("end")
  }).pipe(
    Effect.zipRight(Effect.interruptible(Effect.promise(() => ended.promise))),
    Effect.timeoutOption("1 second"),
    // What runs in SQLite ends first.
    Effect.zipRight(
      Effect.sync(() => {
        worker.unref()
        void worker.terminate()
      })
    )
  )

const gone = (why: string) =>
  new CheckpointError({ reason: "Ended", message: `The thread that makes checkpoints is gone: ${why}` })

const progressOf = (answer: unknown): Effect.Effect<Progress, CheckpointError> => {
  if (Predicate.hasProperty(answer, "log") && Predicate.hasProperty(answer, "checkpointed")) {
    return Effect.succeed({ log: Number(answer.log), checkpointed: Number(answer.checkpointed) })
  }
  const why = Predicate.hasProperty(answer, "refused") ? String(answer.refused) : "an unknown answer"
  return Effect.fail(new CheckpointError({ reason: "Refused", message: `SQLite refuses a checkpoint (${why})` }))
}
