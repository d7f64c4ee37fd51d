/**
 * Three releases of one service on one file, in real processes: what an operator does, and what goes wrong meanwhile.
 * The long form measures what a failing release in a loop, and a successful upgrade, cost the running release, on 500
 * MB or another size: `DEPLOY=long npx vitest run --config test/vitest.config.ts deploy --silent=false`.
 */
import { readdirSync } from "node:fs"
import { basename, dirname } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { standstill } from "../support/beside.ts"
import { independently, rowsOf, temporaryFile } from "../support/database.ts"
import { bundle, end, type Fleet, type Member, makeFleet, stop } from "./fleet.ts"

const long = process.env["DEPLOY"] ?? ""
const megabytes = long === "long" ? 500 : Number(long)

const scope = Effect.runSync(Scope.make())
let program = ""
beforeAll(async () => {
  program = await Effect.runPromise(Scope.extend(bundle, scope))
})
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

const go = { concurrency: "unbounded" } as const

/** Running processes of a release. */
const some = (fleet: Fleet, release: string, generation: string, names: ReadonlyArray<string>) =>
  Effect.forEach(
    names,
    (name) => Effect.tap(fleet.spawn(release, { writer: `${generation}${name}` }), ({ hasSaid }) => hasSaid("wrote")),
    go
  )
const four = (fleet: Fleet, release: string, generation: string) =>
  some(fleet, release, generation, ["a", "b", "c", "d"])

/** One after the other: the new process serves before the old one is told to stop. */
const roll = (fleet: Fleet, old: ReadonlyArray<Member>, release: string, generation: string) =>
  Effect.forEach(old, (member, index) =>
    Effect.gen(function* () {
      const next = yield* fleet.spawn(release, { writer: `${generation}${index}` })
      yield* next.hasSaid("wrote")
      yield* Effect.forEach([...old.slice(index), next], ({ says }) => says("wrote"), go)
      assert.strictEqual((yield* stop(member)).code, 0)
      return next
    })
  )

const startAndEnd = (fleet: Fleet, release: string) => Effect.flatMap(fleet.spawn(release), end)

/** Everything reported as written is there, and nothing else, except what a killed process had no time to report. */
const complete = Effect.fnUntraced(function* (fleet: Fleet, file: string, killed: ReadonlyArray<string> = []) {
  assert.deepStrictEqual(fleet.failed(), [])
  const ids = yield* independently(file, (connection) => connection.prepare("SELECT id FROM messages").pluck().all())
  const written = new Set<unknown>(fleet.written())
  const unsaid = ids.filter((id) => !written.delete(id))
  assert.deepStrictEqual([...written], [], "what was written is lost")
  assert.deepStrictEqual(
    unsaid.filter((id) => !killed.some((writer) => String(id).startsWith(`${writer}-`))),
    [],
    "what failed is there"
  )
  assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA integrity_check"), [{ integrity_check: "ok" }])
})

/** The files next to a database, without its WAL. */
const beside = (file: string) =>
  readdirSync(dirname(file))
    .filter((name) => !/-(wal|shm)$/.test(name) && name !== basename(file))
    .map((name) => name.slice(basename(file).length))
    .sort()

const fill = (file: string, count: number) =>
  independently(file, (connection) => {
    connection.exec("CREATE TABLE fill (x)")
    const row = connection.prepare("INSERT INTO fill VALUES (randomblob(1000000))")
    for (let rows = 0; rows < count; rows += 1) row.run()
  })

const refusedBy = (members: ReadonlyArray<Member>) => members.flatMap(({ said }) => said("refused"))
const unhealthy = (members: ReadonlyArray<Member>) => members.flatMap(({ said }) => said("unhealthy"))

