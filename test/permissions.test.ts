/** Who owns the files that this library creates, seen by two users and by root. */
import { spawnSync } from "node:child_process"
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { notesFiles, temporaryFolder } from "./support/database.ts"
import { program, runProgram } from "./support/program.ts"

const service = { uid: 65_534, gid: 65_534 }
const group = 54_321
const [alice, bob] = [
  { uid: 54_001, gid: group },
  { uid: 54_002, gid: group }
]

const why =
  process.getuid?.() === 0
    ? spawnSync(process.execPath, [program, "--version"], { stdio: "ignore", ...service }).status === 0
      ? undefined
      : "another user than root cannot read this checkout"
    : "only root can be several users"

/** Owner, group and mode, as `ls -ln` would show them. */
const permissionsOf = (path: string) => {
  const { gid, mode, uid } = statSync(path)
  return `${uid}:${gid} ${(mode & 0o7777).toString(8)}`
}

const permissionsIn = (directory: string) =>
  Object.fromEntries(
    readdirSync(directory)
      .sort()
      .map((name) => [name.replace(/replaced-\w+/, "replaced"), permissionsOf(join(directory, name))])
  )

/** A directory of the service, and migrations that everybody may read. */
const prepared = (owner: { readonly uid: number; readonly gid: number }, mode = 0o700) =>
  Effect.map(temporaryFolder, (folder) => {
    const [home, migrations] = [join(folder, "home"), join(folder, "migrations")]
    chmodSync(folder, 0o755)
    mkdirSync(home)
    chownSync(home, owner.uid, owner.gid)
    chmodSync(home, mode)
    mkdirSync(migrations)
    chmodSync(migrations, 0o755)
    const give = (name: string, text: string) => {
      writeFileSync(join(migrations, name), text)
      chmodSync(join(migrations, name), 0o644)
    }
    give("001_create_notes.sql", notesFiles["001_create_notes.sql"])
    return { home, migrations, give, second: () => give("002_add_tags.sql", notesFiles["002_add_tags.sql"]) }
  })

type User = { readonly uid: number; readonly gid: number } | undefined
const ended = (args: ReadonlyArray<string>, user?: User) =>
  Effect.map(runProgram(args, user), ({ code, stderr }) => [code, stderr] as const)
const write = (file: string, { gid, uid }: { readonly uid: number; readonly gid: number }) => {
  const script = `const c = new (require("better-sqlite3"))(process.argv[1]); c.exec("INSERT INTO notes (body) VALUES ('by ${uid}')"); c.close()`
  const { status, stderr } = spawnSync(process.execPath, ["-e", script, file], {
    cwd: import.meta.dirname,
    uid,
    gid,
    encoding: "utf8"
  })
  assert.deepStrictEqual([status, stderr], [0, ""])
}
const ready = [0, ""] as const

