/** The service's schema on PostgreSQL is the one on SQLite: the same tables, and triggers that do the same. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Sqlite from "better-sqlite3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import pg from "pg"
import { Migrations } from "../../layers/index.ts"
import { addressOf } from "../../layers/postgres/DatabaseUrl.ts"
import { DatabaseReady } from "../../layers/postgres.ts"
import { files } from "../../src/service/postgres/migrations.ts"
import { hasPostgres } from "../postgres/cluster.ts"
import { newDatabase } from "../postgres/databases.ts"
import { migrationFiles, migrationsDirectory } from "../support/database.ts"
import { type Contents, contentsOf, type Shape, shapeOfPostgres, shapeOfSqlite } from "../support/dialects.ts"
import { randomFrom } from "../support/random.ts"

const directory = join(migrationsDirectory, "postgres")
const textsIn = (folder: string, names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), "utf8")]))

/**
 * What is different by intent: a full-text table and a rowid are SQLite's, triggers of statements PostgreSQL's, and so are
 * contents in the database.
 */
const asOnPostgres = ({ indexes, tables, triggers, views }: Shape): Shape => {
  const { file_texts: texts, passage_terms: terms } = tables
  if (texts === undefined || terms === undefined) return assert.fail("no tables for texts")
  return {
    tables: {
      ...tables,
      contents: {
        columns: ["sha256 text", "size number"],
        required: ["sha256", "size"],
        key: ["sha256"],
        unique: [],
        references: [],
        checks: 1
      },
      content_parts: {
        columns: ["sha256 text", "part number", "bytes bytes"],
        required: ["sha256", "part", "bytes"],
        key: ["sha256", "part"],
        unique: [],
        references: ["sha256 in contents CASCADE"],
        checks: 0
      },
      file_texts: {
        ...texts,
        columns: [...texts.columns, "position number"],
        required: [...texts.required, "position"],
        unique: ["position"]
      },
      passage_terms: {
        columns: ["passage_id number", "terms text"],
        required: ["passage_id", "terms"],
        key: ["passage_id"],
        unique: [],
        references: ["passage_id in passages CASCADE"],
        checks: 0
      }
    },
    indexes: { ...indexes, idx_file_texts_queued: "position?", idx_passage_terms_terms: "terms" },
    triggers: [
      ...triggers,
      "trg_conversation_files_contents_added",
      "trg_conversation_files_contents_removed"
    ].toSorted(),
    views
  }
}

/** Numbers that rows get by themselves, in the order in which an engine writes them; and what is random. */
const ignored = new Set([
  "file_metadata.metadata_id",
  "session_file_associations.association_id",
  "file_access_log.log_id",
  "file_cleanup_queue.cleanup_id",
  "audit_log.event_id",
  "file_texts.position",
  "contents_identity.identity"
])

/** Tables that SQLite has not, or of another kind. */
const onlyPostgres = new Set(["contents", "content_parts", "passage_terms"])

/** Both engines, empty. */
const both = Effect.gen(function* () {
  const url = yield* newDatabase
  const sqlite = yield* Effect.acquireRelease(
    Effect.sync(() => new Sqlite(":memory:")),
    (connection) => Effect.sync(() => connection.close())
  )
  sqlite.pragma("foreign_keys = ON")
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const address = addressOf(url)
      if (typeof address === "string") return assert.fail(address)
      const client = new pg.Client(address)
      await client.connect()
      return client
    }),
    (client) => Effect.promise(() => client.end())
  )
  let applied = 0
  let shape: Shape | undefined
  /** Applies the migrations up to this one: for real on PostgreSQL, as plain texts on SQLite. */
  const migrate = (to: number) =>
    Effect.gen(function* () {
      for (const name of migrationFiles.slice(applied, to)) {
        sqlite.exec(readFileSync(join(migrationsDirectory, name), "utf8"))
      }
      applied = to
      shape = undefined
      const files = textsIn(directory, migrationFiles.slice(0, to))
      const started = yield* Layer.build(DatabaseReady.layer({ url, migrations: Migrations.fromRecord(files) }))
      const { health, report } = Context.get(started, DatabaseReady)
      yield* health
      return report.applied.map(({ version }) => version)
    }).pipe(Effect.scoped)
  const run = (text: string) =>
    Effect.promise(async () => {
      sqlite.exec(text)
      await client.query(text)
    })
  const shapes = Effect.promise(async () => [shapeOfSqlite(sqlite), await shapeOfPostgres(client)] as const)
  const contents = Effect.promise(async (): Promise<readonly [Contents, Contents]> => {
    shape ??= await shapeOfPostgres(client)
    const names = Object.keys(shape.tables).filter((name) => !onlyPostgres.has(name))
    const texts = names.map((name) => [name, `SELECT * FROM ${name}`] as const)
    const answers = await client.query(texts.map(([, text]) => text).join(";"))
    const many = Array.isArray(answers) ? answers.map(({ rows }) => rows) : [answers.rows]
    const onSqlite = texts.map(
      ([name, text]) => [name, sqlite.prepare<[], Record<string, unknown>>(text).all()] as const
    )
    return [
      contentsOf(shape, Object.fromEntries(onSqlite), ignored),
      contentsOf(shape, Object.fromEntries(names.map((name, at) => [name, many[at] ?? []])), ignored)
    ]
  })
  return { contents, migrate, run, shapes, sqlite, url }
})

