/** The history table: its shape, its rows, how they compare with the source, and how they are written. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { mayHaveBeen, statementsChecksumOf, statementsIn } from "../../schema/Checksum.ts"
import { declarationText } from "../../schema/Declaration.ts"
import { codeRemedy } from "../../start/codeRemedy.ts"
import { type Migration, titleOf } from "../../start/MigrationSource.ts"
import { jsonOf, messageOf } from "../../start/Refusal.ts"
import { integer, type Row, type Sqlite, type SqliteFailure, text } from "../Sqlite.ts"
import { takeOver } from "./Cures.ts"

export const historyTable = "schema_migrations"

type Reason =
  | "ForeignHistory"
  | "NotCompleted"
  | "RecordedTwice"
  | "OtherApplication"
  | "NewerDatabase"
  | "Missing"
  | "Edited"
  | "Renamed"
  | "Late"
  | "VersionMismatch"
  | "Unrecorded"
  | "Unreadable"

/** What the database says was applied does not fit what this program holds. Nothing was changed. */
export class HistoryError extends Data.TaggedError("HistoryError")<{
  readonly reason: Reason
  /** The migrations at fault, as `NNN_name`, or as the bare version where no name is known. */
  readonly migrations: ReadonlyArray<string>
  readonly detail: string
  /** SQLite's code where SQLite refused, else "". */
  readonly code: string
  readonly retryable: boolean
  /** Absolute path of the database file, once it has left its stage. */
  readonly database?: string | undefined
}> {
  override get message(): string {
    return messageOf(this)
  }

  override toJSON(): object {
    return jsonOf(this)
  }

  get sentence(): string {
    const detail = this.detail === "" ? "" : ` (${this.detail})`
    return `${sentences[this.reason](this.migrations.join(", "))}${detail}`
  }

  get remedy(): string {
    return codeRemedy(this.code) ?? remedies[this.reason]
  }
}

const sentences: Record<Reason, (migrations: string) => string> = {
  ForeignHistory: () => `The table ${historyTable} was made by another tool`,
  NotCompleted: (migrations) => `The history records migrations that were not completed: ${migrations}`,
  RecordedTwice: (migrations) => `The history records a migration more than once: ${migrations}`,
  OtherApplication: (migrations) =>
    `The database belongs to another application: none of its migrations is one of this program's. It has ${migrations}`,
  NewerDatabase: (migrations) => `The database is newer than this program: it has ${migrations}`,
  Missing: (migrations) => `Migrations were applied that this program does not have: ${migrations}`,
  Edited: (migrations) => `Migrations were edited after they had been applied: ${migrations}`,
  Renamed: (migrations) => `Migrations were renamed after they had been applied: ${migrations}`,
  Late: (migrations) => `Migrations are older than one that is already applied, and were never applied: ${migrations}`,
  VersionMismatch: () => "PRAGMA user_version is not what the history says",
  Unrecorded: (migrations) => `Migrations that were applied are no longer recorded: ${migrations}`,
  Unreadable: () => "The history of the database cannot be read"
}

const remedies: Record<Reason, string> = {
  ForeignHistory: takeOver(`Run \`ALTER TABLE ${historyTable} RENAME TO former_${historyTable};\`. 3. `),
  NotCompleted: `Another program left this migration unfinished. Restore a backup; or finish it by hand, and set the row's status to 'completed' in ${historyTable}. If nothing of it was done, delete the row.`,
  RecordedTwice: `Compare the rows of ${historyTable} that have this number, such as 1 and 001, and delete the wrong one.`,
  OtherApplication:
    "Check which database and which migrations this program was given (--database, --migrations). If both are right, the files were renamed and edited after they had been applied: put them back.",
  NewerDatabase:
    "Start the newer program. Or restore a backup from before its upgrade: what was written since is then lost. To let older programs run on the next upgrade, declare `compatible_from` in it.",
  Missing: "Put the missing files back, or start the release that has them.",
  Edited:
    "Put the migration back as it was applied: the text of the file, or the version of the Effect. Write the change as a new migration.",
  Renamed: "Give the file its old name back.",
  Late: "Give it a number above the newest applied one. A database that has already applied it under the old number needs a backup from before.",
  VersionMismatch:
    "Check the path of the database: another program changed its user_version. If the database is this program's, run `PRAGMA user_version = N` with the N that the history says, or 0 if there is no history.",
  Unrecorded: `Check the path of the database. If it is this program's, rows were deleted from ${historyTable}: restore a backup.`,
  Unreadable: "Fix what SQLite's message names, then start again."
}

