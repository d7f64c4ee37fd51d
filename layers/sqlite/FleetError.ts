/** Why a fleet has no database for a name, before any start of it. */
import { ofSystem } from "../start/codeMeaning.ts"
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"

/** The name is that of no database of the fleet, or its directory cannot be listed. Nothing was opened or created. */
export class FleetError extends TaggedRefusal("FleetError")<{
  /**
   * - `InvalidName`: the name cannot be that of a file in the directory.
   * - `InvalidExtension`: the extension cannot be used, or is that of a file beside a database.
   * - `OtherEngine`: the directory is the URL of another kind of database.
   * - `NotFound`: there is no such database, and it was not to be created.
   * - `Linked`: a symbolic link is where the database should be. It could lead out of the directory.
   * - `Unreadable`: the directory cannot be listed.
   */
  readonly reason: "InvalidName" | "InvalidExtension" | "OtherEngine" | "NotFound" | "Linked" | "Unreadable"
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
  /** Absolute path of the database file; undefined where the name cannot be used. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const catalogue: Catalogue<FleetError> = {
  InvalidName: {
    sentence: ({ detail, name }) => `${JSON.stringify(name)} cannot be the name of a database of the fleet: ${detail}`,
    remedy:
      "Refuse the request that brought the name. If the name is right, map it to letters, digits, hyphens and underscores first.",
    means: "usage"
  },
  InvalidExtension: {
    sentence: ({ detail }) => `${JSON.stringify(detail)} cannot be the extension of a fleet's databases`,
    remedy: "Give a dot, then letters and digits, such as `.db`. It must not be that of a WAL, a journal or a backup.",
    means: "usage"
  },
  OtherEngine: {
    sentence: ({ directory }) => `${directory} is a URL, and a fleet is a directory of SQLite files`,
    remedy: "Give the path of a directory. On PostgreSQL several programs share a server, each with its own `schema`.",
    means: "usage"
  },
  NotFound: {
    sentence: ({ directory, name }) => `The fleet in ${directory} has no database ${name}`,
    remedy: "Check the name. To create the database, use `getOrCreate`.",
    means: "tryAgain"
  },
  Linked: {
    sentence: ({ detail, directory, name }) => `The database ${name} in ${directory} is a symbolic link (${detail})`,
    remedy: "Put the file itself there. If it has to be elsewhere, mount or move the whole directory.",
    means: "cannotCreate"
  },
  Unreadable: {
    sentence: ({ detail, directory }) => `The directory ${directory} of the fleet cannot be listed (${detail})`,
    remedy: "Check the path, and let this user read the directory.",
    means: ofSystem
  }
}
