/** What is in a database of another tool: its tables, its history, and the names that are taken. */
import * as Effect from "effect/Effect"
import type { LedgerRow } from "../schema/LedgerRows.ts"
import type { LedgerKind, ledgersAmong } from "../schema/Ledgers.ts"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import type { SchemaObject } from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { type Sqlite, SqliteFailure, text } from "../sqlite/Sqlite.ts"
import { AdoptError } from "./AdoptError.ts"

export const refuse = (reason: AdoptError["reason"], detail = "") =>
  new AdoptError({ reason, detail, retryable: false })

interface Table {
  readonly name: string
  /** In lower case. */
  readonly columns: ReadonlyArray<string>
}

export const tablesOf = (sqlite: Sqlite): Effect.Effect<ReadonlyArray<Table>, SqliteFailure> =>
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
export const namesOn = (sqlite: Sqlite): Effect.Effect<ReadonlyMap<string, string>, SqliteFailure> =>
  Effect.map(
    sqlite.run("SELECT lower(name) AS name, type FROM sqlite_schema WHERE type <> 'trigger'"),
    (rows) => new Map(rows.map((row) => [text(row, "name"), text(row, "type")]))
  )

/** What has the name of the history and is not an empty history is somebody's. It is left alone. */
export const requireFreeName = Effect.fnUntraced(function* (sqlite: Sqlite, names: ReadonlyMap<string, string>) {
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
export const chosen = (
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

export const contentOf = (sqlite: Sqlite, { kind, table }: Ledger) =>
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

export const withoutTables = (
  objects: ReadonlyArray<SchemaObject>,
  names: ReadonlySet<string>
): ReadonlyArray<SchemaObject> => objects.filter(({ table }) => !names.has(table.toLowerCase()))

export const freeName = (taken: ReadonlyMap<string, string>): string => {
  const name = `former_${historyTable}`
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? name : `${name}_${number}`
    if (!taken.has(candidate)) return candidate
  }
}
