/** The exit codes of refusals of a start on PostgreSQL: the same for the same meaning as on SQLite. */
import { assert, describe, it } from "@effect/vitest"
import { exitCodeOf, isRefusal } from "../../layers/index.ts"
import { nameHolders } from "../../layers/machine/FileLocks.ts"
import { notReached } from "../../layers/postgres/DirectoryError.ts"
import { PostgresFailure } from "../../layers/postgres/PostgresFailure.ts"
import { holdersIn } from "../../layers/postgres/Session.ts"
import { upgradeError } from "../../layers/postgres/UpgradeError.ts"
import { ConnectionError, DirectoryError, HistoryError, UpgradeError } from "../../layers/postgres.ts"

const facts = { detail: "", code: "", retryable: false }

describe("a refusal on PostgreSQL", () => {
  it("is one of this library, and has the exit code of what it means", () => {
    const refusals = [
      new DirectoryError({ ...facts, reason: "AccessDenied" }),
      new DirectoryError({ ...facts, reason: "Absent" }),
      new DirectoryError({ ...facts, reason: "InvalidUrl" }),
      new DirectoryError({ ...facts, reason: "Refused", retryable: true }),
      new ConnectionError({ ...facts, reason: "ReadOnlyServer" }),
      new HistoryError({ ...facts, reason: "NewerDatabase", migrations: [] }),
      new HistoryError({ ...facts, reason: "Edited", migrations: [] }),
      new UpgradeError({ ...facts, reason: "Pending", migration: "001_a", statement: "", line: 0, losses: [] })
    ]
    assert.isTrue(refusals.every(isRefusal))
    assert.deepStrictEqual(refusals.map(exitCodeOf), [77, 73, 64, 75, 77, 76, 65, 75])
  })

  it("has the exit code and the remedy of PostgreSQL's own code where that says more", () => {
    const failing = (code: string, detail: string) =>
      upgradeError("StatementFailed", "001_a", { failure: PostgresFailure.from({ code, message: detail }) })
    const refusals = ["53100", "58030", "42501", "XX001", "42601"].map((code) => failing(code, "what was said"))
    assert.deepStrictEqual(refusals.map(exitCodeOf), [74, 74, 77, 65, 65])
    assert.deepStrictEqual(
      refusals.map(({ remedy }) => /space|disk and its log, then|privilege|backup|Fix the statement/.exec(remedy)?.[0]),
      ["space", "disk and its log, then", "privilege", "backup", "Fix the statement"]
    )
  })

  it("may pass where a pooler says that its server is gone, and not where it refuses a setting", () => {
    const of = (message: string) => notReached(PostgresFailure.from({ code: "08P01", message }), 1)
    const gone = of("server login has been failing, try again later (server_login_retry)")
    assert.deepStrictEqual([gone.reason, gone.retryable, exitCodeOf(gone)], ["Unreachable", true, 75])
    const refused = of("unsupported startup parameter: options")
    assert.deepStrictEqual([refused.reason, refused.retryable], ["Refused", false])
  })

  it("tells of TLS where the server does not let in who comes without", () => {
    const of = (detail: string) =>
      new DirectoryError({ ...facts, reason: "AccessDenied", code: "28000", detail }).remedy
    assert.include(
      of('no pg_hba.conf entry for host "10.0.0.2", user "app", database "app", no encryption'),
      "sslmode="
    )
    assert.notInclude(of('password authentication failed for user "app"'), "sslmode=")
  })
})

describe("who holds a lock on PostgreSQL", () => {
  it("is never said to be this process, even if the server's process has the same id on its machine", () => {
    const holders = holdersIn([{ pid: process.pid, name: "database-ready backend 7" }])
    assert.strictEqual(nameHolders(holders), `process ${process.pid} (database-ready backend 7)`)
  })
})
