/** The exit codes of refusals of a start on PostgreSQL: the same for the same meaning as on SQLite. */
import { assert, describe, it } from "@effect/vitest"
import { exitCodeOf, isRefusal } from "../../layers/index.ts"
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
})
