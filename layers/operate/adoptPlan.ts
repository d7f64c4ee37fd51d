/** Which migrations another tool has applied, proven by the schema. */

import { hash } from "node:crypto"
import * as Effect from "effect/Effect"
import { type Matched, matchEntries, migrationOf } from "../schema/LedgerMatch.ts"
import type { LedgerEntry } from "../schema/LedgerRows.ts"
import { ledgersAmong } from "../schema/Ledgers.ts"
import { historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { userVersionOf } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import {
  describeDifference,
  differenceOf,
  isAccepted,
  objectsOf,
  schemaStatement
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { madeBy } from "../sqlite/AppliedMigrations/SchemaProof.ts"
import { integer } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import { idOf } from "../start/historyComparison.ts"
import { type Migration, titleOf } from "../start/MigrationSource.ts"
import type { AdoptError } from "./AdoptError.ts"
import type { Adoption, Wanted } from "./AdoptOptions.ts"
import {
  chosen,
  contentOf,
  freeName,
  namesOn,
  refuse,
  requireFreeName,
  tablesOf,
  withoutTables
} from "./adoptLedger.ts"
import type { OpenedRooms } from "./openRooms.ts"

export interface Plan {
  readonly adoption: Adoption
  readonly matched: ReadonlyArray<Matched<Migration & { readonly hash: string | undefined }>>
  /** Names of the other tool's tables, in lower case. */
  readonly others: ReadonlySet<string>
}

export const planOf = Effect.fnUntraced(function* (
  { database, source }: OpenedRooms,
  { from, keepExtra, table, through }: Wanted,
  attempt: Attempt
) {
  const { sqlite } = database
  const tables = yield* Effect.mapError(tablesOf(sqlite), historyFailure)
  const names = yield* Effect.mapError(namesOn(sqlite), historyFailure)
  const there = ledgersAmong(tables, table?.toLowerCase())
  const isRenamed = there.some(({ table }) => table.toLowerCase() === historyTable)
  if (!isRenamed) yield* requireFreeName(sqlite, names)
  const objects = objectsOf(yield* Effect.mapError(sqlite.run(schemaStatement), historyFailure))
  if (objects.length === 0 && tables.length === 0) return yield* refuse("Empty")
  if (table !== undefined && there.length === 0)
    return yield* refuse("NoHistory", `${table} is not the table of a tool`)
  const ledger = yield* chosen(there, from, through)
  const known = source.map((migration) => ({ ...migration, hash: hashOf(migration) }))
  const { entries, unfinished } =
    ledger === undefined ? { entries: [], unfinished: [] } : yield* contentOf(sqlite, ledger)
  if (unfinished.length > 0) return yield* refuse("Unfinished", unfinished.join(", "))
  const matched = through === undefined ? matchEntries(entries, known, titleOf) : yield* upTo(through, entries, known)
  if ("differs" in matched) return yield* refuse("Unmatched", matched.differs)
  const newest = matched.at(-1)?.migration
  if (newest === undefined) return yield* refuse("NoHistory", "it has no rows")

  attempt.doing("replaying the migrations in memory")
  const applied = source.slice(0, matched.length)
  const made = yield* madeBy(applied, attempt.progress)
  const others = new Set(
    [...there, ...ledgersAmong(tables)].flatMap(({ kind, table }) => [
      table.toLowerCase(),
      ...(kind.beside ?? []).map((name) => name.replace(kind.table, table.toLowerCase()))
    ])
  )
  const live = withoutTables(objects, others)
  const difference = differenceOf(made, live)
  if (!isAccepted(difference) || (difference.extra.length > 0 && !keepExtra)) {
    const { version } = newest
    return yield* refuse("SchemaDiffers", `through ${version}, ${describeDifference(difference)}`)
  }
  const [header] = yield* Effect.mapError(sqlite.run("PRAGMA user_version"), historyFailure)
  const adoption: Adoption = {
    database: database.file,
    isWritten: false,
    tool: ledger?.kind.tools.find((tool) => tool === from) ?? ledger?.tool,
    table: ledger?.table,
    renamedTo: isRenamed ? freeName(names) : undefined,
    recorded: matched.map(({ entry, migration: { name, version } }) => ({
      version,
      name,
      entry: entry?.label,
      appliedAt: entry?.at === undefined ? undefined : new Date(entry.at).toISOString()
    })),
    pending: source.slice(matched.length).map(titleOf),
    extra: difference.extra,
    userVersion: { before: integer(header, "user_version"), after: userVersionOf(newest.id) },
    backup: undefined
  }
  const plan: Plan = { adoption, matched, others }
  return plan
})

/** All up to a version, each with the entry of its number, if there is one. */
const upTo = <A extends Migration & { readonly hash: string | undefined }>(
  through: string,
  entries: ReadonlyArray<LedgerEntry>,
  migrations: ReadonlyArray<A>
): Effect.Effect<ReadonlyArray<Matched<A>>, AdoptError> => {
  const last = migrations.findIndex(({ id }) => id === idOf(through))
  if (last === -1) return Effect.fail(refuse("NoSuchVersion", through))
  return Effect.succeed(
    migrations.slice(0, last + 1).map((migration) => ({
      migration,
      entry: entries.find((entry) => migrationOf(entry, migrations) === migration)
    }))
  )
}

const hashOf = ({ body }: Migration): string | undefined =>
  body._tag === "Sql" ? hash("sha256", body.text, "hex") : undefined
