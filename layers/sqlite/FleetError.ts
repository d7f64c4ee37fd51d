/** Why a fleet has no database for a name, before any start of it. */
import * as Data from "effect/Data"
import { jsonOf, messageOf } from "../start/Refusal.ts"

/** The name is that of no database of the fleet, or its directory cannot be listed. Nothing was opened or created. */
export class FleetError extends Data.TaggedError("FleetError")<{
  /**
   * - `InvalidName`: the name cannot be that of a file in the directory.
   * - `InvalidExtension`: the extension is none, or that of a file beside a database.
   * - `NotFound`: there is no such database, and it was not to be created.
   * - `Linked`: a symbolic link is where the database should be. It could lead out of the directory.
   * - `Unreadable`: the directory cannot be listed.
   */
  readonly reason: "InvalidName" | "InvalidExtension" | "NotFound" | "Linked" | "Unreadable"
  /** The name that was asked for; "" where the whole fleet is meant. */
  readonly name: string
  /** Absolute path of the directory. */
  readonly directory: string
  /** What is wrong with the name, or what the operating system said. */
  readonly detail: string
  /** The system's code, e.g. `EACCES`; "" where it had no say. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Absolute path of the database file; undefined where the name is none. */
  readonly database?: string | undefined
}> {
  /** The sentence, the database and the remedy in one line. */
  override get message(): string {
    return messageOf(this)
  }

  /** What JSON loggers write: the sentence as `message`, the remedy, and the facts. */
  override toJSON(): object {
    return jsonOf(this)
  }

  /** What is wrong, for people. */
  get sentence(): string {
    return sentences[this.reason](this)
  }

  /** What to do now, for people. */
  get remedy(): string {
    return remedies[this.reason]
  }
}

type Reason = FleetError["reason"]
type Facts = Pick<FleetError, "detail" | "directory" | "name">

const sentences: Record<Reason, (facts: Facts) => string> = {
  InvalidName: ({ detail, name }) => `${JSON.stringify(name)} cannot be the name of a database of the fleet: ${detail}`,
  InvalidExtension: ({ detail }) => `${JSON.stringify(detail)} cannot be the extension of a fleet's databases`,
  NotFound: ({ directory, name }) => `The fleet in ${directory} has no database ${name}`,
  Linked: ({ detail, directory, name }) => `The database ${name} in ${directory} is a symbolic link (${detail})`,
  Unreadable: ({ detail, directory }) => `The directory ${directory} of the fleet cannot be listed (${detail})`
}

const remedies: Record<Reason, string> = {
  InvalidName:
    "Refuse the request that brought the name. If the name is right, map it to letters, digits, hyphens and underscores first.",
  InvalidExtension:
    "Give a dot, then letters and digits, such as `.db`. It must not be that of a WAL, a journal or a backup.",
  NotFound: "Check the name. To create the database, use `getOrCreate`.",
  Linked: "Put the file itself there. If it has to be elsewhere, mount or move the whole directory.",
  Unreadable: "Check the path, and let this user read the directory."
}
