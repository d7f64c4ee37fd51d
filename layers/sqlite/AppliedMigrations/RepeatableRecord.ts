/**
 * What the history says of repeatable migrations: a text in the row of the newest numbered one. A column, and no row of
 * their own: earlier releases of this library would take such a row for a migration that they lack. They do not read
 * this column, and see the objects as ones that no migration of theirs made, which is true.
 */
import * as Predicate from "effect/Predicate"
import { divideBy, namesIn, namesOf, type SchemaObject } from "./SchemaFingerprint.ts"

/** A repeatable migration as it was made. */
export interface RecordedRepeatable {
  readonly name: string
  readonly checksum: string
  /** The oldest version whose programs may run beside this text though they have another, or none; NaN: no other may. */
  readonly compatibleFrom: number
  /** Checksums of the texts that came before. A program that has one of them is an older one. */
  readonly former: ReadonlyArray<string>
  /** What it made, as SQLite keeps it. */
  readonly objects: ReadonlyArray<SchemaObject>
}

export interface Recorded {
  readonly files: ReadonlyArray<RecordedRepeatable>
  /**
   * Whether their objects are there as recorded. Not so between two transactions of an upgrade, and after an upgrade by
   * a release that knows no repeatable migrations: a RENAME in it may have rewritten them.
   */
  readonly areMade: boolean
  /** Triggers of others on views that are not there now: they are given back with the views. */
  readonly ofOthers: ReadonlyArray<SchemaObject>
}

export const nothingRecorded: Recorded = { files: [], areMade: true, ofOthers: [] }

export const writeRecord = ({ areMade, files, ofOthers }: Recorded): string =>
  JSON.stringify({ areMade, files, ofOthers })

/** Undefined if something else wrote it. */
export const readRecord = (kept: string): Recorded | undefined => {
  try {
    const record: unknown = JSON.parse(kept)
    if (!Predicate.hasProperty(record, "files") || !Array.isArray(record.files)) return undefined
    const files = record.files.map(repeatableIn)
    const areMade = Predicate.hasProperty(record, "areMade") && record.areMade === true
    return { areMade, files, ofOthers: listIn(record, "ofOthers").map(objectIn) }
  } catch {
    return undefined
  }
}

const repeatableIn = (value: unknown): RecordedRepeatable => {
  const name = textIn(value, "name")
  const checksum = textIn(value, "checksum")
  const compatibleFrom =
    Predicate.hasProperty(value, "compatibleFrom") && Predicate.isNumber(value.compatibleFrom)
      ? value.compatibleFrom
      : Number.NaN
  const former = listIn(value, "former").filter(Predicate.isString)
  return { name, checksum, compatibleFrom, former, objects: listIn(value, "objects").map(objectIn) }
}

const objectIn = (value: unknown): SchemaObject => ({
  type: textIn(value, "type"),
  name: textIn(value, "name"),
  table: textIn(value, "table"),
  sql: textIn(value, "sql")
})

const textIn = <Name extends string>(value: unknown, name: Name): string => {
  if (Predicate.hasProperty(value, name) && Predicate.isString(value[name])) return value[name]
  throw new TypeError(`${name} is not a text`)
}

const listIn = <Name extends string>(value: unknown, name: Name): ReadonlyArray<unknown> => {
  if (Predicate.hasProperty(value, name) && Array.isArray(value[name])) return value[name]
  throw new TypeError(`${name} is not a list`)
}

/** The live objects that repeatable migrations made, and all others. */
export const divideRepeated = ({ files }: Recorded, live: ReadonlyArray<SchemaObject>) => {
  const expected = files.flatMap(({ objects }) => objects)
  if (expected.length === 0) return { expected, repeated: [], others: live }
  const { extra, ours } = divideBy(namesIn(namesOf(expected)), live)
  return { expected, repeated: ours, others: extra }
}
