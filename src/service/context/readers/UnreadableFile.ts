/** A file that gives no text, for a reason that its reader knows. */
import type { Unreadable } from "../Extracted.ts"

export class UnreadableFile extends Error {
  readonly reason: Unreadable
  constructor(reason: Unreadable) {
    super(reason)
    this.reason = reason
  }
}
