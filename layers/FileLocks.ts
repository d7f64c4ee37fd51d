/** Who holds locks on a database, as far as the kernel tells: Linux lists them in `/proc/locks` (proc(5)). */
import * as FileSystem from "@effect/platform/FileSystem"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

interface Lock {
  /** 0 or less where the process is in another namespace. */
  readonly pid: number
  readonly mode: string
}

/** The locks on a file. Not to find one is no proof that there is none. */
export const locksOn = (file: string): Effect.Effect<ReadonlyArray<Lock>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const { dev, ino } = yield* fs.stat(file)
    if (Option.isNone(ino)) return []
    const table = yield* fs.readFileString("/proc/locks")
    const key = lockKey(dev, ino.value)
    return [...table.matchAll(/^\d+: (?:POSIX|OFDLCK) +\w+ +(READ|WRITE) +(-?\d+) (\S+) /gm)].flatMap(
      ([, mode = "", pid, at]) => (at === key ? [{ pid: Number(pid), mode }] : [])
    )
  }).pipe(Effect.orElseSucceed(() => []))

/** A file as `/proc/locks` names it: major and minor device in hexadecimal, inode in decimal (makedev(3), proc(5)). */
const lockKey = (dev: number, ino: number): string => {
  const device = BigInt(dev)
  const hex = (part: bigint) => part.toString(16).padStart(2, "0")
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n)
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n)
  return `${hex(major)}:${hex(minor)}:${ino}`
}

/** A process that holds a lock that others wait for. */
export interface Holder {
  readonly pid: number
  /** As `ps` shows it, undefined where that cannot be seen. */
  readonly name: string | undefined
}

/**
 * The processes that keep others from a database: those with an exclusive lock on it or on its `-shm`, and
 * where nobody has one, those that read, which a switch of the journal mode waits for. Who cannot be seen,
 * or is gone by now, is not among them.
 */
export const holdersOf = (file: string): Effect.Effect<ReadonlyArray<Holder>, never, FileSystem.FileSystem> =>
  Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const real = yield* fs.realPath(file)
    const locks = [...(yield* locksOn(real)), ...(yield* locksOn(`${real}-shm`))].filter(({ pid }) => pid > 0)
    const exclusive = locks.filter(({ mode }) => mode === "WRITE")
    // This connection is one of those that read.
    const holding = exclusive.length > 0 ? exclusive : locks.filter(({ pid }) => pid !== process.pid)
    return yield* Effect.forEach(new Set(holding.map(({ pid }) => pid)), (pid) =>
      fs.readFileString(`/proc/${pid}/comm`).pipe(
        Effect.option,
        Effect.map((name): Holder => ({ pid, name: Option.getOrUndefined(name)?.trim() }))
      )
    )
  }).pipe(Effect.orElseSucceed(() => []))

/** For the end of a sentence: `; the lock is held by process 4711 (node)`, or nothing where nobody is known. */
export const describeHolders = (holders: ReadonlyArray<Holder>): string => {
  const named = holders.slice(0, 3).map(({ name, pid }) => {
    const who = pid === process.pid ? "this process" : `process ${pid}`
    return name === undefined ? who : `${who} (${name})`
  })
  if (holders.length > named.length) named.push(`${holders.length - named.length} more`)
  return named.length === 0 ? "" : `; the lock is held by ${named.join(", ")}`
}
