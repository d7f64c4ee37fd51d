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

/** What the releases wrote: files from the first on, owners and deletions since 002, expiries since 003. */
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
      assert.strictEqual(yield* checkCuts(test, 5), 5 + 5 + 5 + 5)
    }).pipe(Effect.provide(platform))
  )

  it.effect("are applied once by however many programs start at one moment", () =>
    checkRace({ ...test, from: "001" }, 4).pipe(Effect.provide(platform))
  )

  const why = whyNoFaults()
  // One of the steps, where the backup gets its name: the library's own tests take all of them.
  const steps = { ...test, from: "003", calls: ["rename"] }
  it.effect.skipIf(why !== undefined)(`survive a kill at every step${because(why)}`, () =>
    Effect.map(checkKills(steps), (count) => assert.isAtLeast(count, 1)).pipe(Effect.provide(platform))
  )

  it.effect.skipIf(why !== undefined)(`survive a failure of every step${because(why)}`, () =>
    Effect.map(checkFailures(steps), (count) => assert.isAtLeast(count, 1)).pipe(Effect.provide(platform))
  )
})
