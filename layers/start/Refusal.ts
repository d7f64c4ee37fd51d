/** What every refusal of every room tells, and how it reads when somebody prints it. */

/** A tagged error. Anyone who prints it, in whatever way, sees what is wrong, in which database, and what to do. */
export interface Refusal {
  /** The kind of error, such as `ConnectionError`: for `Effect.catchTag`. */
  readonly _tag: string
  /** For programs: can be matched on. */
  readonly reason: string
  /** For people: what is wrong, and nothing else. */
  readonly sentence: string
  /** For people: what to do now. */
  readonly remedy: string
  /** The sentence, the database and the remedy in one line, as whatever prints an error shows it. */
  readonly message: string
  /** Whether trying again can help by itself. */
  readonly retryable: boolean
  /** SQLite's or the system's code, "" or none where neither had a say. */
  readonly code?: string
  /** Absolute path of the database file, or `:memory:`. Every refusal that leaves a stage, a start or the health check has it. */
  database?: string | undefined
}

/** In one line, for logs that end a message where the line ends. */
export const messageOf = ({
  database,
  remedy,
  sentence
}: Pick<Refusal, "database" | "remedy" | "sentence">): string => {
  const whole = /[.!?]$/.test(sentence) ? sentence : `${sentence}.`
  const where = database === undefined || sentence.includes(database) ? "" : ` Database: ${database}.`
  return `${whole}${where} Remedy: ${remedy}`
}

/** What `JSON.stringify` and JSON loggers write: the sentence and the remedy apart, and the facts. */
export const jsonOf = (refusal: Refusal): object => {
  const { _tag, database, reason, remedy, retryable, sentence } = refusal
  return Object.assign({ _tag, reason, message: sentence, remedy, retryable, database }, refusal)
}

/**
 * Puts the database into a refusal: into the error itself, because a copy would lose its stack and its cause. Done where
 * a refusal leaves what knows the file. Inside, verdicts are made of a history or a schema, whatever file it is in.
 */
export const inDatabase = <E extends Refusal>(database: string, refusal: E): E => {
  refusal.database ??= database
  return refusal
}
