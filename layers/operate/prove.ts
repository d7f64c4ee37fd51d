/** One document that says what was proven of a database, for audits and for the next machine. */
import { hash } from "node:crypto"
import type * as FileSystem from "@effect/platform/FileSystem"
import type * as Path from "@effect/platform/Path"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { getCurrentVersion } from "effect/ModuleVersion"
import { operator } from "../machine/operator.ts"
import { HistoryError, historyFailure } from "../sqlite/AppliedMigrations/HistoryError.ts"
import { historyTable } from "../sqlite/AppliedMigrations/historyTable.ts"
import { readHistory } from "../sqlite/AppliedMigrations/MigrationHistory.ts"
import { fingerprintOf, objectsOf, schemaStatement, titleOf } from "../sqlite/AppliedMigrations/SchemaFingerprint.ts"
import { DatabaseConfig } from "../sqlite/DatabaseConfig.ts"
import { absoluteName } from "../sqlite/DatabasePath.ts"
import { DatabaseReady } from "../sqlite/DatabaseReady.ts"
import { atEdge } from "../sqlite/edge.ts"
import { Initialization } from "../sqlite/Initialization.ts"
import type { InitializationError } from "../sqlite/InitializationReport.ts"
import { withOnOpen } from "../sqlite/OnOpen.ts"
import { integer, openSqlite, type Row, type Sqlite, text } from "../sqlite/Sqlite.ts"
import type { LayerOptions } from "../sqlite/startInLayer.ts"
import { withDatabaseSpan } from "../start/databaseSpan.ts"
import { MigrationSource } from "../start/MigrationSource.ts"
import type { Refusal } from "../start/Refusal.ts"
import { canonicalJson } from "./proof/CanonicalJson.ts"
import { contentOf, copyContent, hashedOf } from "./proof/contentCopy.ts"
import { libraryVersion } from "./proof/libraryVersion.ts"
import { type Proof, type ProofDocument, type ProvenMigration, proofFormat } from "./proof/Proof.ts"
import { ProofError, refuseProof } from "./proof/ProofError.ts"
import { type Signer, signerWith } from "./proof/Signature.ts"

/** What a proof takes: what a start takes. `integrity` is `full` by default, and `access` has no meaning. */
export interface ProveOptions<R> extends LayerOptions<R> {
  /** An existing directory for the copy, which needs the size of the database. Default: that of the database. */
  readonly directory?: string | undefined
  /** A private Ed25519 key in PEM, without a passphrase, to sign the proof with. Default: it is not signed. */
  readonly key?: string | undefined
}

/**
 * Proves that a database is ready, as `access: "inspect"` does, and writes down what was found: its content in few bytes,
 * the history, the schema, how far the pages were looked at, and which versions were at work. The database is copied
 * first, and everything but the pragmas is found in the copy: so all of it is true of one moment, and of the bytes whose
 * hash is in the document. The database is only read, and others may write meanwhile. The copy is deleted, however this
 * ends; the next proof removes what a killed one left.
 *
 * Fails with what a start would be refused with, or with `ProofError`: a database that is not ready gets no proof.
 *
 * @example
 * ```ts
 * import { NodeContext } from "@effect/platform-node"
 * import { Migrations } from "database-ready"
 * import { proofJson, proveDatabase } from "database-ready/operate"
 * import { Console, Effect } from "effect"
 *
 * export const program = (key: string) =>
 *   proveDatabase({ filename: "data/app.db", migrations: Migrations.fromDirectory("migrations"), key }).pipe(
 *     Effect.flatMap((document) => Console.log(proofJson(document))),
 *     Effect.provide(NodeContext.layer)
 *   )
 * ```
 */
export const proveDatabase = <R = never>(
  options: ProveOptions<R>
): Effect.Effect<ProofDocument, InitializationError | ProofError, FileSystem.FileSystem | Path.Path | R> =>
  Effect.gen(function* () {
    const signer = options.key === undefined ? undefined : signerWith(options.key)
    if (signer instanceof ProofError) return yield* signer
    const source = yield* MigrationSource.make(options.migrations)
    return yield* Effect.scoped(prove(options, source, signer))
  }).pipe(
    withOnOpen(options.onOpen),
    Effect.mapError((error) => ofOriginal(absoluteName(options.filename), error)),
    (proof) => withDatabaseSpan(proof, absoluteName(options.filename), "proof")
  )