export const historyFailure = ({ code, detail, retryable }: SqliteFailure): HistoryError =>
  new HistoryError({ reason: "Unreadable", migrations: [], detail: `${code}: ${detail}`, code, retryable })

/** A recorded migration. What a system before this library did not keep is undefined. */
export interface AppliedMigration {
  readonly rowId: number
  readonly version: string
  readonly status: string
  readonly name: string | undefined
  readonly checksum: string | undefined
  readonly fingerprint: string | undefined
  /** The objects that the fingerprint is taken over, as `namesOf` writes them; undefined where they were not kept. */
  readonly ours: string | undefined
  /** The oldest version whose programs may still run on what this migration made; NaN where it did not say. */
  readonly compatibleFrom: number
  /** What was run: the checksum of the statements, or the version of an Effect; undefined where it was not kept. */
  readonly content?: string | undefined
  /** What was declared, as `declarationText`; undefined where it was not kept. */
  readonly declared?: string | undefined
}

export interface History {
  readonly exists: boolean
  /** Columns of ours that the table lacks: it was made by the system before us. */
  readonly lacks: ReadonlyArray<string>
  readonly rows: ReadonlyArray<AppliedMigration>
}

/** What every history table of this shape has, and what this library adds. */
const sharedColumns = ["migration_id", "version", "description", "applied_at", "status", "execution_time_ms"]
const ownColumns = [
  "name",
  "checksum",
  "schema_fingerprint",
  "program",
  "compatible_from",
  "schema_objects",
  "content_version",
  "declared"
]

/** Reads the history; no table is an empty history, any failure is an error. To be run inside a read transaction. */
export const readHistory = Effect.fnUntraced(function* (sqlite: Sqlite) {
  const columns = yield* sqlite.run(`SELECT lower(name) AS name FROM pragma_table_info('${historyTable}')`)
  const present = new Set(columns.map((column) => text(column, "name")))
  if (present.size === 0) {
    const history: History = { exists: false, lacks: [], rows: [] }
    return history
  }
  if (!sharedColumns.every((column) => present.has(column))) {
    return yield* new HistoryError({
      reason: "ForeignHistory",
      migrations: [],
      detail: `${toolOf(present)}: its columns are ${[...present].join(", ")}`,
      code: "",
      retryable: false
    })
  }
  const own = ownColumns.map((column) => (present.has(column) ? column : `NULL AS ${column}`)).join(", ")
  const rows = yield* sqlite.run(
    `SELECT migration_id, version, status, ${own} FROM ${historyTable} ORDER BY migration_id`
  )
  const history: History = {
    exists: true,
    lacks: ownColumns.filter((column) => !present.has(column)),
    rows: rows.map((row) => ({
      rowId: integer(row, "migration_id"),
      version: text(row, "version"),
      status: text(row, "status"),
      name: textOrNull(row, "name"),
      checksum: textOrNull(row, "checksum"),
      fingerprint: textOrNull(row, "schema_fingerprint"),
      ours: textOrNull(row, "schema_objects"),
      compatibleFrom: idOf(text(row, "compatible_from")),
      content: textOrNull(row, "content_version"),
      declared: textOrNull(row, "declared")
    }))
  }
  return history
})

