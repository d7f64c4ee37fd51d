/**
 * Asks another process for the text of a file. The process starts when it is needed, which takes a second. It is ended
 * when it takes too long or too much memory, and when it was idle for a while.
 */
import { type ChildProcess, fork } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type IndexedPassage, Message, type Task, type Unreadable } from "./Extracted.ts"

export class NotExtracted extends Data.TaggedError("NotExtracted")<{ readonly reason: Unreadable }> {}

export interface ExtractedText {
  readonly passages: ReadonlyArray<IndexedPassage>
  readonly isTruncated: boolean
}

export type Extract = (task: Task) => Effect.Effect<ExtractedText, NotExtracted>

export interface ExtractorLimits {
  /**
   * For one file, of the processor: how busy the machine is says nothing of a file. It may take four times as long. Where
   * the system does not show it, this is how long it may take.
   */
  readonly time: Duration.DurationInput
  /** Megabytes of JavaScript's heap. The process as a whole may have twice as much. */
  readonly memory: number
}

export const usualLimits: ExtractorLimits = { time: "30 seconds", memory: 256 }

/** Milliseconds. Uploads rarely come alone. */
const idleTime = 60_000

/** The bundle beside the service's bundle. */
const program = (): string => {
  const module = import.meta.url
  return module.startsWith("file:")
    ? fileURLToPath(new URL("../dist/extractor.cjs", module))
    : join(dirname(module), "extractor.cjs")
}

export const isExtractorThere = (): boolean => existsSync(program())

const decode = Schema.decodeUnknownEither(Message)

/** A function that extracts one text at a time. Its process ends with the scope. */
export const makeExtract = ({
  memory,
  time
}: ExtractorLimits = usualLimits): Effect.Effect<Extract, never, Scope.Scope> =>
  Effect.gen(function* () {
    let process: ChildProcess | undefined
    let idle: NodeJS.Timeout | undefined

    const start = (): ChildProcess => {
      const child = fork(program(), [], {
        // It reads what strangers wrote: no tokens, and nothing that others load into every Node.js.
        env: {},
        execArgv: [`--max-old-space-size=${memory}`],
        stdio: ["ignore", "ignore", "ignore", "ipc"]
      })
      // The service may end while it runs.
      child.unref()
      child.channel?.unref()
      child.once("exit", () => {
        if (process === child) process = undefined
      })
      return child
    }

    const end = (child: ChildProcess): void => {
      if (process === child) process = undefined
      child.kill("SIGKILL")
    }

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        clearTimeout(idle)
        if (process !== undefined) end(process)
      })
    )

    const asked = (task: Task): Effect.Effect<ExtractedText, NotExtracted> =>
      Effect.async((resume) => {
        const child = process ?? start()
        process = child
        child.channel?.ref()
        clearTimeout(idle)
        let passages: ReadonlyArray<IndexedPassage> = []
        let isOver = false
        const finish = (exit: Effect.Effect<ExtractedText, NotExtracted>) => {
          isOver = true
          child.off("message", onMessage).off("exit", onExit).off("error", onError)
          child.channel?.unref()
          idle = setTimeout(() => end(child), idleTime).unref()
          resume(exit)
        }
        const fail = (reason: Unreadable) => finish(Effect.fail(new NotExtracted({ reason })))
        const onMessage = (given: unknown) => {
          const message = decode(given)
          if (Either.isLeft(message)) {
            end(child)
            return fail("Crashed")
          }
          switch (message.right._tag) {
            case "Passages":
              passages = passages.concat(message.right.passages)
              return
            case "Done":
              return finish(Effect.succeed({ passages, isTruncated: message.right.isTruncated }))
            case "Failed":
              return fail(message.right.reason)
          }
        }
        // Node.js aborts when its heap is full.
        const onExit = (_code: number | null, signal: string | null) =>
          fail(signal === "SIGABRT" ? "OutOfMemory" : "Crashed")
        const onError = () => {
          end(child)
          fail("Crashed")
        }
        child.on("message", onMessage).on("exit", onExit).on("error", onError)
        child.send(task)
        return Effect.sync(() => {
          if (!isOver) end(child)
        })
      })

    const most = Duration.toSeconds(time)

    /** Buffers are not in the heap. Where the system does not show it, only the heap is limited. */
    const tooMuch = Effect.suspend(() => {
      const { seconds: before } = usageOf(process?.pid)
      return Effect.suspend(() => {
        const { bytes, seconds } = usageOf(process?.pid)
        if (bytes > 2 * memory * 1024 * 1024) return Effect.fail(new NotExtracted({ reason: "OutOfMemory" }))
        return seconds - before > most ? Effect.fail(new NotExtracted({ reason: "TimedOut" })) : Effect.void
      }).pipe(Effect.repeat(Schedule.spaced("100 millis")), Effect.zipRight(Effect.never))
    })

    const longest = isUsageShown() ? Duration.times(time, 4) : time
    return (task) =>
      Effect.raceFirst(asked(task), tooMuch).pipe(
        Effect.timeoutFail({ duration: longest, onTimeout: () => new NotExtracted({ reason: "TimedOut" }) })
      )
  })

const pageSize = 4096
const ticksPerSecond = 100

const isUsageShown = (): boolean => existsSync("/proc/self/stat")

/** The memory that a process has, and the processor's time that it took (`man 5 proc`). Nothing where it is not shown. */
const usageOf = (pid: number | undefined): { readonly bytes: number; readonly seconds: number } => {
  const fields = pid === undefined ? [] : statOf(pid)
  const [user = 0, system = 0, pages = 0] = [fields[11], fields[12], fields[21]].map((field) => Number(field ?? 0))
  return { bytes: pages * pageSize, seconds: (user + system) / ticksPerSecond }
}

/** From the third field on: the second one is a name with blanks, in parentheses. */
const statOf = (pid: number): ReadonlyArray<string> => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  } catch {
    return []
  }
}
