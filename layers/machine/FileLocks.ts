/** Who holds locks on a database, where the kernel tells: Linux lists them in `/proc/locks` (proc(5)). */
import * as Effect from "effect/Effect"
import { files, trySync } from "./files.ts"

interface Lock {
  /** 0 or less if the process is in another namespace. */
  readonly pid: number
  readonly mode: string
  /** The first of its bytes. */
  readonly from: number
}

/** The locks on a file that has answered before. An empty list does not prove that there is no lock. */
export const locksOn = (file: string): ReadonlyArray<Lock> => {
  try {
    return locksOf([file])
  } catch {
    return []
  }
}

const locksOf = (paths: ReadonlyArray<string>): ReadonlyArray<Lock> => {
  const keys = paths.flatMap((path) => {
    const found = files.stat(path)
    return found === undefined ? [] : [lockKey(found.dev, found.ino)]
  })
  if (keys.length === 0) return []
  return [
    ...files.text("/proc/locks").matchAll(/^\d+: (?:POSIX|OFDLCK) +\w+ +(READ|WRITE) +(-?\d+) (\S+) (\d+)/gm)
  ].flatMap(([, mode = "", pid, at = "", from]) =>
    keys.includes(at) ? [{ pid: Number(pid), mode, from: Number(from) }] : []
  )
}

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
  /** Its process id, as this process sees it; on PostgreSQL that of the server's process. */
  readonly pid: number
  /** As `ps` shows it, undefined where that cannot be seen. */
  readonly name: string | undefined
  /** True on PostgreSQL: there the process id is one of the server's machine, which may be in use here too. */
  readonly isOnServer?: boolean | undefined
}

/**
 * The processes that block others: those with an exclusive lock on the database or its `-shm`. If none has one, those
 * that read: a switch of the journal mode waits for them. Processes that cannot be seen or have ended are missing.
 */
export const holdersOf = (file: string): Effect.Effect<ReadonlyArray<Holder>> =>
  Effect.orElseSucceed(
    trySync(() => {
      const real = files.realPath(file)
      const locks = locksOf([real, `${real}-shm`]).filter(({ pid }) => pid > 0)
      const exclusive = locks.filter(({ mode }) => mode === "WRITE")
      // This process reads too, so it is left out.
      const holding = exclusive.length > 0 ? exclusive : locks.filter(({ pid }) => pid !== process.pid)
      return [...new Set(holding.map(({ pid }) => pid))].map(holder)
    }),
    () => []
  )

/**
 * The processes that write to a database now: with a WAL they lock byte 120 of the `-shm`, else the bytes from
 * `PENDING_BYTE` on (https://sqlite.org/walformat.html, 2.3; os.h of SQLite). Those that cannot be seen are missing.
 */
export const writersOf = (file: string): Effect.Effect<ReadonlyArray<Holder>> =>
  Effect.orElseSucceed(
    trySync(() => {
      const real = files.realPath(file)
      const onFile = locksOf([real]).filter(({ from }) => from >= pendingByte)
      const onShm = locksOf([`${real}-shm`]).filter(({ from }) => from === 120)
      const writing = [...onFile, ...onShm].filter(({ mode, pid }) => mode === "WRITE" && pid > 0)
      return [...new Set(writing.map(({ pid }) => pid))].map(holder)
    }),
    () => []
  )

const pendingByte = 0x40000000

/**
 * The processes that read from a database in WAL mode now: a checkpoint cannot get past what they read. Their locks are
 * bytes 123 to 127 of the `-shm` (https://sqlite.org/walformat.html, 2.3.1).
 */
export const readersOf = (file: string): Effect.Effect<ReadonlyArray<Holder>> =>
  Effect.orElseSucceed(
    trySync(() => {
      const locks = locksOf([`${files.realPath(file)}-shm`])
      const reading = locks.filter(({ from, pid }) => pid > 0 && from >= 123 && from <= 127)
      return [...new Set(reading.map(({ pid }) => pid))].map(holder)
    }),
    () => []
  )

/**
 * The processes that use the `-shm` and the WAL of a database but have another database file open: theirs was renamed
 * or replaced. A process that opens the new file would share its WAL with the old one. `isUsed`: anyone holds a lock on
 * that `-shm`. Run it inside `trySync`.
 */