const textOrNull = (row: Row, column: string): string | undefined =>
  row[column] === null ? undefined : text(row, column)

const toolOf = (columns: ReadonlySet<string>): string => {
  if (columns.size === 1 && columns.has("version")) return "dbmate's or Rails' shape"
  if (columns.has("version") && columns.has("dirty")) return "golang-migrate's shape"
  if (columns.has("version") && columns.has("inserted_at")) return "Ecto's shape"
  return "an unknown shape"
}

/** A row that lacks what was run or declared, with the checksum that it has. */
interface Incomplete {
  readonly rowId: number
  readonly migration: Migration
  readonly checksum: string
}

/** What is to be done about a history that is acceptable. */
export interface Verdict {
  readonly pending: ReadonlyArray<Migration>
  /** The source's migrations that are already applied. */
  readonly applied: ReadonlyArray<Migration>
  /** Titles of what a newer program applied, all of which lets this program run. */
  readonly ahead: ReadonlyArray<string>
  /** The newest version that is recorded, as it is written. */
  readonly version: string | undefined
  /** Rows of the system before us, with the migration that each one is; their schema has to be proven. */
  readonly adopted: ReadonlyArray<{ readonly rowId: number; readonly migration: Migration }>
  /** Titles of applied migrations that declared something else when they were applied, which is no edit. */
  readonly redeclared: ReadonlyArray<string>
  /** Rows that do not say yet what was run or declared, or say it otherwise; the next upgrade completes them. */
  readonly incomplete: ReadonlyArray<Incomplete>
  /** Fingerprint of the schema after the newest applied migration; undefined where none was kept. */
  readonly fingerprint: string | undefined
  /** The objects that it is taken over, as `namesOf` writes them; undefined where they were not kept. */
  readonly ours: string | undefined
}

/**
 * Compares the source with the history, whole: every known migration recorded once and unedited, none
 * unknown, none slipped in before an applied one. Looks at nothing but its arguments.
 */
export const judge = (
  source: ReadonlyArray<Migration>,
  { rows }: History,
  userVersion: number
): Effect.Effect<Verdict, HistoryError> => {
  const { adopted, byId, edited, incomplete, latest, latestRow, missing, newer, newest, ...rest } = compare(
    source,
    rows
  )
  const { matching, redeclared, renamed, seen, twice, unfinished, versions } = rest
  const refuse = (reason: Reason, migrations: ReadonlyArray<string>, detail = "") =>
    Effect.fail(new HistoryError({ reason, migrations, detail, code: "", retryable: false }))
  // First of all: what cures a history of ours would damage that of others.
  if (isOfOthers(source, rows, byId))
    return refuse("OtherApplication", labelsOf(rows), `this program has ${labelsOf(source).join(", ")}`)
  if (unfinished.length > 0) {
    const statuses = unfinished.map(({ status }) => status).join(", ")
    return refuse("NotCompleted", unfinished.map(labelOf), `status ${statuses}`)
  }
  if (twice.length > 0) return refuse("RecordedTwice", twice.map(labelOf))
  // Every newer migration has its say: a later one cannot make up for what one in between broke.
  const isOurs = source.length === 0 || adopted.length > 0 || matching > 0
  if (isOurs && newer.some(({ compatibleFrom }) => !(compatibleFrom <= newest))) {
    const known = byId.get(newest)
    return refuse(
      "NewerDatabase",
      newer.map(labelOf),
      known === undefined ? "this program has no migrations" : `this program knows ${titleOf(known)} at most`
    )
  }
  if (missing.length > 0) return refuse("Missing", missing.map(labelOf))
  if (edited.length > 0) return refuse("Edited", edited.map(titleOf), versions.join("; "))
  if (renamed.length > 0) return refuse("Renamed", renamed)

  const pending = source.filter(({ id }) => !seen.has(id))
  const late = pending.filter(({ id }) => id < latest)
  if (late.length > 0) {
    return refuse("Late", late.map(titleOf), `${byId.get(latest)?.version} is applied`)
  }
  const mirrored = userVersionOf(latest)
  if (adopted.length === 0 && userVersion !== mirrored) {
    const detail = `user_version is ${userVersion}, ${rows.length === 0 ? "and there is no history" : `the history says ${mirrored}`}`
    // Where the header knows a migration of ours that no row tells of, a row is gone.
    return byId.has(userVersion) && !seen.has(userVersion)
      ? refuse("Unrecorded", pending.filter(({ id }) => id <= userVersion).map(titleOf), detail)
      : refuse("VersionMismatch", [], detail)
  }
  return Effect.succeed({
    pending,
    applied: source.filter(({ id }) => seen.has(id)),
    ahead: newer.map(labelOf),
    version: latestRow?.version,
    adopted,
    redeclared: redeclared.size === 0 ? [] : source.map(titleOf).filter((title) => redeclared.has(title)),
    incomplete: incomplete.toSorted((one, other) => one.migration.id - other.migration.id),
    fingerprint: adopted.length > 0 ? undefined : latestRow?.fingerprint,
    ours: adopted.length > 0 ? undefined : latestRow?.ours
  })
}

