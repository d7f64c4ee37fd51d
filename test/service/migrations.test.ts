/** The service's migrations under the kit that the library has for the migrations of every program. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  checkCuts,
  checkFailures,
  checkKills,
  checkRace,
  checkUpgrades,
  type MigrationTest,
  whyNoFaults
} from "../../layers/testing.ts"
import { applicationId, migrations } from "../../src/service/migrations.ts"
import { platform } from "../support/database.ts"
import { because } from "../support/faults.ts"

const upload = (id: string, uploadedBy: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`INSERT INTO conversation_files
      (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash, uploaded_by)
      VALUES (${id}, 's', 'a.txt', ${id}, 'x', 5, 'none', ${uploadedBy})`
  )

/**
 * What the releases wrote: files from the first on, owners and deletions since 002, expiries since 003, refusals since
 * 004, texts since 006, experiments since 007.
 */
const test = {
  applicationId,
  migrations,
  // It is random in each database.
  ignored: ["contents_identity.identity"],
  rows: {
    "001": Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.all([
        upload("1", "ada"),
        upload("2", "ben"),
        sql`INSERT INTO session_file_associations (session_id, file_id) VALUES ('s', '1')`
      ])
    ),
    "002": Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.all([
        sql`UPDATE conversation_files SET is_deleted = 1 WHERE file_id = '2'`,
        sql`INSERT INTO session_owners (session_id, owner) VALUES ('empty', 'eve')`
      ])
    ),
    "003": Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`INSERT INTO file_expiries (file_id, expires_at) VALUES ('1', '2100-01-01')`
    ),
    "004": Effect.flatMap(
      SqlClient.SqlClient,
      (sql) => sql`INSERT INTO refusals (minute, actor, address, reason, path, count)
        VALUES ('2026-01-01 00:00:00', 'eve', '::1', 'NotOwner', '/files/1', 3)`
    ),
    "006": Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.all([
        sql`UPDATE file_texts SET state = 'done', passages = 1 WHERE file_id = '1'`,
        sql`INSERT INTO text_scopes (scope, session_id, passages, terms) VALUES (1, 's', 1, 2)`,
        sql`INSERT INTO passages (passage_id, file_id, ordinal, scope, text, tokens, terms, line, end_line)
          VALUES (1, '1', 0, 1, 'two terms', 2, 2, 1, 1)`,
        sql`INSERT INTO passage_terms (rowid, terms) VALUES (1, '1two 1terms')`
      ])
    ),
    "007": Effect.flatMap(SqlClient.SqlClient, (sql) =>
      Effect.all([
        sql`INSERT INTO experiments (experiment_id, name, seed, starts_at, ends_at, created_by)
          VALUES (1, 'which', 'a', '2026-01-01', '2026-02-01', 'ada')`,
        sql`INSERT INTO experiment_policies (experiment_id, position, policy, share) VALUES (1, 0, 'newest', 1)`,
        sql`INSERT INTO experiment_sessions (experiment_id, session_id, position, assigned_at)
          VALUES (1, 's', 0, '2026-01-02')`
      ])
    )
  }
} satisfies MigrationTest<unknown>

const summaries = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`SELECT session_id, owner, files, deleted_files FROM session_summaries ORDER BY session_id`
)

describe("the service's migrations", () => {
  it.effect("give every release's database what this release needs", () =>
    Effect.gen(function* () {
      const upgraded = yield* checkUpgrades(test, () => summaries)
      const s = (files: number) => ({ session_id: "s", owner: "ada", files, deleted_files: 2 - files })
      const empty = { session_id: "empty", owner: "eve", files: 0, deleted_files: 0 }
      assert.deepStrictEqual(
        upgraded.map(({ from, report, seen }) => [from, report.applied.length, seen]),
        [
          [undefined, 9, []],
          ["001", 8, [s(2)]],
          ["002", 7, [empty, s(1)]],
          ["003", 6, [empty, s(1)]],
          ["004", 5, [empty, s(1)]],
          ["005", 4, [empty, s(1)]],
          ["006", 3, [empty, s(1)]],
          ["007", 2, [empty, s(1)]],
          ["008", 1, [empty, s(1)]],
          ["009", 0, [empty, s(1)]]
        ]
      )
    }).pipe(Effect.provide(platform))
  )

  it.effect("mean the same in whatever starts they are applied", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* checkCuts(test, 3), 5 * 3 + 3 + 1)
    }).pipe(Effect.provide(platform))
  )

  it.effect("are applied once by however many programs start at one moment", () =>
    checkRace({ ...test, from: "001" }, 4).pipe(Effect.provide(platform))
  )

  const why = whyNoFaults()
  // On a new database, every step that changes the disk. In an upgrade, only the step in which the backup gets its name:
  // the library's own tests take every step of upgrades.
  const isNew = { ...test, rows: undefined }
  const upgrade = { ...test, from: "003", calls: ["rename"] }
  it.effect.skipIf(why !== undefined)(`survive a kill at every step${because(why)}`, () =>
    Effect.gen(function* () {
      assert.isAtLeast(yield* checkKills(isNew), 5)
      assert.isAtLeast(yield* checkKills(upgrade), 1)
    }).pipe(Effect.provide(platform))
  )

  it.effect.skipIf(why !== undefined)(`survive a failure of every step${because(why)}`, () =>
    Effect.gen(function* () {
      assert.isAtLeast(yield* checkFailures(isNew), 5)
      assert.isAtLeast(yield* checkFailures(upgrade), 1)
    }).pipe(Effect.provide(platform))
  )
})