const prove = Effect.fnUntraced(function* (
  options: Omit<ProveOptions<never>, "migrations">,
  source: MigrationSource["Type"],
  signer: Signer | undefined
) {
  // The pages are looked at in the copy.
  const config = DatabaseConfig.from({ ...options, access: "inspect", integrity: "schema" })
  if (config.inMemory) return yield* refuseProof("NoFile")
  const at = yield* Clock.currentTimeMillis
  const { pragmas } = yield* lookAt(config, source)
  const copied = yield* copyContent(config, yield* Initialization.make(config), options.directory)
  const report = yield* lookAt(
    DatabaseConfig.from({
      ...options,
      filename: copied.copy,
      access: "inspect",
      integrity: options.integrity ?? "full",
      permissions: "owner",
      pragmas: { ...options.pragmas, journalMode: "delete" }
    }),
    source
  )
  const facts = yield* Effect.scoped(
    Effect.flatMap(Effect.catchAll(openSqlite({ filename: copied.copy, readonly: true }), historyFailure), (sqlite) =>
      atEdge(() => factsIn(sqlite), historyFailure)
    )
  )
  const { host, user } = operator()
  const { because, checked, extra, policy } = report.integrity
  const proof: Proof = {
    format: proofFormat,
    at: new Date(at).toISOString(),
    by: user,
    host,
    database: { path: copied.file, ...(yield* contentOf(copied)), hashed: hashedOf, ...facts.header },
    pragmas,
    history: { schemaVersion: report.schemaVersion ?? null, migrations: facts.migrations, events: report.events },
    schema: { ...facts.schema, extra },
    integrity: { policy, checked, because, foreignKeys: checked === "schema" ? "not checked" : "checked" },
    versions: {
      databaseReady: libraryVersion,
      program: config.program,
      node: process.versions.node,
      effect: getCurrentVersion(),
      sqlite: facts.sqlite
    }
  }
  const document: ProofDocument = { status: "proven", proof, signature: signer?.(canonicalJson(proof)) ?? null }
  return document
})

/** What `status` says. The database is closed again. */
const lookAt = (config: DatabaseConfig["Type"], source: MigrationSource["Type"]) =>
  Effect.flatMap(Initialization.make(config), (initialization) =>
    Effect.scoped(
      Effect.map(
        DatabaseReady.make(config, initialization, source),
        (ready) => Context.get(ready, DatabaseReady).report
      )
    )
  )

/** Throws `SqliteFailure`. */
const factsIn = (sqlite: Sqlite) => {
  const { all } = sqlite
  const header = (pragma: string) => integer(all(`PRAGMA ${pragma}`)[0], pragma)
  const history = readHistory(sqlite)
  if (history instanceof HistoryError) return history
  const objects = objectsOf(all(schemaStatement))
  return {
    header: {
      applicationId: header("application_id"),
      userVersion: header("user_version"),
      pageSize: header("page_size"),
      pageCount: header("page_count"),
      encoding: text(all("PRAGMA encoding")[0], "encoding")
    },
    migrations: history.exists ? all(`SELECT * FROM ${historyTable} ORDER BY migration_id`).map(migrationOf) : [],
    schema: {
      sha256: fingerprintOf(objects),
      objects: objects.map((object) => ({ object: titleOf(object), sha256: hash("sha256", object.sql, "hex") }))
    },
    sqlite: text(all("SELECT sqlite_version() AS version")[0], "version")
  }
}

const migrationOf = (row: Row): ProvenMigration => {
  const took = integer(row, "execution_time_ms")
  return {
    version: text(row, "version"),
    name: text(row, "name") || null,
    checksum: text(row, "checksum") || null,
    appliedAt: text(row, "applied_at"),
    executionTimeMs: Number.isNaN(took) ? null : took,
    program: text(row, "program") || null
  }
}

/** A refusal of the copy is one of the database. */
const ofOriginal = <E extends InitializationError | ProofError>(database: string, error: E): E => {
  const refusal: Refusal = error
  refusal.database = database
  return error
}
