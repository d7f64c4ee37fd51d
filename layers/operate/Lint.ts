/** `lint`: what is dangerous in migrations, found by running them in memory and looking at what each did. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { statementsIn } from "../schema/Checksum.ts"
import { type Found, type LintFinding, lintCodes } from "../schema/LintCodes.ts"
import { withoutIgnored } from "../schema/LintIgnores.ts"
import { type OnOpen, withOnOpen } from "../sqlite/OnOpen.ts"
import { openSqlite, type SqliteFailure } from "../sqlite/Sqlite.ts"
import { type Migration, MigrationSource, type Migrations, titleOf } from "../start/MigrationSource.ts"
import type { MigrationSourceError } from "../start/MigrationSourceError.ts"
import { blind, unseenAfter } from "./lintFailures.ts"
import { lintMigration, tryFacts } from "./lintMigration.ts"
import { type Places, referencesIn } from "./lintReferences.ts"
import { schemaFacts } from "./schemaFacts.ts"

/** How `lint` looks. */
export interface LintOptions {
  /** Functions and extensions that the schema calls, as for a start. Default none. */
  readonly onOpen?: OnOpen | undefined
}

/** What `lint` found. */
export interface LintReport {
  /** In the order of the files and lines. */
  readonly findings: ReadonlyArray<LintFinding>
  /** How many migrations were looked at. */
  readonly migrations: number
  /** How many findings are errors. */
  readonly errors: number
  /** How many findings are warnings. */
  readonly warnings: number
}

/**
 * Looks for what is dangerous in migrations on SQLite: what fails on a database with rows, loses something there, or
 * gives each database another schema. Every migration runs in memory, so no database is needed. A comment
 * `-- lint-ignore CODE: reason` above a statement silences a finding. Fails with `MigrationSourceError` where the
 * migrations cannot be read.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { lint } from "database-ready/operate"
 * import { Effect } from "effect"
 *
 * export const errors = lint(Migrations.fromDirectory("migrations")).pipe(
 *   Effect.map(({ findings }) => findings.filter(({ level }) => level === "error")),
 *   Effect.provide(NodeContext.layer)
 * )
 * ```
 */
export const lint = <R = never>(
  migrations: Migrations<R>,
  { onOpen }: LintOptions = {}
): Effect.Effect<LintReport, MigrationSourceError, R> =>
  Effect.flatMap(MigrationSource.make(migrations), (ordered) => {
    const all = [...ordered, ...(ordered.repeatables ?? [])]
    return lintAll(all).pipe(
      Effect.scoped,
      withOnOpen(onOpen),
      // Nothing can be opened in memory: what `onOpen` threw, or a driver that cannot be loaded.
      Effect.catchAll((failure) => Effect.succeed(notReplayed(all, failure))),
      Effect.map((findings) => ({
        findings,
        migrations: all.length,
        errors: findings.filter(({ level }) => level === "error").length,
        warnings: findings.filter(({ level }) => level === "warning").length
      }))
    )
  })

const notReplayed = (all: ReadonlyArray<Migration>, { detail }: SqliteFailure): ReadonlyArray<LintFinding> =>
  all.slice(0, 1).map((migration) => findingIn(migration)(blind({ line: 1 }, detail)))

const findingIn =
  (migration: Migration) =>
  (found: Found): LintFinding => ({ level: lintCodes[found.code], file: fileOf(migration), ...found })

const fileOf = (migration: Migration): string =>
  (migration.body._tag === "Sql" ? migration.body.path : undefined) ?? titleOf(migration)

const lintAll = (all: ReadonlyArray<Migration>): Effect.Effect<ReadonlyArray<LintFinding>, SqliteFailure, Scope> =>
  Effect.gen(function* () {
    const sqlite = yield* openSqlite({ filename: ":memory:" })
    yield* sqlite.run("PRAGMA foreign_keys = 0")
    const found: Array<Array<Found>> = all.map(() => [])
    const places: Places = { made: new Map(), dropped: new Map() }
    let seen = 0
    for (const [file, migration] of all.entries()) {
      const looked = yield* lintMigration(sqlite, migration, file, places)
      found[file]?.push(...looked.found, ...(looked.isWhole ? [] : unseenAfter(looked.found)))
      seen = file + (looked.isWhole ? 1 : 0)
      if (!looked.isWhole) break
    }
    if (seen === all.length) {
      const references = yield* tryFacts(() => referencesIn(sqlite.database, schemaFacts(sqlite.database), places))
      for (const { place, ...one } of references) {
        const known = found[place.file] ?? []
        const isSaid = known.some(({ code, line }) => code === "drop-referenced" && line === place.line)
        if (!isSaid) known.push({ ...one, line: place.line })
      }
    }
    return all.flatMap((migration, file) => {
      const { body } = migration
      const own = found[file] ?? []
      const left = body._tag === "Sql" ? withoutIgnored(body.text, statementsIn(body), own, seen === all.length) : own
      return [...left].sort((one, other) => one.line - other.line).map(findingIn(migration))
    })
  })