export const strangersOn = (file: string): { readonly isUsed: boolean; readonly strangers: ReadonlyArray<Holder> } => {
  const shm = `${file}-shm`
  // The list of a process that is ending is empty already while the kernel still closes its files, and with them drops
  // its locks.
  const users = () => {
    const target = files.identity(shm)
    return pidsOf([shm]).filter((pid) => pid <= 0 || target === undefined || hasOpen(pid, new Set([target])) !== false)
  }
  const strangers = () => {
    const main = files.identity(file)
    return users().filter((pid) => pid > 0 && (main === undefined || hasOpen(pid, new Set([main])) === false))
  }
  // Look twice: a process that closes the database between the two reads looks like a stranger, but its lock is gone by
  // the second look.
  const found = strangers()
  const again = found.length === 0 ? [] : strangers()
  return { isUsed: users().length > 0, strangers: found.filter((pid) => again.includes(pid)).map(holder) }
}

const pidsOf = (paths: ReadonlyArray<string>): ReadonlyArray<number> => [
  ...new Set(locksOf(paths).map(({ pid }) => pid))
]

/**
 * The processes that have one of these files open, locked or not, this one included. Processes of another user or in
 * another namespace are not seen. Without `/proc` none is seen.
 */
export const usersOf = (paths: ReadonlyArray<string>): Effect.Effect<ReadonlyArray<Holder>> =>
  Effect.orElseSucceed(
    trySync(() => {
      const targets = new Set(paths.flatMap((path) => files.identity(path) ?? []))
      if (targets.size === 0) return []
      const processes = files.entries("/proc").flatMap(({ name }) => (/^\d+$/.test(name) ? [Number(name)] : []))
      return processes.filter((pid) => hasOpen(pid, targets) === true).map(holder)
    }),
    () => []
  )

/** How many descriptors this process has on a file; undefined if that cannot be seen. */
export const ownDescriptorsOn = (file: string): number | undefined => {
  try {
    const target = files.identity(file)
    return files.names("/proc/self/fd").filter((name) => files.identity(`/proc/self/fd/${name}`) === target).length
  } catch {
    return undefined
  }
}

/**
 * Whether no other process holds a lock on one of these files. Undefined if that cannot be known: only the first PID
 * namespace sees the locks of all others (`locks_show` in the kernel's locks.c). Run it inside `trySync`.
 */
export const areFree = (paths: ReadonlyArray<string>): boolean | undefined =>
  files.stat("/proc/self/ns/pid")?.ino === firstNamespace
    ? locksOf(paths).every(({ pid }) => pid === process.pid)
    : undefined

/** `PROC_PID_INIT_INO` in the kernel's proc_ns.h. */
const firstNamespace = 0xef_ff_ff_fc

/** Undefined if that cannot be seen: the process has ended, or is another user's. */
const hasOpen = (pid: number, targets: ReadonlySet<string>): boolean | undefined => {
  try {
    return files
      .entries(`/proc/${pid}/fd`)
      .some(({ name }) => targets.has(files.identity(`/proc/${pid}/fd/${name}`) ?? ""))
  } catch {
    return undefined
  }
}

const holder = (pid: number): Holder => ({ pid, name: nameOf(pid) })

const nameOf = (pid: number): string | undefined => {
  try {
    return files.text(`/proc/${pid}/comm`).trim()
  } catch {
    // The process has ended, or is another user's and hidden.
    return undefined
  }
}

/** For the end of a sentence: `; the lock is held by process 4711 (node)`, or nothing if no holder is known. */
export const describeHolders = (holders: ReadonlyArray<Holder>): string =>
  holders.length === 0 ? "" : `; the lock is held by ${nameHolders(holders)}`

/** `process 4711 (node), this process` */
export const nameHolders = (holders: ReadonlyArray<Holder>): string => {
  const named = holders.slice(0, 3).map(({ isOnServer = false, name, pid }) => {
    const who = pid === process.pid && !isOnServer ? "this process" : `process ${pid}`
    return name === undefined ? who : `${who} (${name})`
  })
  if (holders.length > named.length) named.push(`${holders.length - named.length} more`)
  return named.join(", ")
}
