/**
 * Hundreds of damaged files: a healthy database, its WAL and its shm are changed at random, from a seed, and started
 * on. Long form: `DAMAGE=5000 npx vitest run --config test/vitest.config.ts damage`.
 */
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { IntegrityPolicy } from "../layers/index.ts"
import { crashAfter, independently, rowsOf, start, temporaryFolder } from "./support/database.ts"
import { randomFrom } from "./support/random.ts"

const mutations = Number(process.env["DAMAGE"] ?? 60)
const pageSize = 4096

/** What a disk, a copy or a program can do to a file. */
const damages: Readonly<Record<string, (bytes: Buffer, random: (below: number) => number) => Buffer>> = {
  "a flipped bit": (bytes, random) => {
    const at = random(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
    return bytes
  },
  "a flipped bit in its header": (bytes, random) => {
    const at = random(Math.min(100, bytes.length))
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8))
    return bytes
  },
  "a zeroed page": (bytes, random) => {
    const at = random(Math.ceil(bytes.length / pageSize)) * pageSize
    return bytes.fill(0, at, Math.min(at + pageSize, bytes.length))
  },
  "two swapped pages": (bytes, random) => {
    const [one, other] = [random(bytes.length / pageSize) * pageSize, random(bytes.length / pageSize) * pageSize]
    const kept = Buffer.from(bytes.subarray(one, one + pageSize))
    bytes.copy(bytes, one, other, other + pageSize)
    kept.copy(bytes, other)
    return bytes
  },
  "its end cut off": (bytes, random) => bytes.subarray(0, random(bytes.length)),
  "junk in the middle": (bytes, random) => {
    const at = random(bytes.length)
    const length = Math.min(1 + random(512), bytes.length - at)
    for (let index = at; index < at + length; index += 1) bytes[index] = random(256)
    return bytes
  },
  "junk at its end": (bytes, random) =>
    Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + random(8192) }, () => random(256)))])
}

/** A database with rows on many pages, an index and a deleted range, closed cleanly or left by a crash. */
const healthy = (folder: string, crashed: boolean) =>
  Effect.gen(function* () {
    const file = join(folder, "app.db")
    yield* start(file)
    yield* independently(file, (connection) =>
      connection.exec(`
        WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 400)
        INSERT INTO notes (body) SELECT hex(zeroblob(60)) || x FROM n;
        INSERT INTO tags SELECT id, 'tag ' || id FROM notes;
        DELETE FROM notes WHERE id BETWEEN 100 AND 150;`)
    )
    if (crashed) yield* crashAfter(file, "INSERT INTO tags SELECT id, 'later ' || id FROM notes")
    return readdirSync(folder)
  })

const bytesOf = (path: string) => (existsSync(path) ? readFileSync(path).toString("base64") : "absent")

const check = { quick: "quick_check", full: "integrity_check" } as const

/** Starts on a damaged copy: refused with unchanged bytes, or ready and sound for an independent connection. */
const outcomeOf = Effect.fnUntraced(function* (file: string, policy: "quick" | "full", label: string) {
  const before = [bytesOf(file), bytesOf(`${file}-wal`)]
  const integrity: IntegrityPolicy = policy
  const outcome = yield* Effect.either(start(file, { integrity }))
  if (Either.isLeft(outcome)) {
    assert.isNotEmpty(outcome.left.remedy, label)
    assert.deepStrictEqual([bytesOf(file), bytesOf(`${file}-wal`)], before, `${label}: ${outcome.left.message}`)
    return `${outcome.left._tag}.${outcome.left.reason}`
  }
  assert.deepStrictEqual(yield* rowsOf(file, `PRAGMA ${check[policy]}`), [{ [check[policy]]: "ok" }], label)
  assert.deepStrictEqual(yield* rowsOf(file, "PRAGMA foreign_key_check"), [], label)
  const objects = yield* rowsOf(file, "SELECT name FROM sqlite_schema WHERE name IN ('notes', 'tags', 'tags_by_note')")
  assert.strictEqual(objects.length, 3, label)
  return "ready"
})

describe(`${mutations} damaged copies of a database each`, () => {
  for (const { crashed, hit, title } of [
    { title: "of a file that was closed cleanly", hit: "app.db", crashed: false },
    { title: "of a file with a WAL that a crash left", hit: "app.db", crashed: true },
    { title: "of a WAL that a crash left", hit: "app.db-wal", crashed: true },
    { title: "of the shm that a crash left", hit: "app.db-shm", crashed: true }
  ]) {
    for (const policy of ["quick", "full"] as const) {
      it.scopedLive(
        `${title}, checked with ${policy}: refused with unchanged bytes, or ready and sound`,
        () =>
          Effect.gen(function* () {
            const folder = yield* temporaryFolder
            const origin = join(folder, "origin")
            mkdirSync(origin)
            const names = yield* healthy(origin, crashed)
            const copy = join(folder, "copy")
            const outcomes = new Map<string, number>()
            for (let seed = 1; seed <= mutations; seed += 1) {
              mkdirSync(copy)
              for (const name of names) copyFileSync(join(origin, name), join(copy, name))
              const random = randomFrom(seed)
              const kinds = Object.entries(damages)
              const [kind, damage] = kinds[seed % kinds.length] ?? assert.fail("no damage")
              writeFileSync(join(copy, hit), damage(readFileSync(join(copy, hit)), random))
              const outcome = yield* outcomeOf(join(copy, "app.db"), policy, `${kind}, seed ${seed}`)
              outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
              rmSync(copy, { recursive: true })
            }
            console.log(title, policy, Object.fromEntries(outcomes))
          }),
        30_000 + mutations * 1000
      )
    }
  }

  it.scopedLive("next to the WAL of another database: refused with unchanged bytes, or ready and sound", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const [mine, other] = [join(folder, "mine"), join(folder, "other")]
      mkdirSync(mine)
      mkdirSync(other)
      yield* healthy(mine, false)
      yield* healthy(other, true)
      copyFileSync(join(other, "app.db-wal"), join(mine, "app.db-wal"))
      for (const policy of ["quick", "full"] as const) yield* outcomeOf(join(mine, "app.db"), policy, policy)
    })
  )
})