/**
 * Whether a history is that of another application, which has its numbers by chance: what both know by number differs
 * in name and in text, or they share no number and a restart of ours would not help. A row of the system before us has
 * neither name nor checksum, and is ours.
 */
const isOfOthers = (
  source: ReadonlyArray<Migration>,
  rows: ReadonlyArray<AppliedMigration>,
  byId: ReadonlyMap<number, Migration>
): boolean => {
  const newest = source.at(-1)?.id
  if (newest === undefined || rows.length === 0) return false
  const shared = rows.flatMap((row) => {
    const migration = byId.get(idOf(row.version))
    return migration === undefined ? [] : [{ row, migration }]
  })
  return shared.length === 0
    ? rows.some(({ version }) => idOf(version) > newest)
    : shared.every(
        ({ migration, row }) =>
          row.checksum !== undefined &&
          row.name !== undefined &&
          withoutUp(row.name) !== withoutUp(migration.name) &&
          (migration.body._tag === "Effect" || !isWhatWasApplied(migration, row.checksum, row.content))
      )
}

const labelsOf = (known: ReadonlyArray<Pick<AppliedMigration, "name" | "version">>): ReadonlyArray<string> =>
  known.length > 5 ? [...known.slice(0, 5).map(labelOf), `${known.length - 5} more`] : known.map(labelOf)

/** What the history is against the source, in one pass: there may be thousands, and this code is cold. */
const compare = (source: ReadonlyArray<Migration>, rows: ReadonlyArray<AppliedMigration>) => {
  const byId = new Map(source.map((migration) => [migration.id, migration]))
  const newest = source.at(-1)?.id ?? -1
  const seen = new Set<number>()
  const unfinished: Array<AppliedMigration> = []
  const twice: Array<AppliedMigration> = []
  const newer: Array<AppliedMigration> = []
  const missing: Array<AppliedMigration> = []
  const edited: Array<Migration> = []
  const renamed: Array<string> = []
  const adopted: Array<Verdict["adopted"][number]> = []
  const incomplete: Array<Verdict["incomplete"][number]> = []
  const redeclared = new Set<string>()
  const versions: Array<string> = []
  let matching = 0
  let latest = -1
  let latestRow: AppliedMigration | undefined
  for (const row of rows) {
    const id = idOf(row.version)
    if (row.status !== "completed") unfinished.push(row)
    if (seen.has(id)) twice.push(row)
    seen.add(id)
    if (id > latest) {
      latest = id
      latestRow = row
    }
    const migration = byId.get(id)
    if (migration === undefined) {
      const list = id > newest ? newer : missing
      list.push(row)
      continue
    }
    if (row.checksum === undefined) adopted.push({ rowId: row.rowId, migration })
    else if (isWhatWasApplied(migration, row.checksum, row.content)) {
      // Of an Effect without a version only the name tells whose it is.
      if (migration.body._tag === "Sql" || row.name === migration.name) matching += 1
      const isRedeclared = row.declared !== undefined && row.declared !== declarationText(migration.declared)
      if (isRedeclared) redeclared.add(titleOf(migration))
      if (isRedeclared || row.declared === undefined || row.content === undefined) {
        incomplete.push({ rowId: row.rowId, migration, checksum: row.checksum })
      }
    } else {
      edited.push(migration)
      const { body } = migration
      if (body._tag === "Effect" && row.content !== undefined) {
        versions.push(
          `${titleOf(migration)} was applied as version ${row.content}, and is ${versionOf(body.version)} now`
        )
      }
    }
    if (row.name !== undefined && withoutUp(row.name) !== withoutUp(migration.name)) {
      renamed.push(`${labelOf(row)} is now ${titleOf(migration)}`)
    }
  }
  const changed = { edited, redeclared, renamed, versions }
  return {
    adopted,
    byId,
    incomplete,
    matching,
    latest,
    latestRow,
    missing,
    newer,
    newest,
    seen,
    twice,
    unfinished,
    ...changed
  }
}

