import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { DatabaseReady, Migrations, type ProgressEvent } from "../layers/index.ts"
import {
  damagePage,
  independently,
  objectNames,
  openConnection,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  startConversationFiles,
  starting,
  temporaryFile,
  temporaryFolder
} from "./support/database.ts"

const tables = [
  "audit_log",
  "contents_identity",
  "conversation_files",
  "ended_sessions",
  "experiment_answers",
  "experiment_policies",
  "experiment_sessions",
  "experiments",
  "file_access_log",
  "file_cleanup_queue",
  "file_expiries",
  "file_metadata",
  "file_texts",
  "owner_usage",
  "passage_terms",
  "passage_terms_config",
  "passage_terms_data",
  "passage_terms_docsize",
  "passage_terms_idx",
  "passages",
  "refusals",
  "schema_migrations",
  "session_file_associations",
  "session_owners",
  "session_summaries",
  "session_usage",
  "storage_summary",
  "storage_usage",
  "text_scopes"
]
const views = ["v_active_files", "v_pending_cleanups", "v_session_file_summary"]
const indexes = [
  "idx_audit_log_session",
  "idx_cleanup_queue_file",
  "idx_cleanup_queue_owner",
  "idx_cleanup_queue_processed",
  "idx_cleanup_queue_session",
  "idx_conversation_files_hash",
  "idx_conversation_files_session",
  "idx_conversation_files_session_time",
  "idx_conversation_files_time",
  "idx_conversation_files_uploaded_at",
  "idx_ended_sessions_due",
  "idx_ended_sessions_owner",
  "idx_experiment_sessions_policy",
  "idx_experiments_ends_at",
  "idx_file_access_log_file",
  "idx_file_expiries_due",
  "idx_file_expiries_owner",
  "idx_file_expiries_session",
  "idx_file_metadata_file_id",
  "idx_file_texts_claimed",
  "idx_file_texts_queued",
  "idx_session_associations_file",
  "idx_session_associations_session",
  "idx_session_owners_owner",
  "idx_session_summaries_changed",
  "idx_session_summaries_owner"
]
const triggers = [
  "trg_cleanup_queue_owner",
  "trg_conversation_files_contents_changed",
  "trg_conversation_files_planned_moved",
  "trg_conversation_files_soft_delete",
  "trg_conversation_files_summary_added",
  "trg_conversation_files_summary_changed",
  "trg_conversation_files_summary_moved",
  "trg_conversation_files_summary_removed",
  "trg_conversation_files_text_added",
  "trg_conversation_files_text_changed",
  "trg_conversation_files_text_renamed",
  "trg_conversation_files_upload_log",
  "trg_conversation_files_usage_added",
  "trg_conversation_files_usage_changed",
  "trg_conversation_files_usage_removed",
  "trg_ended_sessions_owner",
  "trg_experiment_answers_counted",
  "trg_experiment_sessions_counted",
  "trg_file_access_log_audit",
  "trg_file_expiries_owner",
  "trg_passages_removed",
  "trg_session_owners_summary_added",
  "trg_session_owners_summary_changed",
  "trg_session_owners_summary_removed",
  "trg_session_summaries_planned_given",
  "trg_session_summaries_usage_added",
  "trg_session_summaries_usage_changed",
  "trg_session_summaries_usage_given",
  "trg_session_summaries_usage_removed"
]

const recorded = "SELECT version, status FROM schema_migrations ORDER BY version"
const allRecorded = [
  { version: "001", status: "completed" },
  { version: "002", status: "completed" },
  { version: "003", status: "completed" },
  { version: "004", status: "completed" },
  { version: "005", status: "completed" },
  { version: "006", status: "completed" },
  { version: "007", status: "completed" },
  { version: "008", status: "completed" },
  { version: "009", status: "completed" }
]

