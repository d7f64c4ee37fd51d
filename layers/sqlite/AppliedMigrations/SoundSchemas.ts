/**
 * The schemas in which this process has found nothing wrong. Whether each object compiles follows from the text of the
 * schema and from what the connection has of functions, so the next start on the same schema need not ask again: that
 * takes a third of it.
 */
import { integer, type Sqlite } from "../Sqlite.ts"
import { historyTable } from "./historyTable.ts"
import type { SchemaObject } from "./SchemaFingerprint.ts"

type Objects = ReadonlyArray<SchemaObject>

interface Sound {
  readonly settings: string
  readonly lists: ReadonlyArray<Objects>
}

/** A fleet has one schema, or a few while it is upgraded. */
const atMost = 8

/**
 * `judge`, which is not asked again where it found nothing. `lists` are all that its answer depends on: the whole schema,
 * and what of it is asked about. A connection that was given functions is always asked. Throws `SqliteFailure`.
 */
export const unlessSound = <Fault>(
  known: Array<Sound>,
  sqlite: Sqlite,
  lists: ReadonlyArray<Objects>,
  judge: () => ReadonlyArray<Fault>
): ReadonlyArray<Fault> => {
  if (!sqlite.isPlain()) return judge()
  const settings = settingsOf(sqlite)
  const isKnown = known.some((sound) => sound.settings === settings && isSame(sound.lists, lists))
  if (isKnown) return []
  const faults = judge()
  // The history table is in no list: another version of this library may have made it otherwise.
  const isWhole = !lists.some((objects) => objects.some(({ sql }) => sql.toLowerCase().includes(historyTable)))
  if (faults.length === 0 && isWhole) known.splice(0, known.length, { settings, lists }, ...known.slice(0, atMost - 1))
  return faults
}

/** What else a statement's compilation depends on. */
const settingsOf = ({ all, database }: Sqlite): string =>
  [
    integer(all("PRAGMA foreign_keys")[0], "foreign_keys"),
    integer(all("PRAGMA trusted_schema")[0], "trusted_schema"),
    database.readonly
  ].join()

const isSame = (one: ReadonlyArray<Objects>, other: ReadonlyArray<Objects>): boolean =>
  one.length === other.length && one.every((objects, at) => areSame(objects, other[at] ?? []))

const areSame = (one: Objects, other: Objects): boolean =>
  one === other ||
  (one.length === other.length &&
    one.every((object, at) => {
      const twin = other[at]
      return (
        twin !== undefined &&
        object.sql === twin.sql &&
        object.name === twin.name &&
        object.type === twin.type &&
        object.table === twin.table
      )
    }))
