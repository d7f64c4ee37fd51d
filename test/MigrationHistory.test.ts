import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import { HistoryError, type Migration } from "../layers/index.ts"
import { judge } from "../layers/sqlite/AppliedMigrations/HistoryJudgement.ts"
import {
  type AppliedMigration,
  type History,
  userVersionOf
} from "../layers/sqlite/AppliedMigrations/MigrationHistory.ts"

const migration = (id: number): Migration => ({
  id,
  version: String(id).padStart(3, "0"),
  name: `step_${id}`,
  checksum: `checksum of ${id}`,
  declared: { foreignKeys: "on", deletes: [], compatibleFrom: undefined, settings: "refused" },
  body: { _tag: "Sql", text: "" }
})

const applied = ({ checksum, id, name, version }: Migration): AppliedMigration => ({
  rowId: id,
  version,
  status: "completed",
  name,
  checksum,
  fingerprint: `fingerprint of ${id}`,
  ours: undefined,
  compatibleFrom: Number.NaN
})

const historyOf = (rows: ReadonlyArray<AppliedMigration>): History => ({ exists: true, lacks: [], rows })

const verdictOf = (
  source: ReadonlyArray<Migration>,
  rows: ReadonlyArray<AppliedMigration>,
  userVersion = userVersionOf(Math.max(-1, ...rows.map(({ version }) => Number(version))))
) => {
  const judged = judge(source, historyOf(rows), userVersion)
  return judged instanceof HistoryError ? Either.left(judged) : Either.right(judged)
}

const refusalOf = (...args: Parameters<typeof verdictOf>) =>
  Either.match(verdictOf(...args), {
    onLeft: ({ reason, migrations }) => ({ reason, migrations }),
    onRight: () => "accepted" as const
  })

/** A source of some numbers in order, and how many of them are applied. */
const situation = FastCheck.uniqueArray(FastCheck.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 12 }).chain(
  (ids) =>
    FastCheck.record({
      source: FastCheck.constant(ids.toSorted((a, b) => a - b).map(migration)),
      done: FastCheck.integer({ min: 1, max: ids.length })
    })
)

const always = (check: (source: ReadonlyArray<Migration>, rows: ReadonlyArray<AppliedMigration>) => void) =>
  FastCheck.assert(
    FastCheck.property(situation, ({ done, source }) => check(source, source.slice(0, done).map(applied)))
  )

