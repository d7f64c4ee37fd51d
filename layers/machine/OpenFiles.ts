/** The open files of this process: Linux lists them in `/proc/self/fd` and `/proc/self/fdinfo` (proc(5)). */
import { files } from "./files.ts"

/** The numbers that the next opened files get: the lowest free ones (open(2)). */
export type FreeDescriptors = ReadonlyArray<number>

/** As many as a connection opens, and one more. */
const asked = 4

export const freeDescriptors = (): FreeDescriptors => {
  try {
    return files.nextDescriptors(asked)
  } catch {
    return []
  }
}

/**
 * How this process has a file open: `mixed` if its descriptors differ, `unseen` if none is known. Those that were free
 * before are looked at first: a process with hundreds of databases would list thousands of descriptors for each. Where
 * they do not tell that all are writable, every descriptor counts: SQLite may reuse one that it kept.
 */
export const openedAs = (path: string, before: FreeDescriptors): "writable" | "readonly" | "mixed" | "unseen" => {
  try {
    const wanted = files.identity(path)
    if (wanted === undefined) return "unseen"
    const leadsThere = (number: number | string) => files.identity(`/proc/self/fd/${number}`) === wanted
    const recent = before.filter(leadsThere)
    if (recent.length > 0 && recent.every(isWritable)) return "writable"
    const found = files.names("/proc/self/fd").filter(leadsThere)
    const writable = found.filter(isWritable).length
    if (found.length === 0) return "unseen"
    return writable === found.length ? "writable" : writable === 0 ? "readonly" : "mixed"
  } catch {
    return "unseen"
  }
}

/** The access mode is in the lowest two bits of the flags, in octal: 0 is `O_RDONLY` (open(2)). */
const isWritable = (number: number | string): boolean =>
  /^flags:\s*\d*[1-3567]$/m.test(files.text(`/proc/self/fdinfo/${number}`))
