/** A migration that this start applied. */
export interface AppliedMigration {
  /** The number as it is written, e.g. `001`. */
  readonly version: string
  /** The rest of the file's name, e.g. `add_owner`. */
  readonly name: string
  /** Milliseconds that it took. */
  readonly executionTimeMs: number
}
