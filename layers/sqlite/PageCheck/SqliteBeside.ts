/**
 * Runs a statement in a child process, so that the event loop stays free. A process can be killed while its statement
 * runs; a worker thread cannot, because the native call outlives `terminate()`.
 */

import { once } from "node:events"
import { createRequire } from "node:module"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { files, trySync } from "../../machine/files.ts"
import { SystemFailure } from "../../machine/SystemFailure.ts"
import { whileALookRuns } from "../../start/policy.ts"
import { driverModule } from "../Driver.ts"
import { ConnectionSetUp } from "../OnOpen.ts"
import type { Row, SqliteFailure } from "../Sqlite.ts"
import { answerIn, type Course, courseIn, type End } from "./childAnswer.ts"
import { asker, watcher } from "./childProgram.ts"

/** What the child process should do. */
export interface Question {
  readonly file: string
  readonly sql: string
  /**
   * Reads the database and its WAL front to back before SQLite opens them, if memory has room for both. SQLite reads
   * page by page in the order of its trees, which was fifty times slower. (Closing a descriptor drops the process's
   * locks on that file, so this ends before SQLite takes its first lock.)
   */
  readonly ahead?: boolean
  /** Whether the connection may write. Default false. */
  readonly writes?: boolean
  /**
   * Opened for writing, and kept from it by `query_only`: on a connection that is opened for reading SQLite leaves the
   * CHECKs out of the schema (`sqlite3AddCheckConstraint` in build.c), and looks at no row by them.
   */
  readonly seesChecks?: boolean
  /** Keeps the connection open after the answer, until the scope closes. */
  readonly stays?: boolean
}

export interface Beside {
  readonly pid: number | undefined
  readonly course: () => Course
  /** SQLite's answer. `SystemFailure` if the child process could not ask it. */
  readonly rows: Effect.Effect<ReadonlyArray<Row>, SqliteFailure | SystemFailure>
}

/**
 * Runs one statement through a connection in a child process. The child ends with the scope, and with this process even
 * if that is killed. Fails with `SystemFailure` if no process can be started.
 */
export const askBeside = (question: Question): Effect.Effect<Beside, SystemFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const driver = yield* Effect.try({
      try: () => driverModule(),
      catch: SystemFailure.from
    })
    // Anything else, such as Electron or a single executable application, would start itself again.
    if (!/^node/i.test(basename(process.execPath))) {
      return yield* new SystemFailure({ code: "ENOEXEC", detail: `${process.execPath} is not Node.js` })
    }
    const { module } = yield* ConnectionSetUp
    const { answer, course, pid } = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => launch({ driver, onOpen: module, ...question }), catch: SystemFailure.from }),
      endProcess
    )
    return {
      pid,
      course,
      rows: Effect.flatMap(
        Effect.promise(() => answer),
        answerIn
      )
    }
  })

/**
 * How far a process is, and the bytes that it has read and written since SQLite was asked; undefined if that cannot be
 * seen.
 */
export interface Moved {
  readonly course: Course
  readonly read: number | undefined
  readonly written: number | undefined
}

/** The same, and tells from time to time how far it is. */
export const answerBeside = (
  question: Question,
  tell: (moved: Moved) => Effect.Effect<void>
): Effect.Effect<ReadonlyArray<Row>, SqliteFailure | SystemFailure, Scope.Scope> =>
  Effect.flatMap(askBeside(question), ({ course, pid, rows }) => {
    const tellNow = Effect.flatMap(
      Effect.orElseSucceed(
        trySync(() => files.text(`/proc/${pid}/io`)),
        () => ""
      ),
      (counters) => {
        const now = course()
        const since = (counter: string, before: number) => {
          const count = new RegExp(`^${counter}: (\\d+)$`, "m").exec(counters)?.[1]
          return count === undefined ? undefined : Math.max(0, Number(count) - before)
        }
        return now._tag === "Asking"
          ? tell({ course: now, read: since("rchar", now.read), written: since("wchar", now.written) })
          : tell({ course: now, read: 0, written: 0 })
      }
    )
    return Effect.acquireUseRelease(
      Effect.fork(Effect.interruptible(Effect.repeat(tellNow, whileALookRuns))),
      () => rows,
      Fiber.interrupt
    )
  })

interface Launched {
  readonly pid: number | undefined
  readonly course: () => Course
  readonly kill: () => boolean
  readonly end: Promise<unknown>
  readonly answer: Promise<End>
}

const launch = async (question: Question & { readonly driver: string; readonly onOpen: string }): Promise<Launched> => {
  // Load it only now: it takes milliseconds, and most starts do not need it.
  const { spawn }: typeof import("node:child_process") = createRequire(question.driver)("node:child_process")
  const child = spawn(
    process.execPath,
    ["--input-type=commonjs", "-e", watcher, "--", asker, JSON.stringify(question)],
    { stdio: ["pipe", "ignore", "ignore", "pipe"] }
  )
  let said = ""
  let course: Course = { _tag: "Beginning" }
  let onAnswer: (end: End) => void = () => undefined
  // NODE_OPTIONS may load code that prints: the answer comes over a descriptor of its own.
  const answers = child.stdio[3]
  if (Predicate.isNotNullable(answers) && "setEncoding" in answers) {
    answers.setEncoding("utf8").on("data", (text: string) => {
      const lines = `${said}${text}`.split("\n")
      said = lines.pop() ?? ""
      for (const line of lines) {
        const found = courseIn(line)
        if (found === undefined) onAnswer({ said: line, code: 0, signal: null })
        else course = found
      }
    })
  }
  const answer = new Promise<End>((resolve) => {
    onAnswer = resolve
    child.once("close", (code, signal) => resolve({ said, code, signal }))
  })
  const end = new Promise((resolve) => child.once("close", resolve))
  await once(child, "spawn")
  return { pid: child.pid, course: () => course, kill: () => child.kill("SIGKILL"), end, answer }
}

/** A process that waits for a hanging disk does not end at once: do not wait for it. */
const endProcess = ({ end, kill }: Launched): Effect.Effect<void> =>
  Effect.sync(kill).pipe(
    Effect.zipRight(Effect.interruptible(Effect.promise(() => end))),
    Effect.timeoutOption("1 second"),
    Effect.asVoid
  )
