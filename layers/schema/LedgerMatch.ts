/** Which of our migrations the rows of another tool mean. */
import type { LedgerEntry } from "./LedgerRows.ts"

/** What names are compared as: `CreateUsers`, `create-users` and `create users` are one. */
const plain = (name: string): string =>
  name
    .replaceAll(/(\p{Ll}|\p{N})(\p{Lu})/gu, "$1_$2")
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]+/gu, "_")
    .replaceAll(/^_|_$/g, "")

interface Known {
  readonly id: number
  readonly name: string
  /** SHA-256 of the file; undefined if it has no text. */
  readonly hash: string | undefined
}

/** One of our migrations that the tool's table says was applied. */
export interface Matched<A> {
  readonly migration: A
  readonly entry: LedgerEntry | undefined
}

/**
 * Our migrations that the entries mean: from the first one on, without a gap. By the text of the file, by number where
 * the names do not contradict, by name, or by its place where the table has nothing but the hash of a text that was
 * converted. Else what does not fit.
 */
export const matchEntries = <A extends Known>(
  entries: ReadonlyArray<LedgerEntry>,
  migrations: ReadonlyArray<A>,
  titleOf: (migration: A) => string
): ReadonlyArray<Matched<A>> | { readonly differs: string } => {
  const found = new Map<A, LedgerEntry | undefined>()
  const unknown: Array<string> = []
  for (const entry of entries) {
    const migration = migrationOf(entry, migrations)
    if (migration === undefined || found.has(migration)) unknown.push(entry.label)
    else found.set(migration, isSame(entry, migration) ? entry : { ...entry, label: `${entry.label}, by its place` })
    if (migration === undefined || entry.isAllBefore !== true) continue
    for (const earlier of migrations) {
      if (earlier.id < migration.id && !found.has(earlier)) found.set(earlier, undefined)
    }
  }
  if (unknown.length > 0) return { differs: `no file is ${shortened(unknown)}` }
  const newest = Math.max(-1, ...[...found.keys()].map(({ id }) => id))
  const before = migrations.filter(({ id }) => id <= newest)
  const left = before.filter((migration) => !found.has(migration))
  if (left.length > 0) return { differs: `it does not have ${shortened(left.map(titleOf))}, which comes before others` }
  return before.map((migration) => ({ migration, entry: found.get(migration) }))
}

/** The migration that an entry means; undefined for none, or for no certain one. */
export const migrationOf = <A extends Known>(entry: LedgerEntry, migrations: ReadonlyArray<A>): A | undefined => {
  const { hash, name, number, place } = entry
  const known = name === undefined ? undefined : plain(name)
  const byHash = hash === undefined ? undefined : migrations.find((migration) => migration.hash === hash)
  if (byHash !== undefined) return byHash
  if (place !== undefined) return migrations[place]
  const ofNumber = number === undefined ? undefined : migrations.find(({ id }) => id === Number(number))
  if (ofNumber !== undefined && (known === undefined || plain(ofNumber.name) === known)) return ofNumber
  const ofName = known === undefined ? [] : migrations.filter((migration) => plain(migration.name) === known)
  return ofName.length === 1 ? ofName[0] : undefined
}

const isSame = ({ hash, place }: LedgerEntry, migration: Known): boolean =>
  place === undefined || hash === migration.hash

const shortened = (labels: ReadonlyArray<string>): string =>
  labels.length > 5 ? `${labels.slice(0, 5).join(", ")} and ${labels.length - 5} more` : labels.join(", ")
