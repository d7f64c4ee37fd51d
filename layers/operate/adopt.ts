/** Takes over a database that another tool has migrated. */
import { hash } from "node:crypto"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import {
  type LedgerEntry,
  type LedgerKind,
  type LedgerRow,
  ledgersAmong,
  type Matched,
  matchEntries,
  migrationOf
} from "../schema/Ledgers.ts"
import { look, type Seen } from "../sqlite/AppliedMigrations/DatabaseLook.ts"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { prepareHistory, recordCompleted, recordSchema } from "../sqlite/AppliedMigrations/HistoryRecords.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { readHistory, userVersionOf } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import {
  describeDifference,
  differenceOf,
  fingerprintOf,
  isAccepted,
  namesOf,
  objectsOf,
  type SchemaObject,
  schemaStatement,
  withoutExtra
} from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { madeBy } from "../sqlite/AppliedMigrations/SchemaProof.ts"
import { transaction } from "../sqlite/AppliedMigrations/Transaction.ts"
import { upgradeError } from "../sqlite/AppliedMigrations/UpgradeError.ts"
import { makeBackup, requireSpaceForBackup } from "../sqlite/Backup.ts"
import { pruneBackups } from "../sqlite/BackupFiles.ts"
import type { DatabaseOptions } from "../sqlite/DatabaseConfig.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { checkCopy } from "../sqlite/PageCheck.ts"
import { integer, type Sqlite, SqliteFailure, text } from "../sqlite/Sqlite.ts"
import type { Attempt } from "../start/Attempt.ts"
import { idOf } from "../start/historyComparison.ts"
import { type Migration, type Migrations, titleOf } from "../start/MigrationSource.ts"
import { AdoptError } from "./AdoptError.ts"
import { type OpenedRooms, openRooms } from "./openRooms.ts"

/** What to take over, and as what. Other options are those of a start. */
export interface AdoptOptions<R = never> extends Omit<DatabaseOptions, "access"> {
  /** The migrations whose schema the database has, at least the first of them. */
  readonly migrations: Migrations<R>
  /** The tool whose history counts, such as `knex`; `none` for no history. Default: the one that is there. */
  readonly from?: string | undefined
  /** The newest migration whose changes are in the database. Default: what the other tool's history says. */
  readonly through?: string | undefined
  /** Accepts objects that no migration makes, as a start does. Default false: a migration may be missing. */
  readonly keepExtra?: boolean | undefined
  /** Only looks, and writes nothing. Default false. */
  readonly dryRun?: boolean | undefined
  /** What an earlier look has shown: nothing is written if that has changed. Default: not compared. */
  readonly expected?: Adoption | undefined
}

/** What was written, or would be. */
export interface Adoption {
  /** Absolute path of the database. */
  readonly database: string
  /** Whether it was written; false for a look. */
  readonly isWritten: boolean
  /** The tool whose history was read; undefined where none was. */
  readonly tool: string | undefined
  /** The table of that history. Its rows stay as they are. */
  readonly table: string | undefined
  /** The name that table has from now on, if this library needs its name; else undefined. */
  readonly renamedTo: string | undefined
  /** The migrations that are recorded as applied, in their order. */
  readonly recorded: ReadonlyArray<{
    /** The number as it is written. */
    readonly version: string
    /** What follows it. */
    readonly name: string
    /** The row of the other tool; undefined if it has none. */
    readonly entry: string | undefined
    /** When it was applied, ISO 8601; undefined if the other tool does not say. */
    readonly appliedAt: string | undefined
  }>
  /** The migrations that the next start applies, as `NNN_name`. */
  readonly pending: ReadonlyArray<string>
  /** Objects that no migration makes, with type and name. */
  readonly extra: ReadonlyArray<string>
  /** What `PRAGMA user_version` is before, and after. */
  readonly userVersion: {
    /** What it is now. */
    readonly before: number
    /** What the history makes of it. */
    readonly after: number
  }
  /** Absolute path of the backup; undefined for a look. */
  readonly backup: string | undefined
}

/**
 * Writes this library's history into a database that another tool has migrated, or none. Which migrations were applied
 * is read from the other tool's table. Then they are replayed in memory, and have to make the schema that the database
 * has, apart from the other tool's tables. Under the write lock, after a backup, one transaction writes the history.
 * The other tool's table stays; only one that is called `schema_migrations` gets another name. Fails with `AdoptError`,
 * and with what a start fails with.
 *
 * @example
 * ```ts
 * import { Migrations } from "database-ready"
 * import { adopt } from "database-ready/operate"
 *
 * export const look = adopt({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations"),
 *   dryRun: true
 * })
 * ```
 */
export const adopt = <R = never>({
  dryRun = false,
  expected,
  from,
  keepExtra = false,
  migrations,
  through,
  ...options
}: AdoptOptions<R>): Effect.Effect<
  Adoption,
  AdoptError | InitializationError,
  FileSystem.FileSystem | Path.Path | R