// Each test starts a dozen processes, which takes a minute on a loaded machine.
describe("three releases of a service on one file", { timeout: 240_000 }, () => {
  it.scopedLive("are rolled forward and back with no write lost and no request failed", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const fleet = yield* makeFleet(program, file)
      const old = yield* four(fleet, "1", "first")
      const newer = yield* roll(fleet, old, "2", "second")
      assert.deepStrictEqual(
        newer.map(({ said }) => said("ready")),
        [["002 copied"], ["002"], ["002"], ["002"]]
      )
      const back = yield* roll(fleet, newer, "1", "third")
      const all = [...old, ...newer, ...back]
      const ended = yield* Effect.forEach(back, (member) => stop(member), go)
      assert.deepStrictEqual(
        ended.map(({ code }) => code),
        [0, 0, 0, 0]
      )
      assert.deepStrictEqual(refusedBy(all), [])
      assert.deepStrictEqual(unhealthy(all), [])
      assert.deepStrictEqual(beside(file), [".001-to-002.backup"])
      yield* complete(fleet, file)
    })
  )

  it.scopedLive("write nothing any more, and are told why, once an upgrade is incompatible with them", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const fleet = yield* makeFleet(program, file)
      const old = yield* four(fleet, "2", "old")
      const last = yield* fleet.spawn("3", { writer: "last" })
      yield* last.hasSaid("wrote", 3)
      yield* Effect.forEach(old, ({ hasSaid }) => Effect.zipRight(hasSaid("refused", 3), hasSaid("unhealthy")), go)
      const late = yield* startAndEnd(fleet, "2")
      assert.strictEqual(late.code, 1)
      assert.include(late.stderr, "The database is newer than this program: it has 003_text")
      assert.include(late.stderr, "Remedy: Start the newer program.")
      for (const member of old) {
        const { code, stderr } = yield* stop(member)
        assert.strictEqual(code, 0)
        assert.include(stderr, "The database is newer than this program: it has 003_text")
        assert.deepStrictEqual([...new Set(member.said("refused"))], ["NewerDatabase"])
        assert.deepStrictEqual(member.said("unhealthy"), ["NewerDatabase"])
      }
      assert.strictEqual((yield* stop(last)).code, 0)
      yield* complete(fleet, file)
    })
  )

  it.scopedLive("keep serving while a release fails repeatedly, is killed in its upgrade, or starts", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const fleet = yield* makeFleet(program, file)
      const serving = yield* four(fleet, "2", "old")
      const goesOn = Effect.forEach(serving, ({ says }) => says("wrote", 2), go)
      const reasons = {
        failing: "Migration 003_again failed in line 2, `INSERT INTO messages",
        broken: "Migration 003_broken failed in line 2, `CREATE TABEL again (x)`"
      }
      for (const release of ["failing", "broken", "failing"] as const) {
        const { code, stderr } = yield* startAndEnd(fleet, release)
        assert.strictEqual(code, 1)
        assert.include(stderr, reasons[release])
        assert.include(stderr, "Everything was rolled back")
        yield* goesOn
      }
      for (const [signal, code] of [
        ["SIGKILL", "SIGKILL"],
        ["SIGTERM", 143]
      ] as const) {
        const upgrading = yield* fleet.spawn("endless")
        yield* upgrading.hasSaid("within")
        assert.strictEqual((yield* stop(upgrading, signal)).code, code)
        yield* goesOn
      }
      const others = yield* Effect.forEach(["1", "2"], (release) => startAndEnd(fleet, release), go)
      assert.deepStrictEqual(
        others.map(({ code, stdout }) => [code, stdout]),
        others.map(() => [0, "ready 002\n"])
      )
      for (const member of serving) assert.strictEqual((yield* stop(member)).code, 0)
      assert.deepStrictEqual([...refusedBy(serving), ...unhealthy(serving)], [])
      assert.deepStrictEqual(beside(file), [])
      yield* complete(fleet, file)
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT count(*) AS n FROM messages WHERE body = 'half'"), [{ n: 0 }])
    })
  )

  it.scopedLive("continue after a kill during a backup, and the next start deletes what is left of it", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      const fleet = yield* makeFleet(program, file)
      assert.strictEqual((yield* startAndEnd(fleet, "1")).code, 0)
      // A file this large is checked in a process of its own, which the test can stop.
      yield* fill(file, 36)
      const serving = yield* some(fleet, "1", "old", ["a", "b"])
      const still = yield* standstill
      yield* still.end
      // Begun before the write lock is taken, or with it on a slow machine.
      const copy = /^\.001-to-002\.backup(?:\.early)?\.partial$/
      const upgrading = yield* fleet.spawn("2", { env: still.env })
      yield* Effect.repeat(
        Effect.sync(() => beside(file)),
        { until: (names) => names.some((name) => copy.test(name)), schedule: Schedule.spaced("5 millis") }
      )
      assert.strictEqual((yield* stop(upgrading, "SIGKILL")).code, "SIGKILL")
      const left = beside(file).filter((name) => !/-journal$|^\.upgrade\.partial$/.test(name))
      assert.strictEqual(left.length, 1)
      assert.match(left[0] ?? "", copy)
      yield* Effect.forEach(serving, ({ says }) => says("wrote", 2), go)
      yield* Effect.repeat(
        Effect.gen(function* () {
          const { code, stderr } = yield* startAndEnd(fleet, "1")
          assert.strictEqual(code, 0)
          const left = beside(file)
          // Without the write lock a start cannot know whether it is in use, so it names it.
          if (left.length > 0)
            assert.match(stderr, /Unfinished copies stay: .*\.(?:backup(?:\.early)?|upgrade)\.partial/)
          return left
        }),
        { until: (left) => left.length === 0 }
      )

      // A crash leaves a WAL.
      const upgraded = yield* startAndEnd(fleet, "2")
      assert.strictEqual(upgraded.stdout, "ready 002 copied\n")
      assert.include(upgraded.stderr, "migrations: applying 002_notes, statement 1 of 1, line 2")
      assert.include(upgraded.stderr, "migrations: running quick_check, ")
      assert.match(upgraded.stderr, /message="Database ready" .*\.001-to-002\.backup/)
      for (const member of serving) assert.strictEqual((yield* stop(member, "SIGKILL")).code, "SIGKILL")
      assert.strictEqual((yield* startAndEnd(fleet, "2")).code, 0)
      assert.deepStrictEqual(beside(file), [".001-to-002.backup"])
      assert.deepStrictEqual([...refusedBy(serving), ...unhealthy(serving)], [])
      yield* complete(fleet, file, ["olda", "oldb"])
    })
  )
})

