/** The open files of this process: Linux lists them in `/proc/self/fd` and `/proc/self/fdinfo` (proc(5)). */
import { files } from "./files.ts"

/** The numbers of the open descriptors; undefined if they cannot be seen. */
export type Descriptors = ReadonlySet<string> | undefined

const numbers = (): ReadonlyArray<string> => files.names("/proc/self/fd")

export const openDescriptors = (): Descriptors => {
  try {
    const found = new Set(numbers())
    // Listing uses the next free descriptor, which SQLite may get afterwards.
    found.delete(String(files.nextDescriptor()))
    return found
  } catch {
    return undefined
  }
}

/**
 * How a file was opened since `before`: `mixed` if several descriptors differ, `unseen` if none is known. SQLite may
 * reuse a descriptor that it kept, so if there is no new one all of them count.
 */
export const openedAs = (path: string, before: Descriptors): "writable" | "readonly" | "mixed" | "unseen" => {
  if (before === undefined) return "unseen"
  try {
    const wanted = files.identity(path)
    if (wanted === undefined) return "unseen"
    const leadsThere = (number: string) => files.identity(`/proc/self/fd/${number}`) === wanted
    const all = numbers()
    const recent = all.filter((number) => !before.has(number) && leadsThere(number))
    const found = recent.length > 0 ? recent : all.filter(leadsThere)
    const writable = found.filter(isWritable).length
    if (found.length === 0) return "unseen"
    return writable === found.length ? "writable" : writable === 0 ? "readonly" : "mixed"
  } catch {
    return "unseen"
  }
}

/** The access mode is in the lowest two bits of the flags, in octal: 0 is `O_RDONLY` (open(2)). */
const isWritable = (number: string): boolean =>
  /^flags:\s*\d*[1-3567]$/m.test(files.text(`/proc/self/fdinfo/${number}`))
