/**
 * A statement in a process of its own, beside the event loop. A process can be killed while its statement
 * runs; a worker thread cannot, for the native call outlives `terminate()`.
 */
import { once } from "node:events"
import { basename } from "node:path"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import { driverModule, type Row, SqliteFailure, SystemFailure } from "../seams.ts"

export interface Beside {
  readonly pid: number | undefined
  /** What SQLite answers. `SystemFailure` where the other process could not even ask it. */
  readonly rows: Effect.Effect<ReadonlyArray<Row>, SqliteFailure | SystemFailure>
}

/**
 * Asks one thing through a read-only connection in a process of its own, which is gone with the scope, and
 * with this process when that is killed. Fails with `SystemFailure` where no process can be had.
 */
export const askBeside = (file: string, sql: string): Effect.Effect<Beside, SystemFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const driver = yield* Effect.try({
      try: () => driverModule(),
      catch: SystemFailure.from
    })
    // Anything else, such as an Electron or a single executable application, would start itself again.
    if (!/^node/i.test(basename(process.execPath))) {
      return yield* new SystemFailure({ code: "ENOEXEC", detail: `${process.execPath} is not Node.js` })
    }
    const { end, pid } = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => launch([driver, file, sql]), catch: SystemFailure.from }),
      killed
    )
    return {
      pid,
      rows: Effect.flatMap(
        Effect.promise(() => end),
        answerIn
      )
    }
  })

/** How a process ended, and what it had said by then. */
interface End {
  readonly said: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

interface Launched {
  readonly pid: number | undefined
  readonly kill: () => boolean
  readonly end: Promise<End>
}

const launch = async (question: ReadonlyArray<string>): Promise<Launched> => {
  // Most starts need none of this, and it takes milliseconds to load.
  const { spawn } = await import("node:child_process")
  const child = spawn(process.execPath, ["--input-type=commonjs", "-e", watcher, "--", asker, ...question], {
    stdio: ["pipe", "ignore", "ignore", "pipe"]
  })
  let said = ""
  // NODE_OPTIONS may load what prints something: the answer comes over a descriptor that nobody else has.
  const answers = child.stdio[3]
  if (Predicate.isNotNullable(answers) && "setEncoding" in answers) {
    answers.setEncoding("utf8").on("data", (text: string) => {
      said += text
    })
  }
  const end = new Promise<End>((resolve) => {
    child.once("close", (code, signal) => resolve({ said, code, signal }))
  })
  await once(child, "spawn")
  return { pid: child.pid, kill: () => child.kill("SIGKILL"), end }
}

/** A process that waits for a disk that hangs is not gone at once, and is not waited for. */
const killed = ({ end, kill }: Launched): Effect.Effect<void> =>
  Effect.sync(kill).pipe(
    Effect.zipRight(Effect.interruptible(Effect.promise(() => end))),
    Effect.timeoutOption("1 second"),
    Effect.asVoid
  )

/** Its first thread only watches whether we are still there: our end of the pipe closes with us. */
const watcher = `
process.stdin.on("end", () => process.kill(process.pid, "SIGKILL")).resume()
const [, asker, ...question] = process.argv
new (require("node:worker_threads").Worker)(asker, { eval: true, workerData: question })
  .on("message", (answer) => {
    require("node:fs").writeFileSync(3, JSON.stringify(answer))
    process.exit(0)
  })
`

const asker = `
const { parentPort, workerData: [driver, file, sql] } = require("node:worker_threads")
const answer = () => {
  try {
    const connection = new (require(driver))(file, { readonly: true, timeout: 0 })
    try {
      return { rows: connection.prepare(sql).all() }
    } finally {
      connection.close()
    }
  } catch ({ code, message }) {
    return { failure: { code, message } }
  }
}
parentPort.postMessage(answer())
`

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
  try {
    const answer: unknown = JSON.parse(said)
    return isAnswer(answer) ? answer : {}
  } catch {
    return {}
  }
}

const isAnswer = (value: unknown): value is Answer =>
  Predicate.hasProperty(value, "rows")
    ? Array.isArray(value.rows)
    : Predicate.hasProperty(value, "failure") &&
      Predicate.hasProperty(value.failure, "message") &&
      Predicate.isString(value.failure.message)
