/** Why probes cannot be answered. */
import { type Catalogue, type Entry, entryOf, TaggedRefusal } from "../start/TaggedRefusal.ts"

/** The server of the probes cannot listen. The database was not looked at. */
export class ProbeServerError extends TaggedRefusal("ProbeServerError")<{
  /**
   * - `PortInUse`: another program listens there.
   * - `CannotListen`: this host or port cannot be listened on.
   */
  readonly reason: "PortInUse" | "CannotListen"
  /** Where it should have listened, as `HOST:PORT`. */
  readonly address: string
  /** What the operating system said. */
  readonly detail: string
  /** The system's code, such as `EADDRINUSE`. */
  readonly code: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** Never set: no database has a part in it. */
  readonly database?: string | undefined
}> {
  /** @internal */
  get entry(): Entry {
    return entryOf(catalogue, this)
  }
}

const catalogue: Catalogue<ProbeServerError> = {
  PortInUse: {
    sentence: ({ address, code }) => `Another program listens on ${address} (${code})`,
    remedy: "Stop that program, or choose another port.",
    means: "usage"
  },
  CannotListen: {
    sentence: ({ address, detail }) => `This program cannot listen on ${address} (${detail})`,
    remedy: "Choose an address of this machine. A port below 1024 may need more rights: choose a higher one.",
    means: "usage"
  }
}
