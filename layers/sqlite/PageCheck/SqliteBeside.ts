/**
 * Runs a statement in a child process, so that the event loop stays free. A process can be killed while its statement
 * runs; a worker thread cannot, because the native call outlives `terminate()`.
 */
import { once } from "node:events"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { files, trySync } from "../../machine/files.ts"
import { SystemFailure } from "../../machine/SystemFailure.ts"
import { whileALookRuns } from "../../start/policy.ts"
import { driverModule } from "../Driver.ts"
import { type Row, SqliteFailure } from "../Sqlite.ts"

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
  /** Keeps the connection open after the answer, until the scope closes. */
  readonly stays?: boolean
}

/** How far the child process is. */
export type Course =
  | { readonly _tag: "Beginning" }
  /** Bytes read ahead, and their total. */
  | { readonly _tag: "Reading"; readonly done: number; readonly total: number }
  /** SQLite was asked. Bytes that the process had read and written by then, if the system counts them. */
  | { readonly _tag: "Asking"; readonly read: number; readonly written: number }

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
    const { answer, course, pid } = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => launch({ driver, ...question }), catch: SystemFailure.from }),
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

/** How a process ended, and its answer until then. */
interface End {
  readonly said: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface Launched {
  readonly pid: number | undefined
  readonly course: () => Course
  readonly kill: () => boolean
  readonly end: Promise<unknown>
  readonly answer: Promise<End>
}

const launch = async (question: Question & { readonly driver: string }): Promise<Launched> => {
  // Load it only now: it takes milliseconds, and most starts do not need it.
  const { spawn } = await import("node:child_process")
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

/** The child's first thread only watches whether this process still exists: our end of the pipe closes with it. */
const watcher = `
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume()
const [, asker, question] = process.argv
const { stays } = JSON.parse(question)
new (require("node:worker_threads").Worker)(asker, { eval: true, workerData: JSON.parse(question) })
  .on("message", (said) => {
    require("node:fs").writeFileSync(3, JSON.stringify(said) + "\\n")
    if (said._tag === undefined && !stays) process.exit(0)
  })
`

const asker = `
const { parentPort, workerData: { driver, file, sql, ahead, writes, stays } } = require("node:worker_threads")
const fs = require("node:fs")
const os = require("node:os")
const say = (said) => parentPort.postMessage(said)
const numberIn = (path, pattern) => {
  try {
    return Number(pattern.exec(fs.readFileSync(path, "latin1"))?.[1])
  } catch {
    return NaN
  }
}
const room = () => {
  const available = numberIn("/proc/meminfo", /^MemAvailable: +(\\d+) kB/m) * 1024
  const allowed = process.constrainedMemory?.() || Infinity
  return Math.min(Number.isNaN(available) ? os.totalmem() / 2 : available, allowed) * 0.75
}
const sizeOf = (path) => fs.statSync(path, { throwIfNoEntry: false })?.size ?? 0
const readAhead = () => {
  const paths = [file, file + "-wal"]
  const total = paths.map(sizeOf).reduce((sum, size) => sum + size)
  if (total > room()) return
  const buffer = Buffer.allocUnsafe(1024 * 1024)
  let done = 0
  let told = 0
  for (const path of paths) {
    if (sizeOf(path) === 0) continue
    const descriptor = fs.openSync(path, "r")
    try {
      for (let read = 1; read > 0; done += read) {
        if (done - told >= 16 * buffer.length || done === 0) say({ _tag: "Reading", done: told = done, total })
        read = fs.readSync(descriptor, buffer, 0, buffer.length, null)
      }
    } finally {
      fs.closeSync(descriptor)
    }
  }
}
let connection
const answer = () => {
  try {
    // What cannot be read ahead SQLite reads, or says why not.
    if (ahead) try { readAhead() } catch {}
    const counters = "/proc/self/io"
    say({ _tag: "Asking", read: numberIn(counters, /^rchar: (\\d+)/m), written: numberIn(counters, /^wchar: (\\d+)/m) })
    connection = new (require(driver))(file, { readonly: !writes, timeout: 0 })
    try {
      return { rows: connection.prepare(sql).all() }
    } finally {
      if (!stays) connection.close()
    }
  } catch ({ code, message }) {
    return { failure: { code, message } }
  }
}
say(answer())
if (stays) setInterval(() => {}, 60_000)
`

const courseIn = (line: string): Course | undefined => {
  const { _tag, done, read, total, written } = fieldsOf(valueIn(line))
  if (_tag === "Reading") return { _tag, done: Number(done), total: Number(total) }
  return _tag === "Asking" ? { _tag, read: Number(read), written: Number(written) } : undefined
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => (Predicate.isRecord(value) ? value : {})

interface Answer {
  readonly rows?: ReadonlyArray<Row>
  readonly failure?: { readonly code?: string; readonly message: string }
}

/** An answer is complete if its process ended by itself; if it was killed, it may be half an answer. */
export const answerIn = ({
  code,
  said,
  signal
}: End): Effect.Effect<ReadonlyArray<Row>, SqliteFailure | SystemFailure> => {
  if (code !== 0) {
    const how = signal ?? `exit code ${code}`
    return Effect.fail(new SqliteFailure({ code: signal ?? "UNKNOWN", detail: `the process ended with ${how}` }))
  }
  const { failure, rows } = answerOf(said)
  if (rows !== undefined) return Effect.succeed(rows)
  if (failure === undefined) {
    return Effect.fail(new SystemFailure({ code: "EPROTO", detail: "the process ended without an answer" }))
  }
  const thrown = { code: failure.code ?? "UNKNOWN", detail: failure.message }
  return Effect.fail(thrown.code.startsWith("SQLITE_") ? new SqliteFailure(thrown) : new SystemFailure(thrown))
}

/** Empty if there is no answer: NODE_OPTIONS may load code that ends the process before it asks. */
const answerOf = (said: string): Answer => {
  const answer = valueIn(said)
  return isAnswer(answer) ? answer : {}
}

const valueIn = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const isAnswer = (value: unknown): value is Answer =>
  Predicate.hasProperty(value, "rows")
    ? Array.isArray(value.rows)
    : Predicate.hasProperty(value, "failure") &&
      Predicate.hasProperty(value.failure, "message") &&
      Predicate.isString(value.failure.message)
