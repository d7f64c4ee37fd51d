/** Another tool's directory of migrations, as values. */

/** What is in a directory, at any depth. */
export interface TreeEntry {
  /** Below the directory, with `/` between. */
  readonly path: string
  readonly isDirectory: boolean
}

/** A file that another tool runs. */
export interface ForeignFile {
  readonly path: string
  /** The number as the other tool has it; "" for a repeatable one. */
  readonly number: string
  /** Undefined for a repeatable one. */
  readonly version: string | undefined
  readonly name: string
}

/** A directory as another tool reads it. */
export interface ForeignLayout {
  /** For people: whose layout it is, as far as the names tell. */
  readonly layout: string
  /** In the order in which they run. */
  readonly found: ReadonlyArray<ForeignFile>
  /** Files that the other tool does not run to build a database, each with the reason. */
  readonly left: ReadonlyArray<LeftFile>
  /** Whether some of the numbers are new ones. */
  readonly isRenumbered: boolean
}

/** A file that is not taken over. */
export interface LeftFile {
  /** Below the directory, with `/` between. */
  readonly path: string
  /** Why not, for people. */
  readonly reason: string
}

/** Why a layout cannot be read. */
export interface Unclear {
  readonly reason: "NoMigrations" | "Programs" | "Unclear"
  readonly detail: string
}

export const shortened = (all: ReadonlyArray<string>): string =>
  all.length > 5 ? `${all.slice(0, 5).join(", ")} and ${all.length - 5} more` : all.join(", ")