/** Statements that the service could send, each on one row or on many; in both engines' words. */
const statements = (seed: number) => {
  const random = randomFrom(seed)
  const one = <A>(values: ReadonlyArray<A>): A => values[random(values.length)] ?? assert.fail()
  let files = 0
  const session = () => `s${random(4)}`
  const user = () => one(["'ada'", "'ben'", "NULL"])
  const file = () => `f${1 + random(Math.max(files, 1))}`
  const hash = () => one(["a", "b", "c"])
  /** Equal contents have mostly the same size. */
  const size = () => one([5, 5, 7])
  const some = () =>
    one([
      `file_id = '${file()}'`,
      `file_id IN ('${file()}', '${file()}')`,
      `session_id = '${session()}'`,
      `file_hash = '${hash()}'`
    ])
  const added = () => {
    files += 1
    return `('f${files}', '${session()}', 'a.txt', 'f${files}', 'x', ${size()}, '${hash()}', ${user()}, ${one([0, 0, 0, 1])})`
  }
  const add = () =>
    `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size,
      file_hash, uploaded_by, is_deleted) VALUES ${Array.from({ length: 1 + random(4) }, added).join(", ")}`
  const ofAFile = (columns: string, values: string) =>
    `(file_id, ${columns}) SELECT file_id, ${values} FROM conversation_files WHERE ${some()}`
  const later = "'2100-01-01 00:00:00.000'"
  const early = [
    add,
    add,
    () => `UPDATE conversation_files SET is_deleted = 1 WHERE is_deleted = 0 AND ${some()}`,
    () => `UPDATE conversation_files SET is_deleted = 0, deleted_at = NULL WHERE ${some()}`,
    () => `DELETE FROM conversation_files WHERE ${some()}`,
    () => `UPDATE conversation_files SET session_id = '${session()}' WHERE ${some()}`,
    () => `UPDATE conversation_files SET file_hash = '${hash()}', file_size = ${size()} WHERE ${some()}`,
    () =>
      `UPDATE conversation_files SET original_filename = '${one(["b.txt", "b.TXT", "c.d.md", "md", "."])}' WHERE ${some()}`,
    () => `UPDATE conversation_files SET mime_type = ${one(["NULL", "'text/plain'"])} WHERE ${some()}`,
    () =>
      `INSERT INTO session_owners (session_id, owner) VALUES ('${session()}', 'ada') ON CONFLICT (session_id) DO NOTHING`,
    () => `UPDATE session_owners SET owner = '${one(["ada", "ben"])}' WHERE session_id <> '${session()}'`,
    () => `DELETE FROM session_owners WHERE session_id = '${session()}'`,
    () => `INSERT INTO file_cleanup_queue ${ofAFile("session_id, scheduled_deletion_time", `session_id, ${later}`)}`,
    () => `UPDATE file_cleanup_queue SET is_processed = 1, processed_at = ${later} WHERE file_id = '${file()}'`,
    () => `INSERT INTO file_expiries ${ofAFile("expires_at", later)} ON CONFLICT (file_id) DO NOTHING`,
    () =>
      `INSERT INTO ended_sessions (session_id, ended_at) VALUES ('${session()}', ${later}) ON CONFLICT (session_id) DO NOTHING`,
    () => `DELETE FROM ended_sessions WHERE session_id = '${session()}'`,
    () =>
      `INSERT INTO file_access_log ${ofAFile("access_type, accessed_by, access_metadata", `'view', 'ben', '{"from":"a","at":1}'`)}`,
    () => `INSERT INTO session_file_associations ${ofAFile("session_id, message_id", `session_id, 'm${random(1000)}'`)}`
  ]
  let passages = 0
  const late = [
    () => {
      const scope = random(4)
      passages += 1
      return `INSERT INTO text_scopes (scope, session_id, passages, terms) VALUES (${scope}, 's${scope}', 0, 0) ON CONFLICT (session_id) DO NOTHING;
INSERT INTO passages (passage_id, file_id, ordinal, scope, text, tokens, terms, line, end_line)
  SELECT ${passages}, file_id, ${passages}, ${scope}, 'some words', 2, 2, 1, 1 FROM file_texts WHERE file_id = '${file()}';
UPDATE text_scopes SET passages = passages + 1, terms = terms + 2 WHERE scope = ${scope}
  AND EXISTS (SELECT 1 FROM passages WHERE passage_id = ${passages});
DELETE FROM text_scopes WHERE passages = 0`
    },
    () => `UPDATE file_texts SET state = 'done' WHERE file_id = '${file()}'`
  ]
  const next = (isWhole: boolean) => one(isWhole ? [...early, ...late] : early)()
  return next
}