/** Earlier versions took `001_users.up.sql` for a migration of the name `users.up`. */
const withoutUp = (name: string): string => name.replace(/(?:\.tx)?\.up$/, "")

/**
 * The whole text first: it is quick to compare, and all that earlier versions kept. Declarations and comments between
 * statements are not run, so that a text that differs in them alone is what was applied.
 */
const isWhatWasApplied = ({ body, checksum }: Migration, recorded: string, content: string | undefined): boolean => {
  if (body._tag === "Effect") return recorded === checksum && (content === undefined || content === body.version)
  if (recorded === checksum) return true
  return content === undefined ? mayHaveBeen(recorded, body.text) : content === contentOf(body, recorded)
}

/** Undefined for an Effect without a version, of which nothing can be compared. */
const contentOf = (body: Migration["body"], applied: string): string | undefined =>
  body._tag === "Effect" ? body.version : statementsChecksumOf(statementsIn(body), applied)

const versionOf = (version: string | undefined): string => (version === undefined ? "without a version" : version)

const idOf = (version: string): number => (/^\d+$/.test(version) ? Number(version) : Number.NaN)

const labelOf = ({ name, version }: Pick<AppliedMigration, "name" | "version">): string =>
  name === undefined ? version : titleOf({ name, version })

/** `user_version` mirrors the newest version where it fits an int32; a timestamp does not, and is mirrored as 0. */
export const userVersionOf = (id: number): number => (id >= 0 && id <= 0x7f_ff_ff_ff ? id : 0)

const createHistory = `CREATE TABLE ${historyTable} (
  migration_id INTEGER PRIMARY KEY,
  version TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  applied_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  status TEXT NOT NULL DEFAULT 'completed',
  execution_time_ms INTEGER,
  name TEXT,
  checksum TEXT,
  schema_fingerprint TEXT,
  program TEXT,
  compatible_from TEXT,
  schema_objects TEXT,
  content_version TEXT,
  declared TEXT
)`

export interface Completed {
  readonly migration: Migration
  readonly appliedAt: number
  readonly executionTimeMs: number
}

/** Makes the table ours: creates it, or adds the columns that the system before us did not have; no row is lost. */
export const prepareHistory = (sqlite: Sqlite, { exists, lacks }: History): Effect.Effect<void, SqliteFailure> =>
  exists
    ? Effect.forEach(lacks, (column) => sqlite.run(`ALTER TABLE ${historyTable} ADD COLUMN ${column} TEXT`), {
        discard: true
      })
    : Effect.asVoid(sqlite.run(createHistory))

