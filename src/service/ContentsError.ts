/** Why a database and contents cannot be used together. */
import * as Data from "effect/Data"

/** The identity under which unmarked contents are adopted. */
export const unmarked = "unmarked"

export class ContentsError extends Data.TaggedError("ContentsError")<{
  readonly reason: "OtherDatabase" | "NoDatabase" | "Unmarked" | "NoContents" | "Damaged" | "NoIdentity"
  /** Absolute path. */
  readonly contents: string
  /** Absolute path. */
  readonly database: string
  /** The identity of the contents, `unmarked` if they have none: the value for `ADOPT_CONTENTS`. */
  readonly identity: string
}> {
  override get message(): string {
    return sentences[this.reason](this)
  }

  /** What to do now. */
  get remedy(): string {
    return remedies[this.reason](this.identity)
  }
}

type Reason = ContentsError["reason"]
type Paths = Pick<ContentsError, "contents" | "database">

const sentences: Record<Reason, (paths: Paths) => string> = {
  OtherDatabase: ({ contents, database }) =>
    `The contents in ${contents} belong to another database, not to ${database}`,
  NoDatabase: ({ contents, database }) => `There are contents in ${contents}, but no database ${database}`,
  Unmarked: ({ contents, database }) =>
    `The contents in ${contents} carry no identity, and ${database} knows none of them`,
  NoContents: ({ contents, database }) => `The contents of ${database} are not in ${contents}: nothing is there`,
  Damaged: ({ contents }) => `Cannot read ${contents}/identity`,
  NoIdentity: ({ database }) => `The table contents_identity of ${database} has no row`
}

const afterwards = "A day later, contents without a file in this database go to the trash."

const adopt = (identity: string): string =>
  `Set DATABASE_FILE to the database of these contents, or DATA_DIRECTORY to a directory of its own. If they do belong together, set ADOPT_CONTENTS=${identity} for one start. ${afterwards}`

const remedies: Record<Reason, (identity: string) => string> = {
  OtherDatabase: adopt,
  Unmarked: adopt,
  NoDatabase: (identity) =>
    `Put the database back, or set DATABASE_FILE to where it is. To begin with a new database on these contents, set ADOPT_CONTENTS=${identity} for one start. ${afterwards}`,
  NoContents: (identity) =>
    `Mount or restore the directory, or set DATA_DIRECTORY to where the contents are. To go on without them, set ADOPT_CONTENTS=${identity} for one start.`,
  Damaged: () =>
    "Restore this file from a copy of the directory, or delete it: the database then takes contents that it knows as its own.",
  NoIdentity: () => "Restore the database from a backup."
}