describe.skipIf(why !== undefined)(`files made by root${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  it.scopedLive("belong to the owner of the directory: the database, its parents, its backup", () =>
    Effect.gen(function* () {
      const { home, migrations, second } = yield* prepared(service)
      const file = join(home, "state/data/app.db")
      const init = ["init", "--database", file, "--migrations", migrations]
      assert.deepStrictEqual(yield* ended(init), ready)
      const own = `${service.uid}:${service.gid}`
      assert.deepStrictEqual([dirname(dirname(file)), dirname(file)].map(permissionsOf), [`${own} 700`, `${own} 700`])
      write(file, service)
      second()
      assert.deepStrictEqual(yield* ended(init), ready)
      assert.deepStrictEqual(permissionsIn(dirname(file)), {
        "app.db": `${own} 600`,
        "app.db.001-to-002.backup": `${own} 600`
      })
      assert.deepStrictEqual(yield* ended(init, service), ready)
      assert.deepStrictEqual(yield* ended(["restore", "--database", file], service), ready)
    })
  )

  const states: Readonly<Record<string, (file: string) => void>> = {
    sound: () => {},
    damaged: (file) => writeFileSync(file, "nothing that SQLite could open ".repeat(100)),
    missing: (file) => rmSync(file)
  }
  for (const [state, change] of Object.entries(states)) {
    it.scopedLive(`keep the service running after a restore over a database that is ${state}`, () =>
      Effect.gen(function* () {
        const { home, migrations, second } = yield* prepared(service)
        const file = join(home, "app.db")
        const init = ["init", "--database", file, "--migrations", migrations]
        yield* ended(init, service)
        second()
        yield* ended(init, service)
        chmodSync(file, 0o640)
        change(file)
        assert.deepStrictEqual(yield* ended(["restore", "--database", file]), ready)
        const own = `${service.uid}:${service.gid}`
        const mode = state === "missing" ? "600" : "640"
        assert.deepStrictEqual(permissionsIn(home), {
          "app.db": `${own} ${mode}`,
          "app.db.001-to-002.backup": `${own} 600`,
          ...(state === "missing" ? {} : { "app.db.replaced": `${own} ${mode}` })
        })
        const [code, stderr] = yield* ended(init, service)
        assert.strictEqual(code, 0)
        // A restore over a missing file leaves no trace that explains why the database is older than a backup.
        if (state === "missing") assert.match(stderr, /^timestamp=\S+ level=WARN .*older than a backup.*\n$/)
        else assert.strictEqual(stderr, "")
      })
    )
  }
})

describe.skipIf(why !== undefined)(`a group${why === undefined ? "" : ` (skipped: ${why})`}`, () => {
  it.scopedLive("shares a database: each of two users starts, writes, upgrades and restores", () =>
    Effect.gen(function* () {
      const { give, home, migrations, second } = yield* prepared(alice, 0o2770)
      const directory = join(home, "data")
      const file = join(directory, "app.db")
      const shared = ["--database", file, "--permissions", "group", "--migrations", migrations]
      const init = ["init", ...shared]
      assert.deepStrictEqual(yield* ended(init, alice), ready)
      assert.strictEqual(permissionsOf(directory), `${alice.uid}:${group} 2770`)
      assert.strictEqual(permissionsOf(file), `${alice.uid}:${group} 660`)
      assert.deepStrictEqual(yield* ended(init, bob), ready)
      write(file, bob)
      write(file, alice)
      second()
      assert.deepStrictEqual(yield* ended(init, bob), ready)
      assert.strictEqual(permissionsOf(`${file}.001-to-002.backup`), `${bob.uid}:${group} 660`)
      assert.deepStrictEqual(yield* ended(["status", ...shared], alice), ready)
      assert.deepStrictEqual(yield* ended(["restore", "--database", file], alice), ready)
      assert.deepStrictEqual(yield* ended(init, alice), ready)
      writeFileSync(file, "nothing that SQLite could open ".repeat(100))
      assert.deepStrictEqual(yield* ended(["restore", "--database", file], bob), ready)
      assert.strictEqual(permissionsOf(file), `${bob.uid}:${group} 660`)
      give("003_more.sql", "CREATE TABLE more (x);")
      assert.deepStrictEqual(yield* ended(init, alice), ready)
      assert.deepStrictEqual(yield* ended(init, bob), ready)
      write(file, alice)
      write(file, bob)
    })
  )

  it.scopedLive("that may not use the database or its directory is refused, and nothing is created", () =>
    Effect.gen(function* () {
      const { home, migrations } = yield* prepared(alice, 0o770)
      const file = join(home, "app.db")
      const init = ["init", "--database", file, "--migrations", migrations]
      const refusedOver = (fault: string) =>
        Effect.map(runProgram([...init, "--json", "--permissions", "group"], alice), ({ code, stdout }) => {
          const { error } = JSON.parse(stdout)
          assert.deepStrictEqual([error._tag, error.reason, code], ["ConnectionError", "NotShared", 77])
          assert.include(error.message, fault)
        })
      yield* refusedOver(`${home}: its mode is 770, not 2770`)
      assert.deepStrictEqual(readdirSync(home), [])
      chmodSync(home, 0o2770)
      assert.deepStrictEqual(yield* ended(init, alice), ready)
      assert.strictEqual(permissionsOf(file), `${alice.uid}:${group} 600`)
      yield* refusedOver(`${file}: its mode is 600, not 660`)
      chmodSync(file, 0o660)
      assert.deepStrictEqual(yield* ended([...init, "--permissions", "group"], bob), ready)
    })
  )
})
