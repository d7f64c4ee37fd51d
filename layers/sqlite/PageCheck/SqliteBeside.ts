/**
 * A statement in a process of its own, beside the event loop. A process can be killed while its statement
 * runs; a worker thread cannot, for the native call outlives `terminate()`.
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

/** What the other process is to do. */
export interface Question {
  readonly file: string
  readonly sql: string
  /**
   * Reads the database and its WAL front to back before SQLite opens them there, where memory has room for both. SQLite
   * reads in the order of its trees, which is no order on the disk: a page at a time, fifty times slower. (Closing
   * a descriptor drops the locks of a process on that file, so it is closed before SQLite takes its first.)
   */
  readonly ahead?: boolean
  /** Whether the connection may write. Default false. */
  readonly writes?: boolean
  /** Keeps the connection open after its answer, until the scope closes. */
  readonly stays?: boolean
}

/** How far the other process is. */
export type Course =
  | { readonly _tag: "Beginning" }
  /** Bytes that were read ahead, and those that there are. */
  | { readonly _tag: "Reading"; readonly done: number; readonly total: number }
  /** SQLite was asked; bytes that the process had read and written by then, where the system counts them. */
  | { readonly _tag: "Asking"; readonly read: number; readonly written: number }

export interface Beside {
  readonly pid: number | undefined
  readonly course: () => Course
  /** What SQLite answers. `SystemFailure` where the other process could not even ask it. */
  readonly rows: Effect.Effect<ReadonlyArray<Row>, SqliteFailure | SystemFailure>
}

/**
 * Asks one thing through a connection in a process of its own, which is gone with the scope, and with this
 * process when that is killed. Fails with `SystemFailure` where no process can be had.
 */
export const askBeside = (question: Question): Effect.Effect<Beside, SystemFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const driver = yield* Effect.try({
      try: () => driverModule(),
      catch: SystemFailure.from
    })
    // Anything else, such as an Electron or a single executable application, would start itself again.
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

/** How far a process is; bytes that it has read and written since SQLite was asked, undefined where nobody can see that. */
export interface Moved {
  readonly course: Course
  readonly read: number | undefined
  readonly written: number | undefined
}

/** The same, and tells now and then how far it is. */
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

/** How a process ended, and the answer that it had given by then. */
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
  // Most starts need none of this, and it takes milliseconds to load.
  const { spawn } = await import("node:child_process")
  const child = spawn(
    process.execPath,
    ["--input-type=commonjs", "-e", watcher, "--", asker, JSON.stringify(question)],
    { stdio: ["pipe", "ignore", "ignore", "pipe"] }
  )
  let said = ""
  let course: Course = { _tag: "Beginning" }
  let onAnswer: (end: End) => void = () => undefined
  // NODE_OPTIONS may load what prints something: the answer comes over a descriptor that nobody else has.
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

/** A process that waits for a disk that hangs is not gone at once, and is not waited for. */
const endProcess = ({ end, kill }: Launched): Effect.Effect<void> =>
  Effect.sync(kill).pipe(
    Effect.zipRight(Effect.interruptible(Effect.promise(() => end))),
    Effect.timeoutOption("1 second"),
    Effect.asVoid
  )

/** Its first thread only watches whether we are still there: our end of the pipe closes with us. */
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

/** What was said is whole where its process ended by itself; of one that was ended it may be half an answer. */
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

/** Without rows and a failure where it is none: NODE_OPTIONS may load what ends the process before it has asked. */
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