> => {
  const wanted = { from, through, keepExtra }
  return Effect.gen(function* () {
    // The first look can create nothing, whatever is at the path.
    const shown = yield* openRooms(options, migrations, "inspect", (opened, attempt) =>
      transaction(
        opened.database.sqlite,
        { begin: opened.database.sqlite.run("BEGIN") },
        historyFailure,
        planOf(opened, wanted, attempt)
      )
    )
    if (dryRun) return shown.adoption
    const still = expected ?? shown.adoption
    return yield* openRooms(options, migrations, "initialize", (opened, attempt) =>
      write(opened, wanted, still, attempt)
    )
  })
}

type Wanted = Required<Pick<AdoptOptions, "keepExtra">> & Pick<AdoptOptions, "from" | "through">

interface Plan {
  readonly adoption: Adoption
  readonly matched: ReadonlyArray<Matched<Migration & { readonly hash: string | undefined }>>
  /** Names of the other tool's tables, in lower case. */
  readonly others: ReadonlySet<string>
}

const refuse = (reason: AdoptError["reason"], detail = "") => new AdoptError({ reason, detail, retryable: false })

const planOf = Effect.fnUntraced(function* (
  { database, source }: OpenedRooms,
  { from, keepExtra, through }: Wanted,
  attempt: Attempt
) {
  const { sqlite } = database
  const tables = yield* Effect.mapError(tablesOf(sqlite), historyFailure)
  const names = yield* Effect.mapError(namesOn(sqlite), historyFailure)
  const there = ledgersAmong(tables)
  const isRenamed = there.some(({ table }) => table.toLowerCase() === historyTable)
  if (!isRenamed) yield* requireFreeName(sqlite, names)
  const objects = objectsOf(yield* Effect.mapError(sqlite.run(schemaStatement), historyFailure))
  if (objects.length === 0 && tables.length === 0) return yield* refuse("Empty")
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
  const others = new Set(there.flatMap(({ kind, table }) => [table.toLowerCase(), ...(kind.beside ?? [])]))
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

const write = Effect.fnUntraced(function* (opened: OpenedRooms, wanted: Wanted, expected: Adoption, attempt: Attempt) {
  const { config, database } = opened
  const { file, sqlite } = database
  const written = yield* transaction(
    sqlite,
    { begin: sqlite.run("BEGIN IMMEDIATE") },
    notWritten,
    Effect.scoped(
      Effect.gen(function* () {
        const plan = yield* planOf(opened, wanted, attempt)
        if (JSON.stringify(plan.adoption) !== JSON.stringify(expected)) return yield* refuse("Changed")
        const upgrade = { from: undefined, to: plan.matched.at(-1)?.migration.version ?? "" }
        yield* requireSpaceForBackup(sqlite, file, upgrade)
        attempt.doing("making the backup")
        const backup = yield* makeBackup(file, upgrade, (copy) => checkCopy(copy, attempt.progress), attempt.progress)
        attempt.doing("writing the history")
        yield* record(opened, plan, attempt)
        yield* backup.keep
        yield* attempt.inTime
        return { ...plan.adoption, isWritten: true, backup: backup.file }
      })
    )
  )
  yield* Effect.catchAll(pruneBackups(file, config.backups, written.backup), ({ detail }) =>
    Effect.logWarning(`Older backups could not be deleted: ${detail}`)
  )
  return written
})

/** Writes the history, and looks at it as the next start will. */
const record = Effect.fnUntraced(function* (
  { config, database: { sqlite }, source }: OpenedRooms,
  { adoption, matched, others }: Plan,
  attempt: Attempt
) {
  const { renamedTo } = adoption
  const now = yield* Clock.currentTimeMillis
  const applied = source.slice(0, matched.length)
  const newest = applied.at(-1)
  if (newest === undefined) return
  if (renamedTo !== undefined) {
    yield* Effect.mapError(sqlite.run(`ALTER TABLE ${historyTable} RENAME TO ${renamedTo}`), notWritten)
  }
  const history = yield* written(() => readHistory(sqlite))
  if (history instanceof HistoryError) return yield* history
  yield* written(() => prepareHistory(sqlite, history))
  const completed = matched.map(({ entry, migration }) => ({
    migration,
    appliedAt: entry?.at ?? now,
    executionTimeMs: 0,
    changedRows: 0
  }))
  yield* written(() => recordCompleted(sqlite, completed, config.program))
  const made = yield* madeBy(applied, attempt.progress)
  const objects = objectsOf(yield* Effect.mapError(sqlite.run(schemaStatement), notWritten))
  const live = withoutTables(objects, renamedTo === undefined ? others : new Set([...others, renamedTo]))
  const ofOurs = withoutExtra(made, live)
  yield* written(() => recordSchema(sqlite, newest, { fingerprint: fingerprintOf(ofOurs), ours: namesOf(ofOurs) }))
  const difference = differenceOf(made, live)
  if (!isAccepted(difference)) return yield* refuse("SchemaDiffers", describeDifference(difference))
  const seen: Seen | HistoryError = yield* written(() => look({ ...config, access: "inspect" }, source, sqlite))
  if (seen instanceof HistoryError) return yield* seen
  if (seen.verdict.applied.length !== applied.length) return yield* refuse("Changed")
})

const written = <A>(step: () => A) => Effect.mapError(Effect.try({ try: step, catch: SqliteFailure.from }), notWritten)

const notWritten = (failure: SqliteFailure) =>
  upgradeError(failure.retryable ? "Busy" : "NotWritten", { migration: "the history", failure })

interface Table {
  readonly name: string
  /** In lower case. */
  readonly columns: ReadonlyArray<string>
}

const tablesOf = (sqlite: Sqlite): Effect.Effect<ReadonlyArray<Table>, SqliteFailure> =>
  sqlite
    .run(
      `SELECT name, (SELECT json_group_array(lower(info.name)) FROM pragma_table_info(objects.name) AS info) AS columns
FROM sqlite_schema AS objects WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`
    )
    .pipe(
      Effect.map((rows) => rows.map((row) => ({ name: text(row, "name"), columns: namesIn(text(row, "columns")) })))
    )

const namesIn = (json: string): ReadonlyArray<string> => {
  const names: unknown = JSON.parse(json)
  return Array.isArray(names) ? names.map(String) : []
}

/** The type of everything that has a name, in lower case. The names of triggers are apart: they stand in nobody's way. */
const namesOn = (sqlite: Sqlite): Effect.Effect<ReadonlyMap<string, string>, SqliteFailure> =>
  Effect.map(
    sqlite.run("SELECT lower(name) AS name, type FROM sqlite_schema WHERE type <> 'trigger'"),
    (rows) => new Map(rows.map((row) => [text(row, "name"), text(row, "type")]))
  )

/** What has the name of the history and is not an empty history is somebody's. It is left alone. */
const requireFreeName = Effect.fnUntraced(function* (sqlite: Sqlite, names: ReadonlyMap<string, string>) {
  const type = names.get(historyTable)
  if (type === undefined) return
  if (type !== "table") return yield* refuse("NameTaken", `the ${type} ${historyTable}`)
  const history = yield* Effect.mapError(
    Effect.try({ try: () => readHistory(sqlite), catch: SqliteFailure.from }),
    historyFailure
  )
  if (history instanceof HistoryError) return yield* refuse("NameTaken", `the table ${historyTable}, ${history.detail}`)
  if (history.rows.length > 0) return yield* refuse("AlreadyOurs")
})

interface Ledger {
  readonly kind: LedgerKind
  readonly table: string
  readonly tool: string
}

/** The history that counts; undefined for none. */
const chosen = (
  there: ReturnType<typeof ledgersAmong>,
  from: string | undefined,
  through: string | undefined
): Effect.Effect<Ledger | undefined, AdoptError> => {
  const named = there.map((ledger) => ({ ...ledger, tool: ledger.isRails ? "rails" : ledger.kind.tools[0] }))
  const [first, second] = named
  if (from === "none" || (from === undefined && first === undefined)) {
    return through === undefined ? Effect.fail(refuse("NoHistory")) : Effect.succeed(undefined)
  }
  if (from === undefined && second !== undefined) {
    return Effect.fail(refuse("SeveralTools", named.map(({ table, tool }) => `${tool} (${table})`).join(", ")))
  }
  const found = from === undefined ? first : named.find(({ kind }) => kind.tools.includes(from))
  if (found !== undefined) return Effect.succeed(found)
  const has = named.length === 0 ? "" : `, it has ${named.map(({ table, tool }) => `${tool} (${table})`).join(", ")}`
  return Effect.fail(refuse("NoHistory", `it has none of ${from}${has}`))
}

const contentOf = (sqlite: Sqlite, { kind, table }: Ledger) =>
  sqlite.run(`SELECT * FROM "${table.replaceAll('"', '""')}"`).pipe(
    Effect.map((rows) =>
      kind.read(
        rows.map(
          (row): LedgerRow =>
            Object.fromEntries(Object.entries(row).map(([column, value]) => [column.toLowerCase(), value]))
        )
      )
    ),
    Effect.mapError(historyFailure)
  )

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

const withoutTables = (objects: ReadonlyArray<SchemaObject>, names: ReadonlySet<string>): ReadonlyArray<SchemaObject> =>
  objects.filter(({ table }) => !names.has(table.toLowerCase()))

const freeName = (taken: ReadonlyMap<string, string>): string => {
  const name = `former_${historyTable}`
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}_${number}`
    if (!taken.has(candidate)) return candidate
  }
}