describe("judging a history against the source", () => {
  it("lets an older program run exactly when every newer migration allows its version", () => {
    FastCheck.assert(
      FastCheck.property(
        situation,
        FastCheck.array(FastCheck.option(FastCheck.integer({ min: 0, max: 60 })), { minLength: 12, maxLength: 12 }),
        ({ done, source }, floors) => {
          const rows = source.map((step, at) => ({ ...applied(step), compatibleFrom: floors[at] ?? Number.NaN }))
          const known = source.slice(0, done)
          const newest = known.at(-1)?.id ?? -1
          const allows = rows.slice(done).every(({ compatibleFrom }) => compatibleFrom <= newest)
          const verdict = verdictOf(known, rows)
          assert.strictEqual(Either.isRight(verdict), allows)
          if (Either.isRight(verdict)) assert.strictEqual(verdict.right.ahead.length, source.length - done)
        }
      )
    )
  })

  it("finds exactly the migrations pending that follow the applied ones, whatever their numbers", () => {
    always((source, rows) => {
      const verdict = Either.getOrThrow(verdictOf(source, rows))
      assert.deepStrictEqual(verdict.applied, source.slice(0, rows.length))
      assert.deepStrictEqual(verdict.pending, source.slice(rows.length))
      assert.strictEqual(verdict.fingerprint, rows.at(-1)?.fingerprint)
    })
  })

  it("does not depend on the order of the rows", () => {
    always((source, rows) => {
      assert.deepStrictEqual(verdictOf(source, rows.toReversed()), verdictOf(source, rows))
    })
  })

  it("refuses any applied migration that was edited, and names it", () => {
    always((source, rows) => {
      for (const index of rows.keys()) {
        const edited = source.map((step, at) => (at === index ? { ...step, checksum: "another" } : step))
        assert.deepStrictEqual(refusalOf(edited, rows), {
          reason: "Edited",
          migrations: [`${source[index]?.version}_${source[index]?.name}`]
        })
      }
    })
  })

  it("refuses any applied migration that was renamed", () => {
    always((source, rows) => {
      for (const index of rows.keys()) {
        const renamed = source.map((step, at) => (at === index ? { ...step, name: "new" } : step))
        assert.propertyVal(refusalOf(renamed, rows), "reason", "Renamed")
      }
    })
  })

  it("never calls another application's database newer, edited or renamed, even if they share numbers", () => {
    const lists = FastCheck.tuple(situation, situation)
    FastCheck.assert(
      FastCheck.property(lists, ([ours, { done, source }]) => {
        const theirs = source.slice(0, done).map((step) => ({ ...step, name: `other_${step.id}`, checksum: step.name }))
        const found = refusalOf(ours.source, theirs.map(applied))
        if (found === "accepted") return assert.fail("another application's history was accepted")
        const numbers = new Set(ours.source.map(({ id }) => id))
        const isLikely = theirs.some(({ id }) => numbers.has(id) || id > (ours.source.at(-1)?.id ?? 0))
        assert.strictEqual(found.reason, isLikely ? "OtherApplication" : "Missing")
      })
    )
  })

  it("says edited, not newer, if the names match but no text does", () => {
    const edited = { ...migration(1), checksum: "edited" }
    assert.propertyVal(refusalOf([edited], [migration(1), migration(2)].map(applied)), "reason", "Edited")
    assert.propertyVal(refusalOf([migration(1)], [migration(1), migration(2)].map(applied)), "reason", "NewerDatabase")
  })

  it("refuses any applied migration that the source has lost: as missing, or as newer if it was the last", () => {
    always((source, rows) => {
      for (const [index, row] of rows.entries()) {
        const rest = source.filter((_, at) => at !== index)
        const newest = rest.at(-1)?.id ?? -1
        assert.deepStrictEqual(refusalOf(rest, rows), {
          reason: Number(row.version) > newest ? "NewerDatabase" : "Missing",
          migrations: [`${row.version}_${row.name}`]
        })
      }
    })
  })

  it("refuses any migration that is inserted before an applied one", () => {
    always((source, rows) => {
      const latest = Number(rows.at(-1)?.version)
      const taken = new Set(source.map(({ id }) => id))
      for (let id = 1; id < latest; id += 1) {
        if (taken.has(id)) continue
        const late = [...source, migration(id)].toSorted((a, b) => a.id - b.id)
        assert.deepStrictEqual(refusalOf(late, rows), {
          reason: "Late",
          migrations: [`${migration(id).version}_step_${id}`]
        })
      }
    })
  })

  it("refuses a version that is recorded twice, however it is written", () => {
    always((source, rows) => {
      for (const row of rows) {
        assert.propertyVal(
          refusalOf(source, [...rows, { ...row, version: `0${row.version}` }]),
          "reason",
          "RecordedTwice"
        )
      }
    })
  })

  it("refuses a row of any status except completed", () => {
    always((source, rows) => {
      for (const status of ["failed", "running", "", "COMPLETED"]) {
        assert.propertyVal(
          refusalOf(source, rows.with(0, { ...applied(source[0] ?? migration(1)), status })),
          "reason",
          "NotCompleted"
        )
      }
    })
  })

  it("detects that the newest rows are gone, because the header still counts them", () => {
    always((source, rows) => {
      const newest = rows.at(-1)
      if (newest === undefined) return
      assert.deepStrictEqual(refusalOf(source, rows.slice(0, -1), Number(newest.version)), {
        reason: "Unrecorded",
        migrations: [`${newest.version}_${newest.name}`]
      })
    })
  })

  it("refuses a file with another program's user_version and no history", () => {
    assert.deepStrictEqual(refusalOf([migration(1)], [], 5), { reason: "VersionMismatch", migrations: [] })
  })

  it("refuses a user_version that is not the newest applied one", () => {
    always((source, rows) => {
      assert.propertyVal(refusalOf(source, rows, 4711), "reason", "VersionMismatch")
    })
  })

  it("adopts rows that were written without a checksum, whatever user_version says", () => {
    always((source, rows) => {
      const foreign = rows.map((row) => ({ ...row, name: undefined, checksum: undefined, fingerprint: undefined }))
      const verdict = Either.getOrThrow(verdictOf(source, foreign, 0))
      assert.deepStrictEqual(
        verdict.adopted.map((row) => row.migration),
        source.slice(0, rows.length)
      )
      assert.isUndefined(verdict.fingerprint)
    })
  })

  it("treats a version that is not a number as one that it does not have", () => {
    const rows = [applied(migration(1)), { ...applied(migration(2)), version: "two" }]
    assert.deepStrictEqual(refusalOf([migration(1), migration(2)], rows, 1), {
      reason: "Missing",
      migrations: ["two_step_2"]
    })
  })

  it("mirrors timestamps as 0, because they do not fit user_version", () => {
    assert.deepStrictEqual(
      [userVersionOf(7), userVersionOf(2_147_483_647), userVersionOf(20_261_123_040_000)],
      [7, 2_147_483_647, 0]
    )
  })
})