describe("initialization of the conversation-files database", () => {
  it.scoped("first time initialization: an absent file becomes a ready database", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const report = yield* startConversationFiles(file)

      assert.strictEqual(report.status, "ready")
      assert.strictEqual(report.schemaVersion, "009")
      assert.deepStrictEqual(
        report.applied.map(({ name }) => name),
        [
          "create_conversation_files",
          "add_ownership_and_audit",
          "keep_contents_and_expiries",
          "count_refusals_and_usage",
          "summarize_sessions",
          "search_texts",
          "run_experiments",
          "give_sessions_in_steps",
          "count_terms"
        ]
      )
      assert.deepStrictEqual(
        report.stages.map(({ attempts, name }) => [name, attempts]),
        [
          ["directory", 1],
          ["connection", 1],
          ["pragmas", 1],
          ["migrations", 1],
          ["integrity", 1]
        ]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
    })
  )

  it.scoped("all tables created", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* objectNames(file, "table"), tables)
    })
  )

  it.scoped("all views created, and each can be read", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* objectNames(file, "view"), views)
      for (const view of views) assert.deepStrictEqual(yield* rowsOf(file, `SELECT * FROM ${view}`), [])
    })
  )

  it.scoped("all indexes created", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* objectNames(file, "index"), indexes)
    })
  )

  it.scoped("all triggers created, and each does its work", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* objectNames(file, "trigger"), triggers)
      yield* independently(file, (connection) =>
        connection.exec(`
          INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_by)
          VALUES ('f', 's', 'a.txt', 'f.txt', '/f.txt', 3, 'hash', 'ann');
          INSERT INTO session_file_associations (session_id, file_id) VALUES ('s', 'f');
          UPDATE conversation_files SET is_deleted = 1;`)
      )
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT access_type, accessed_by, access_metadata FROM file_access_log"),
        [{ access_type: "upload", accessed_by: "ann", access_metadata: '{"file_size":3,"mime_type":null}' }]
      )
      // An upload is not queued for deletion, because nobody asked for one.
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT cleanup_reason FROM file_cleanup_queue"), [])
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT deleted_at IS NOT NULL AS stamped FROM conversation_files"), [
        { stamped: 1 }
      ])
    })
  )

  it.scoped("foreign keys enabled: an orphan row is refused on the connection of the service", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { report } = yield* DatabaseReady
        const sql = yield* SqlClient.SqlClient
        const orphan = yield* refusal(sql`INSERT INTO tags (note, tag) VALUES (4711, 'x')`)
        assert.propertyVal(orphan.cause, "code", "SQLITE_CONSTRAINT_FOREIGNKEY")
        assert.strictEqual(report.pragmas["foreign_keys"], 1)
      }).pipe(Effect.provide(starting(file)))
    })
  )

  it.scoped("idempotent initialization: a second start changes no byte", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const first = yield* startConversationFiles(file)
      const before = yield* pictureOf(dirname(file))
      const second = yield* startConversationFiles(file)

      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      assert.deepStrictEqual(second.applied, [])
      assert.strictEqual(second.integrity.fingerprint, first.integrity.fingerprint)
    })
  )

  it.scoped("schema version tracking: each migration leaves its row, its checksum and user_version", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file)
      assert.deepStrictEqual(
        yield* rowsOf(
          file,
          "SELECT version, description, status, name, length(checksum) AS checksum, length(schema_fingerprint) AS fingerprint FROM schema_migrations ORDER BY version"
        ),
        [
          {
            version: "001",
            description: "create notes",
            status: "completed",
            name: "create_notes",
            checksum: 64,
            fingerprint: null
          },
          {
            version: "002",
            description: "add tags",
            status: "completed",
            name: "add_tags",
            checksum: 64,
            fingerprint: 64
          }
        ]
      )
      assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA user_version"), [{ user_version: 2 }])
    })
  )

  it.scoped("get schema version with no migrations: none, and no history table is created", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const report = yield* start(file, { migrations: Migrations.fromRecord({}) })
      assert.strictEqual(report.schemaVersion, undefined)
      assert.deepStrictEqual(yield* objectNames(file, "table"), [])
    })
  )

  it.scoped("initialization creates directories that only their owner can read, like the file", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "a", "b", "app.db")
      yield* start(file)
      assert.deepStrictEqual(
        [join(folder, "a"), join(folder, "a", "b"), file].map((path) => (statSync(path).mode & 0o777).toString(8)),
        ["700", "700", "600"]
      )
    })
  )

  it.scoped("initialization failure handling: a failing migration is a value, and rolls everything back", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const refused = yield* refusal(
        start(file, {
          migrations: Migrations.fromRecord({
            "001_good.sql": "CREATE TABLE good (x);",
            "002_bad.sql": "CREATE TABLE half (x);\n\nINSERT INTO nowhere VALUES (1);"
          })
        })
      )
      assert.strictEqual(refused._tag, "UpgradeError")
      assert.strictEqual(
        refused.sentence,
        "Migration 002_bad failed in line 3, `INSERT INTO nowhere VALUES (1)` (SQLITE_ERROR: no such table: nowhere)"
      )
      assert.isFalse(refused.retryable)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT name FROM sqlite_schema"), [])
    })
  )

  it.scopedLive("concurrent initialization safe: eight starts at once apply the schema once, and all are ready", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const reports = yield* Effect.all(
        Array.from({ length: 8 }, () => startConversationFiles(file)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(reports.flatMap(({ applied }) => applied).length, allRecorded.length)
      assert.deepStrictEqual(yield* rowsOf(file, recorded), allRecorded)
    })
  )

  it.scoped("integrity verification of the complete schema: the fingerprint is kept and compared at every start", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const { integrity } = yield* startConversationFiles(file)
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT schema_fingerprint FROM schema_migrations WHERE version = '009'"),
        [{ schema_fingerprint: integrity.fingerprint }]
      )
      yield* independently(file, (connection) => connection.exec("DROP TRIGGER trg_conversation_files_upload_log"))
      const refused = yield* refusal(startConversationFiles(file))
      assert.strictEqual(
        refused.sentence,
        "The schema is not the one that the migrations make: missing: trigger trg_conversation_files_upload_log"
      )
    })
  )

  it.scoped("detect missing table, and leave the file as it was found", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      yield* independently(file, (connection) => connection.exec("DROP TABLE file_metadata"))
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(startConversationFiles(file))

      assert.strictEqual(refused._tag, "IntegrityError")
      assert.strictEqual(refused.reason, "SchemaDiffers")
      assert.include(refused.message, "missing: index idx_file_metadata_file_id, table file_metadata")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("version recorded after initialization", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* rowsOf(file, recorded), allRecorded)
    })
  )

  it.scoped("multiple initializations leave a single version entry per migration", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      for (let round = 0; round < 5; round += 1) yield* startConversationFiles(file)
      assert.deepStrictEqual(yield* rowsOf(file, recorded), allRecorded)
    })
  )

  it.scoped("initialization with an invalid schema path leaves no trace on the disk", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "data", "app.db")
      const refused = yield* DatabaseReady.pipe(
        Effect.provide(
          DatabaseReady.layer({ filename: file, migrations: Migrations.fromDirectory(join(folder, "nowhere")) })
        ),
        Effect.provide(platform),
        refusal
      )
      assert.strictEqual(refused._tag, "MigrationSourceError")
      assert.strictEqual(refused.reason, "DirectoryUnreadable")
      assert.isFalse(existsSync(join(folder, "data")))
    })
  )

  it.scoped("initialization with database corruption: a damaged page is found, and the bytes stay", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* startConversationFiles(file)
      yield* damagePage(file, 3)
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(startConversationFiles(file, { integrity: "quick" }))

      assert.strictEqual(refused._tag, "IntegrityError")
      assert.strictEqual(refused.reason, "DamagedPages")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )

  it.scoped("initialization with database corruption: a text file is refused, and stays a text file", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      mkdirSync(dirname(file))
      writeFileSync(file, "this was never a database, whatever it is called\n".repeat(100))
      const before = yield* pictureOf(dirname(file))
      const refused = yield* refusal(start(file))

      assert.strictEqual(refused._tag, "ConnectionError")
      assert.strictEqual(refused.reason, "NotADatabase")
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
    })
  )
})

