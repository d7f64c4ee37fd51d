/** A proof: what it says, that it is of one copy, that a signature holds, and what gets none. */
import { execFileSync } from "node:child_process"
import { createHash, generateKeyPairSync } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as FileSystem from "@effect/platform/FileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/TestClock"
import { exitCodeOf, Migrations } from "../../layers/index.ts"
import { canonicalJson } from "../../layers/operate/proof/CanonicalJson.ts"
import {
  backUp,
  type ProofDocument,
  type ProveOptions,
  proofJson,
  proofMarkdown,
  proveDatabase,
  verifyProof,
  writeProof
} from "../../layers/operate.ts"
import {
  crashAfter,
  damagePage,
  independently,
  notes,
  notesFiles,
  onlyFirst,
  openConnection,
  pictureOf,
  platform,
  refusal,
  rowsOf,
  start,
  temporaryFile,
  temporaryFolder
} from "../support/database.ts"
import { runProgram } from "../support/program.ts"

const pair = () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  return {
    secret: String(privateKey.export({ format: "pem", type: "pkcs8" })),
    open: String(publicKey.export({ format: "pem", type: "spki" }))
  }
}
const ours = pair()

const prove = (filename: string, options: Partial<ProveOptions<never>> = {}) =>
  Effect.provide(proveDatabase({ filename, migrations: notes, ...options }), platform)
const verify = (options: Parameters<typeof verifyProof>[0]) => Effect.provide(verifyProof(options), platform)

const readme = join(import.meta.dirname, "../../src/program/README.md")

const sha256 = (bytes: string) => createHash("sha256").update(bytes).digest("hex")

const started = Effect.tap(temporaryFile, (file) => start(file, { applicationId: 77 }))

describe("canonical JSON", () => {
  it("is the one of the examples in RFC 8785, however the value is written", () => {
    const numbers = "[333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001]"
    const text = '"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/"'
    const value: unknown = JSON.parse(`{"numbers": ${numbers}, "string": ${text}, "literals": [null, true, false]}`)
    assert.strictEqual(
      canonicalJson(value),
      `{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA'B\\"\\\\\\\\\\"/"}`
    )
  })

  it("has names in the order of their UTF-16 units", () => {
    const names = ["\u20ac", "\r", "\ufb33", "1", "\ud83d\ude00", "\u0080", "\u00f6"]
    const sorted = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\ud83d\ude00", "\ufb33"]
    const value = Object.fromEntries(names.map((name) => [name, 0]))
    assert.strictEqual(canonicalJson(value), `{${sorted.map((name) => `${JSON.stringify(name)}:0`).join(",")}}`)
  })
})