/** Records in one statement what was completed in this transaction. */
export const recordCompleted = (
  sqlite: Sqlite,
  completed: ReadonlyArray<Completed>,
  program: string
): Effect.Effect<void, SqliteFailure> =>
  sqlite
    .run(
      `INSERT INTO ${historyTable} (version, description, applied_at, status, execution_time_ms, name, checksum, program, compatible_from, content_version, declared)
SELECT value->>'version', value->>'description', value->>'appliedAt', 'completed', value->>'executionTimeMs',
  value->>'name', value->>'checksum', value->>'program', value->>'compatibleFrom', value->>'content', value->>'declared'
FROM json_each(?) ORDER BY key`,
      [
        JSON.stringify(
          completed.map(({ appliedAt, executionTimeMs, migration }) => ({
            version: migration.version,
            description: migration.name.replaceAll("_", " "),
            appliedAt: sqliteTimestamp(appliedAt),
            executionTimeMs,
            name: migration.name,
            checksum: migration.checksum,
            program,
            compatibleFrom: migration.declared.compatibleFrom?.toString() ?? null,
            content: contentOf(migration.body, migration.checksum) ?? null,
            declared: declarationText(migration.declared)
          }))
        )
      ]
    )
    .pipe(Effect.asVoid)

/** Completes rows with what is run and declared now; both are known to be no edit. */
export const recordContents = (sqlite: Sqlite, rows: ReadonlyArray<Incomplete>): Effect.Effect<void, SqliteFailure> =>
  sqlite
    .run(
      `UPDATE ${historyTable} SET content_version = value->>'content', declared = value->>'declared',
  compatible_from = value->>'compatibleFrom'
FROM json_each(?) WHERE migration_id = value->>'rowId'`,
      [
        JSON.stringify(
          rows.map(({ checksum, migration, rowId }) => ({
            rowId,
            content: contentOf(migration.body, checksum) ?? null,
            declared: declarationText(migration.declared),
            compatibleFrom: migration.declared.compatibleFrom?.toString() ?? null
          }))
        )
      ]
    )
    .pipe(
      Effect.when(() => rows.length > 0),
      Effect.asVoid
    )

/** Completes the rows of the system before us with what we hold of their migrations. */
export const recordAdopted = (sqlite: Sqlite, adopted: Verdict["adopted"]): Effect.Effect<void, SqliteFailure> =>
  Effect.forEach(
    adopted,
    ({ migration, rowId }) =>
      sqlite.run(`UPDATE ${historyTable} SET name = ?, checksum = ? WHERE migration_id = ?`, [
        migration.name,
        migration.checksum,
        rowId
      ]),
    { discard: true }
  ).pipe(
    Effect.zipRight(
      recordContents(
        sqlite,
        adopted.map((row) => ({ ...row, checksum: row.migration.checksum }))
      )
    )
  )

/** Keeps what the schema is now with the newest migration, and mirrors its version in the file's header. */
export const recordSchema = Effect.fnUntraced(function* (
  sqlite: Sqlite,
  newest: Migration,
  schema: { readonly fingerprint: string; readonly ours: string }
) {
  // Only the newest one is asked for its objects.
  yield* sqlite.run(`UPDATE ${historyTable} SET schema_objects = NULL WHERE schema_objects IS NOT NULL`)
  yield* sqlite.run(
    `UPDATE ${historyTable} SET schema_fingerprint = ?, schema_objects = ? WHERE CAST(version AS INTEGER) = ?`,
    [schema.fingerprint, schema.ours, newest.id]
  )
  yield* mirrorVersion(sqlite, newest)
})

export const mirrorVersion = (sqlite: Sqlite, newest: Migration): Effect.Effect<void, SqliteFailure> =>
  Effect.asVoid(sqlite.run(`PRAGMA user_version = ${userVersionOf(newest.id)}`))

/** As CURRENT_TIMESTAMP writes it: UTC, to the second. */
const sqliteTimestamp = (millis: number): string => new Date(millis).toISOString().slice(0, 19).replace("T", " ")
