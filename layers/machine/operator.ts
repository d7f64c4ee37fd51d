/** Who runs this process. */
import { hostname, userInfo } from "node:os"

/** The user of the operating system and the machine, for what is written down. */
export interface Operator {
  /** Its name, or `uid N` where it has none. */
  readonly user: string
  readonly host: string
}

export const operator = (): Operator => ({ user: userName(), host: hostname() })

/** A user of a container may have no entry in the list of users. */
const userName = (): string => {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? "unknown"}`
  }
}