describe("a proof", () => {
  it.scopedLive(
    "is of the content that a backup of the same state has, also by hand, while others use the database",
    () =>
      Effect.gen(function* () {
        const file = yield* started
        yield* crashAfter(file, "INSERT INTO notes (body) VALUES ('only in the WAL')")
        const user = yield* openConnection(file)
        user.exec("SELECT count(*) FROM notes")
        const before = yield* pictureOf(dirname(file))
        const { proof, signature } = yield* prove(file)
        assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
        assert.isNull(signature)
        const { backup } = yield* Effect.provide(backUp({ filename: file, to: yield* temporaryFolder }), platform)
        const bytes = readFileSync(backup)
        const [told = ""] = /^f=.*$/m.exec(readFileSync(readme, "utf8").replaceAll("`", "\n")) ?? []
        const byHand = execFileSync("sh", ["-c", told.replace("app.db.backup", backup)], { encoding: "utf8" })
        assert.include(byHand, proof.database.sha256)
        assert.include(proof.database, { path: file, bytes: bytes.length, applicationId: 77 })
        assert.strictEqual(proof.database.pageCount * proof.database.pageSize, bytes.length)
        assert.strictEqual(proof.pragmas["journal_mode"], "wal")
        user.exec("INSERT INTO notes (body) VALUES ('more')")
        assert.notStrictEqual((yield* prove(file)).proof.database.sha256, proof.database.sha256)
      })
  )

  it.scoped("says when by the clock, what was applied, what the schema is and which versions were at work", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-11-28T09:00:00Z"))
      const file = yield* started
      const { proof } = yield* prove(file, { program: "auditor 3" })
      assert.strictEqual(proof.at, "2026-11-28T09:00:00.000Z")
      assert.deepStrictEqual(
        proof.history.migrations.map(({ appliedAt, name, version }) => [version, name, appliedAt]),
        [
          ["001", "create_notes", "2026-11-28 09:00:00"],
          ["002", "add_tags", "2026-11-28 09:00:00"]
        ]
      )
      for (const { checksum } of proof.history.migrations) assert.match(checksum ?? "", /^[0-9a-f]{64}$/)
      const trigger = yield* rowsOf(file, "SELECT sql FROM sqlite_schema WHERE name = 'notes_stamp'")
      const [sql = ""] = trigger.map((row) => Object.values(Object(row)).join())
      assert.deepInclude(proof.schema.objects, { object: "trigger notes_stamp", sha256: sha256(sql) })
      assert.deepStrictEqual(
        proof.schema.objects.map(({ object }) => object),
        ["index tags_by_note", "table notes", "table tags", "trigger notes_stamp"]
      )
      assert.include(proof.integrity, { policy: "full", checked: "full", foreignKeys: "checked" })
      assert.include(proof.versions, { program: "auditor 3", node: process.versions.node })
      assert.match(proof.versions.effect, /^3\.\d+/)
      const quick = yield* prove(file, { integrity: "schema" })
      assert.include(quick.proof.integrity, { checked: "schema", foreignKeys: "not checked" })
    })
  )

  it.scoped("has repairs and restores, and what no migration made", () =>
    Effect.gen(function* () {
      const file = yield* started
      yield* independently(file, (connection) => {
        connection.exec("CREATE INDEX mine ON notes(body)")
        const event = { what: "repair", at: "2026-01-01T00:00:00.000Z", by: "ann", host: "h", detail: "x 1" }
        connection.prepare("UPDATE schema_migrations SET events = ?").run(JSON.stringify([event]))
      })
      const document = yield* prove(file)
      assert.deepStrictEqual(document.proof.schema.extra, ["index mine"])
      assert.include(document.proof.history.events[0], { what: "repair", by: "ann" })
      const markdown = proofMarkdown(document)
      assert.include(markdown, "| index mine | ")
      assert.include(markdown, "- repaired with x 1 on 2026-01-01T00:00:00Z by ann at h")
      assert.include(markdown, sha256(proofJson(document)))
    })
  )

  it.scoped("is not made of what is not ready: pending, damaged, referring to nothing, absent, in memory", () =>
    Effect.gen(function* () {
      const file = yield* temporaryFile
      yield* start(file, { migrations: onlyFirst })
      const pending = yield* refusal(prove(file))
      assert.deepStrictEqual([pending.reason, pending.database, exitCodeOf(pending)], ["Pending", file, 75])
      yield* start(file)
      yield* independently(file, (connection) =>
        connection.exec("PRAGMA foreign_keys = off; INSERT INTO tags VALUES (99, 'x')")
      )
      const broken = yield* refusal(prove(file))
      assert.deepStrictEqual([broken.reason, broken.database], ["ForeignKeyViolations", file])
      // Only the pages of an index, which nothing but `full` compares with its table.
      yield* independently(file, (connection) => connection.exec("DELETE FROM tags WHERE note = 99"))
      const root = yield* independently(file, (connection) => {
        connection.exec("INSERT INTO tags VALUES (1, 'a')")
        connection.pragma("wal_checkpoint(TRUNCATE)")
        return Number(
          connection.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'tags_by_note'").pluck().get()
        )
      })
      yield* damagePage(file, root)
      const before = yield* pictureOf(dirname(file))
      const damaged = yield* refusal(prove(file))
      assert.deepStrictEqual([damaged.reason, damaged.database], ["DamagedPages", file])
      assert.deepStrictEqual(yield* pictureOf(dirname(file)), before)
      const absent = join(dirname(file), "absent.db")
      assert.strictEqual((yield* refusal(prove(absent))).database, absent)
      assert.isFalse(existsSync(absent))
      assert.strictEqual((yield* refusal(prove(":memory:"))).reason, "NoFile")
    })
  )

  it.scoped("leaves nothing next to the database, removes what a killed one left, and only that", () =>
    Effect.gen(function* () {
      const file = yield* started
      const place = `${file}.proof`
      mkdirSync(place)
      writeFileSync(join(place, "copy.db"), "half a copy")
      yield* prove(file)
      assert.deepStrictEqual(readdirSync(dirname(file)), ["app.db"])
      mkdirSync(place)
      writeFileSync(join(place, "mine"), "of somebody")
      const error = yield* refusal(prove(file))
      assert.strictEqual(`${error._tag}.${error.reason}`, "ProofError.NotCopied")
      assert.deepStrictEqual(readdirSync(place), ["mine"])
    })
  )
})