describe.skipIf(long === "")(`a release that serves on ${megabytes} MB`, () => {
  const prepared = Effect.fnUntraced(function* (release: string) {
    const file = yield* temporaryFile
    const fleet = yield* makeFleet(program, file)
    yield* startAndEnd(fleet, release)
    yield* fill(file, megabytes)
    const serving = yield* fleet.spawn(release, { writer: "old" })
    yield* serving.hasSaid("wrote", 100)
    const took = () => serving.said("wrote").map((line) => Number(line.split(" ")[1]))
    return { file, fleet, serving, took }
  })

  for (const release of ["broken", "failing"]) {
    it.scopedLive(
      `writes within 100 ms (p99) while one that is ${release} is started twenty times`,
      () =>
        Effect.gen(function* () {
          const { fleet, serving, took } = yield* prepared("2")
          const alone = took()
          for (let count = 0; count < 20; count += 1) {
            assert.strictEqual((yield* startAndEnd(fleet, release)).code, 1)
          }
          const meanwhile = took().slice(alone.length)
          console.log(`${release}: alone ${figures(alone)}; during 20 restarts ${figures(meanwhile)}`)
          assert.deepStrictEqual(serving.said("refused"), [])
          assert.isBelow(percentile(meanwhile, 0.99), 100)
        }),
      1_200_000
    )
  }

  for (const backups of [2, 0]) {
    it.scopedLive(
      `is blocked for a time by an upgrade that succeeds, with ${backups} backups`,
      () =>
        Effect.gen(function* () {
          const { file, fleet, serving, took } = yield* prepared("1")
          const alone = took()
          const begun = performance.now()
          const { code } = yield* Effect.flatMap(fleet.spawn("2", { backups }), end)
          assert.strictEqual(code, 0)
          const seconds = ((performance.now() - begun) / 1000).toFixed(1)
          yield* serving.says("wrote", 5)
          assert.strictEqual((yield* stop(serving)).code, 0)
          yield* complete(fleet, file)
          console.log(`an upgrade with ${backups} backups, ${seconds} s: ${figures(took().slice(alone.length))}`)
        }),
      1_200_000
    )
  }
})

const percentile = (figures: ReadonlyArray<number>, share: number): number =>
  [...figures].sort((one, other) => one - other)[Math.ceil(figures.length * share) - 1] ?? Number.NaN

const figures = (took: ReadonlyArray<number>): string =>
  `${took.length} writes, p50 ${percentile(took, 0.5).toFixed(1)} ms, p99 ${percentile(took, 0.99).toFixed(1)} ms, max ${Math.max(...took).toFixed(1)} ms`