describe("five bugs that must never come back", () => {
  it.scoped("the database file appears only when the layer is built, not when it is described", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const described = starting(file)
      assert.isFalse(existsSync(dirname(file)))
      yield* Effect.scoped(Effect.provide(DatabaseReady, described))
      assert.isTrue(existsSync(file))
    })
  )

  it.scopedLive("racing recorders of the same version leave one row and no error", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: Migrations.fromRecord({}) })
      const rival = yield* openConnection(file)
      rival.exec("BEGIN IMMEDIATE")
      // Both have looked, have found everything pending, and wait for the lock, before either gets it.
      const racer = Effect.gen(function* () {
        const waits = yield* Deferred.make<void>()
        const onProgress = ({ _tag }: ProgressEvent) =>
          _tag === "StageWaiting" ? Effect.asVoid(Deferred.succeed(waits, undefined)) : Effect.void
        const fiber = yield* Effect.fork(startConversationFiles(file, { onProgress }))
        yield* Deferred.await(waits)
        return fiber
      })
      const racers = [yield* racer, yield* racer]
      rival.exec("COMMIT")
      const outcomes = yield* Effect.forEach(racers, Fiber.join)
      assert.deepStrictEqual(outcomes.map(({ applied }) => applied.length).sort(), [0, allRecorded.length])
      assert.deepStrictEqual(yield* rowsOf(file, recorded), allRecorded)
    })
  )

  it.scoped("asking for the version before the history table exists is not an error", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: Migrations.fromRecord({}) })
      const pending = yield* refusal(startConversationFiles(file, { access: "inspect" }))
      assert.strictEqual(pending._tag, "UpgradeError")
      assert.strictEqual(pending.reason, "Pending")
      assert.include(pending.message, "the database was never initialized")
    })
  )

  it.scoped("foreign keys are on for every connection, and one on which they are off is refused", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* Effect.gen(function* () {
        const { health } = yield* DatabaseReady
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(yield* sql`PRAGMA foreign_keys`, [{ foreign_keys: 1 }])
        yield* sql`PRAGMA foreign_keys = OFF`
        const refused = yield* refusal(health)
        assert.strictEqual(refused.sentence, "PRAGMA foreign_keys should be 1, but the connection answers 0")
      }).pipe(Effect.provide(starting(file)))
    })
  )

  it.scoped("the schema is applied once, though several services depend on it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const database = starting(file)
      const service = Layer.effectDiscard(DatabaseReady).pipe(Layer.provide(database))
      yield* Layer.build(
        Layer.mergeAll(service, Layer.effectDiscard(SqlClient.SqlClient).pipe(Layer.provide(database)))
      )
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }])
      yield* start(file)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT body FROM notes"), [{ body: "first" }])
    })
  )
})