describe("a signature", () => {
  const signed = Effect.flatMap(started, (file) =>
    Effect.map(prove(file, { key: ours.secret }), (document) => ({ file, document }))
  )

  it.scoped("holds for the document and the key that signed it", () =>
    Effect.gen(function* () {
      const { document, file } = yield* signed
      const verified = yield* verify({ document: `${proofJson(document)}\n`, key: ours.open })
      assert.include(verified, { database: file, sha256: document.proof.database.sha256, against: undefined })
    })
  )

  it.scoped("does not hold for another key, a changed document, or one that was rewritten", () =>
    Effect.gen(function* () {
      const { document } = yield* signed
      const text = proofJson(document)
      const reasonOf = (changed: string, key = ours.open) =>
        Effect.map(refusal(verify({ document: changed, key })), ({ reason }) => reason)
      const resigned = (change: Partial<ProofDocument>) => canonicalJson({ ...document, ...change })
      assert.strictEqual(yield* reasonOf(text, pair().open), "OtherKey")
      const { proof, signature } = document
      if (signature === null) return assert.fail("not signed")
      assert.strictEqual(yield* reasonOf(resigned({ proof: { ...proof, host: "other" } })), "Changed")
      const value = signature.value.replace(/^./, (first) => (first === "A" ? "B" : "A"))
      assert.strictEqual(yield* reasonOf(resigned({ signature: { ...signature, value } })), "Changed")
      // The last digit has bits that stand for nothing: another text of the same bytes.
      const same = signature.value.replace(/.(?===$)/, (last) => ({ A: "B", Q: "R", g: "h", w: "x" })[last] ?? last)
      assert.notStrictEqual(same, signature.value)
      assert.strictEqual(yield* reasonOf(resigned({ signature: { ...signature, value: same } })), "Changed")
      assert.strictEqual(yield* reasonOf(resigned({ signature: null })), "NotSigned")
      assert.strictEqual(yield* reasonOf(JSON.stringify(document, null, 2)), "NotAProof")
      // The first one of two is what a person reads, the last one what a program takes.
      assert.strictEqual(yield* reasonOf(text.replace('"host":', '"host":"other","host":')), "NotAProof")
      for (const none of ["", "null", "[]", "{}", '{"proof":{}}', "no JSON"]) {
        assert.strictEqual(yield* reasonOf(none), "NotAProof")
      }
    })
  )

  it.scoped("takes an Ed25519 key in PEM, and says how to make one", () =>
    Effect.gen(function* () {
      const file = yield* started
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
      const locked = generateKeyPairSync("ed25519").privateKey.export({
        format: "pem",
        type: "pkcs8",
        cipher: "aes-256-cbc",
        passphrase: "x"
      })
      const wrong = [String(rsa.export({ format: "pem", type: "pkcs8" })), String(locked), ours.open, "no key", ""]
      for (const key of wrong) {
        const error = yield* refusal(prove(file, { key }))
        assert.deepStrictEqual([error.reason, exitCodeOf(error)], ["NotAKey", 64])
        assert.include(error.remedy, "openssl genpkey -algorithm ed25519")
      }
    })
  )

  it.scoped(
    "is compared with a database: the backup of that time has the content, one that was written to has not",
    () =>
      Effect.gen(function* () {
        const { document, file } = yield* signed
        const given = { document: proofJson(document), key: ours.open }
        const { backup } = yield* Effect.provide(backUp({ filename: file }), platform)
        for (const against of [backup, file]) {
          assert.strictEqual((yield* verify({ ...given, against })).against, against)
        }
        yield* independently(file, (connection) => connection.exec("UPDATE notes SET body = 'other'"))
        const error = yield* refusal(verify({ ...given, against: file }))
        assert.deepStrictEqual([error.reason, error.database, exitCodeOf(error)], ["OtherContent", file, 65])
        assert.notInclude(readdirSync(dirname(file)), "app.db.proof")
      })
  )
})

