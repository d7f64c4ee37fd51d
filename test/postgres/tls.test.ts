/** Encrypted lines to PostgreSQL: what each `sslmode` proves, and each certificate that proves nothing. */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { temporaryFolder } from "../support/database.ts"
import { runProgram } from "../support/program.ts"
import { hasPostgres, socketFolder } from "./cluster.ts"
import { newDatabase } from "./databases.ts"
import { encrypted } from "./proxy.ts"

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0

/** An authority, and what it signs: for a name, and for so many days from now. */
const authority = Effect.map(temporaryFolder, (folder) => {
  const run = (...words: ReadonlyArray<string>) => execFileSync("openssl", words, { cwd: folder, stdio: "ignore" })
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test"]
  run("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2")
  run("req", ...newKey, "-keyout", "key", "-out", "request")
  const read = (name: string) => readFileSync(join(folder, name), "utf8")
  const signs = (name: string, days: number) => {
    writeFileSync(join(folder, "names"), `subjectAltName=${name}`)
    const by = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial"]
    run("x509", "-req", "-in", "request", ...by, "-days", String(days), "-extfile", "names", "-out", "certificate")
    return { key: read("key"), cert: read("certificate") }
  }
  return { file: join(folder, "ca.crt"), signs }
})

describe.skipIf(!hasPostgres || !hasOpenssl)("an encrypted line to PostgreSQL", () => {
  it.scopedLive("proves what its sslmode says, or is refused at once, with the reason of the certificate", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.promise(socketFolder)
      const [, name = ""] = /\/(\w+)\?/.exec(yield* newDatabase) ?? []
      const cwd = yield* temporaryFolder
      mkdirSync(join(cwd, "migrations"))
      const { file, signs } = yield* authority
      const right = signs("IP:127.0.0.1,DNS:localhost", 2)
      const of = {
        right: yield* encrypted(folder, right),
        otherName: yield* encrypted(folder, signs("DNS:db.example.org", 2)),
        expired: yield* encrypted(folder, signs("IP:127.0.0.1", -1)),
        none: yield* encrypted(folder, undefined)
      }
      const cases = [
        { line: "right", mode: "verify-full", trusts: true, says: undefined },
        { line: "right", mode: "verify-full", trusts: false, says: /UNABLE_TO_VERIFY|SELF_SIGNED/ },
        { line: "right", mode: "verify-ca", trusts: false, says: /UNABLE_TO_VERIFY|SELF_SIGNED/ },
        { line: "right", mode: "require", trusts: false, says: undefined },
        { line: "otherName", mode: "verify-full", trusts: true, says: /ERR_TLS_CERT_ALTNAME_INVALID/ },
        { line: "otherName", mode: "verify-ca", trusts: true, says: undefined },
        { line: "expired", mode: "verify-full", trusts: true, says: /CERT_HAS_EXPIRED/ },
        { line: "none", mode: "verify-full", trusts: true, says: /does not support SSL/ }
      ] as const
      yield* Effect.forEach(
        cases,
        ({ line, mode, says, trusts }) =>
          Effect.gen(function* () {
            const url = `postgres://owner@127.0.0.1:${of[line].port}/${name}?sslmode=${mode}`
            const env = trusts ? { NODE_EXTRA_CA_CERTS: file } : {}
            const { code, stdout } = yield* runProgram(["init", "--json", "--database", url], { cwd, env })
            const { error, stages } = JSON.parse(stdout)
            if (says === undefined) return assert.strictEqual(code, 0, `${line} ${mode}: ${stdout}`)
            assert.deepStrictEqual(
              [code, error?.reason, stages[0].attempts],
              [64, "NoTls", 1],
              `${line} ${mode}: ${stdout}`
            )
            assert.match(error.message, says)
          }),
        { concurrency: 4, discard: true }
      )
      assert.isAbove(of.right.times(), 0)
    })
  )
})
