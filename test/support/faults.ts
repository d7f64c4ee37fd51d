/** Faults that strace injects into the system calls of a program. */
import { spawn, spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import { program } from "./program.ts"

/** The long form: every call, every code. */
export const everything = process.env["FAULTS"] === "all"

/** Milliseconds that one sweep may take. */
export const limit = everything ? 7_200_000 : 300_000

const reasonOf = ({ error, status, stderr }: ReturnType<typeof spawnSync>) =>
  error?.message ?? (status === 0 ? undefined : String(stderr).trim())

/** Why faults cannot be injected on this machine, or undefined. */
export const unavailable = reasonOf(spawnSync("strace", ["-qq", "-e", "trace=none", "true"]))

/** The same for a process that already runs: the kernel may allow it only for children of the tracer. */
export const unattachable =
  unavailable ??
  reasonOf(
    spawnSync("sh", ["-c", "sleep 60 & timeout 1 strace -qq -e trace=none -p $!; code=$?; kill $!; test $code = 124"])
  )

/** For the names of tests. */
export const because = (reason: string | undefined): string => (reason === undefined ? "" : ` (skipped: ${reason})`)

export const skipped = because(unavailable)

export interface Fault {
  /** `signal=SIGKILL`, or `error=` and the code. */
  readonly what: string
  readonly call: string
  readonly nth: number
}

export const kill = "signal=SIGKILL"

export const options = ({ call, nth, what }: Fault): ReadonlyArray<string> => [
  "-e",
  `trace=${call}`,
  "-e",
  `inject=${call}:${what}:when=${nth}`
]

export const wasReached = ({ what }: Fault, trace: string): boolean =>
  trace.includes(what === kill ? "SIGKILL" : "(INJECTED)")

/** Runs the program while the system refuses locks: fcntl(2) fails, on these paths or on all. */
export const runWithout = (
  { args, trace }: { readonly args: ReadonlyArray<string>; readonly trace: string },
  { code, paths, when }: { readonly code: string; readonly paths: ReadonlyArray<string>; readonly when: string }
) => {
  const { signal, status, stdout } = spawnSync(
    "strace",
    [
      ...["-f", "-qq", "-o", trace],
      ...paths.flatMap((path) => ["-P", path]),
      ...["-e", "trace=fcntl", "-e", `inject=fcntl:error=${code}:when=${when}`],
      ...[process.execPath, program, ...args]
    ],
    { encoding: "utf8", timeout: 120_000, killSignal: "SIGKILL" }
  )
  return { ended: status ?? signal, stdout, traced: readFileSync(trace, "utf8") }
}

/** How often one thread was refused, at most. SQLite tries a hundred times within one call, which blocks. */
export const mostRefused = (traced: string): number => {
  const tries = [...traced.matchAll(/^(\d+) .*\(INJECTED\)$/gm)].map(([, thread]) => thread)
  return Math.max(0, ...[...new Set(tries)].map((thread) => tries.filter((one) => one === thread).length))
}

/** Of a process of which every thread waits: the newest that waits on a lock. Undefined while one works. */
const lastIdle = (pid: number): number | undefined => {
  const waits = readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .sort((one, other) => one - other)
    // The kernel's function in which it waits; "0" while it works.
    .map((thread) => ({ thread, wait: readFileSync(`/proc/${pid}/task/${thread}/wchan`, "utf8") }))
  const isAtRest = waits.every(({ wait }) => /futex|epoll|ep_poll/.test(wait))
  return isAtRest ? waits.findLast(({ wait }) => wait.startsWith("futex"))?.thread : undefined
}

/**
 * The threads of a Node.js process whose system calls matter: its own, where SQLite works, and the one of its pool
 * (`UV_THREADPOOL_SIZE=1`), which starts with the first file system call. What starts later is a thread with an event
 * loop of its own; the pool waits on a lock. While a thread works, nobody can tell which of them it is: two looks in a
 * row have to find all of them waiting.
 */
export const threadsOf = Effect.fnUntraced(function* (pid: number) {
  let before: number | undefined
  for (let looks = 0; looks < 5000; looks += 1) {
    const pool = lastIdle(pid)
    if (pool !== undefined && pool === before) return { main: pid, pool }
    before = pool
    yield* Effect.sleep("2 millis")
  }
  return yield* Effect.dieMessage(`a thread of ${pid} always works`)
})

/** A tracer, once it is attached. */
const attached = (args: ReadonlyArray<string>) =>
  Effect.promise(
    () =>
      new Promise<{ readonly detach: () => void; readonly ended: Promise<unknown> }>((resolve, reject) => {
        const tracer = spawn("strace", args, { stdio: ["ignore", "ignore", "pipe"] })
        const ended = new Promise((gone) => tracer.once("close", gone))
        let said = ""
        tracer.stderr.setEncoding("utf8").on("data", (text: string) => {
          said += text
          if (/attached/.test(said)) resolve({ detach: () => tracer.kill("SIGTERM"), ended })
        })
        tracer.once("error", reject)
        tracer.once("close", () => reject(new Error(`not attached: ${said}`)))
      })
  )

/** Runs something while a call does not return in any thread of a process, like on a mount whose server is gone. */
export const whileHeld = <A, E, R>(pid: number, call: string, act: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    attached([
      "-f",
      "-p",
      String(pid),
      "-o",
      "/dev/null",
      "-e",
      `trace=${call}`,
      "-e",
      `inject=${call}:delay_enter=30s`
    ]),
    () => act,
    ({ detach, ended }) =>
      Effect.promise(() => {
        detach()
        return ended
      })
  )

/** Runs something while one thread of a process is under a fault. Returns whether the fault was reached. */
export const underFault = <A, E, R>(thread: number, fault: Fault, trace: string, act: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    attached(["-p", String(thread), "-o", trace, ...options(fault)]),
    ({ detach, ended }) =>
      Effect.gen(function* () {
        const value = yield* act
        detach()
        yield* Effect.promise(() => ended)
        return { value, reached: wasReached(fault, readFileSync(trace, "utf8")) }
      }),
    ({ detach, ended }) =>
      Effect.promise(() => {
        detach()
        return ended
      })
  )