describe("the program", () => {
  it.scopedLive("makes a proof, writes it, verifies it, and says why not", () =>
    Effect.gen(function* () {
      const file = yield* started
      const home = dirname(file)
      const at = (name: string) => join(home, name)
      mkdirSync(at("migrations"))
      for (const [name, text] of Object.entries(notesFiles)) writeFileSync(join(at("migrations"), name), text)
      writeFileSync(at("key.pem"), ours.secret)
      writeFileSync(at("public.pem"), ours.open)
      const run = (...args: ReadonlyArray<string>) => runProgram(["proof", ...args])
      const of = ["--database", file, "--migrations", at("migrations")]
      const made = yield* run(...of, "--key", at("key.pem"), "--to", at("proof.json"))
      assert.deepStrictEqual([made.code, made.stderr], [0, ""])
      assert.match(made.stdout, /^# Proof of .*app\.db\n/)
      const verified = yield* run("--verify", at("proof.json"), "--key", at("public.pem"), "--against", file)
      assert.deepStrictEqual([verified.code, verified.stderr], [0, ""])
      assert.match(verified.stdout, /^verified {2}\S+app\.db of \S+, proven at 20/)
      const json = yield* run(...of, "--json")
      assert.deepInclude(JSON.parse(json.stdout), { status: "proven", signature: null })
      assert.strictEqual(json.stdout, `${canonicalJson(JSON.parse(json.stdout))}\n`)

      const again = yield* run(...of, "--to", at("proof.json"))
      assert.deepStrictEqual([again.code, again.stdout], [64, ""])
      assert.include(again.stderr, "ProofError.Exists")
      for (const [code, ...args] of [
        [64, "--verify", at("proof.json")],
        [64, "--verify", at("none.json"), "--key", at("public.pem")],
        [65, "--verify", at("key.pem"), "--key", at("public.pem")]
      ] as const) {
        const ended = yield* run(...args, "--json")
        assert.deepStrictEqual([ended.code, JSON.parse(ended.stdout).status], [code, "failed"])
      }
      writeFileSync(join(at("migrations"), "003_more.sql"), "CREATE TABLE more (x);")
      const pending = yield* run(...of, "--json", "--to", at("other.json"))
      assert.deepStrictEqual([pending.code, JSON.parse(pending.stdout).error.reason], [75, "Pending"])
      assert.isFalse(existsSync(at("other.json")))
    })
  )

  it.scoped("writes a document only to a free name, and leaves no part of one", () =>
    Effect.gen(function* () {
      const document = yield* Effect.flatMap(started, (file) =>
        prove(file, { migrations: Migrations.fromRecord(notesFiles) })
      )
      const folder = yield* temporaryFolder
      const write = (to: string) => Effect.provide(writeProof(document, to), platform)
      const left = join(folder, "a.json.0123456789ab")
      mkdirSync(left)
      for (const file of [`${left}.partial`, join(left, "proof")]) writeFileSync(file, "")
      // Without a lock it is somebody else's.
      mkdirSync(join(folder, "a.json.ba9876543210"))
      assert.strictEqual(yield* write(join(folder, "a.json")), join(folder, "a.json"))
      assert.strictEqual(readFileSync(join(folder, "a.json"), "utf8"), `${proofJson(document)}\n`)
      assert.strictEqual((yield* refusal(write(join(folder, "a.json")))).reason, "Exists")
      const nowhere = yield* refusal(write(join(folder, "none", "a.json")))
      assert.deepStrictEqual([nowhere.reason, exitCodeOf(nowhere)], ["NotWritten", 64])
      // The directory cannot be flushed.
      const unflushed = writeProof(document, join(folder, "b.json")).pipe(
        Effect.updateService(FileSystem.FileSystem, (fs) => ({
          ...fs,
          open: (path, options) => fs.open(path === folder ? join(folder, "none") : path, options)
        })),
        Effect.provide(platform)
      )
      assert.strictEqual((yield* refusal(unflushed)).reason, "NotWritten")
      assert.deepStrictEqual(readdirSync(folder), ["a.json", "a.json.ba9876543210"])
    })
  )
})