const experiment = `INSERT INTO experiments (experiment_id, name, seed, starts_at, ends_at, created_by)
  VALUES (1, 'one', 's', '2026-01-01 00:00:00.000', '2100-01-01 00:00:00.000', 'ada');
INSERT INTO experiment_policies (experiment_id, position, policy, share) VALUES (1, 0, 'whole', 50), (1, 1, 'newest', 50);
INSERT INTO experiment_sessions VALUES (1, 's1', 0, '2026-01-01 00:00:00.000'), (1, 's2', 1, '2026-01-01 00:00:00.000'),
  (1, 's3', 1, '2026-01-01 00:00:00.000');
INSERT INTO experiment_answers VALUES (1, 's1', 'a', 1, 3, 2, 1, '{"b":1,"a":[2]}', '2026-01-01 00:00:00.000', 'ai'),
  (1, 's2', 'a', 1, 1, 0, 1, '{}', '2026-01-01 00:00:00.000', 'ai'), (1, 's2', 'b', 0, 1, 1, 0, '{}', '2026-01-01 00:00:00.000', 'ai')`

describe.skipIf(!hasPostgres)("the service's migrations on PostgreSQL", () => {
  it("have the numbers and names of those on SQLite", () => {
    assert.deepStrictEqual(readdirSync(directory).toSorted(), migrationFiles)
    // Those that the program has are these.
    assert.deepStrictEqual(files, textsIn(directory, migrationFiles))
  })

  it.scopedLive(
    "make the tables, columns, keys, indexes, triggers and views of those on SQLite, and nothing the next time",
    () =>
      Effect.gen(function* () {
        const { migrate, shapes } = yield* both
        const versions = migrationFiles.map((name) => name.slice(0, 3))
        assert.deepStrictEqual(yield* migrate(versions.length), versions)
        assert.deepStrictEqual(yield* migrate(versions.length), [])
        const [onSqlite, onPostgres] = yield* shapes
        assert.deepStrictEqual(onPostgres, asOnPostgres(onSqlite))
      })
  )

  const seeds = Number(process.env["DIALECTS"] ?? 1)
  it.scopedLive(
    "keep the same rows and counts as those on SQLite, through every release and after any statement",
    () =>
      Effect.gen(function* () {
        for (let seed = 1; seed <= seeds; seed += 1) {
          const { contents, migrate, run } = yield* both
          const next = statements(seed)
          const compared = (after: string) =>
            Effect.map(contents, ([onSqlite, onPostgres]) =>
              assert.deepStrictEqual(onPostgres, onSqlite, `seed ${seed}, after ${after}`)
            )
          yield* migrate(3)
          for (let turn = 0; turn < 20; turn += 1) yield* run(next(false))
          yield* compared("the first releases")
          for (let release = 4; release <= migrationFiles.length; release += 1) {
            yield* migrate(release)
            yield* compared(`release ${release}`)
          }
          yield* run(experiment)
          for (let turn = 0; turn < 60; turn += 1) {
            const text = next(true)
            yield* run(text)
            yield* compared(text)
          }
        }
      }),
    1_800_000
  )
})
