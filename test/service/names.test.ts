import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { InvalidFileName, type NameProblem } from "../../src/service/Api.ts"
import { fileForm } from "../../src/service/Client.ts"
import { fileNameOf } from "../../src/service/FileName.ts"
import { contentsIn, jsonOf, onlySqlite, serving } from "../support/service.ts"

const refused: ReadonlyArray<readonly [name: string, problem: typeof NameProblem.Type]> = [
  ["", "Empty"],
  ["../../etc/passwd", "Separator"],
  ["..\\..\\windows\\system32", "Separator"],
  ["/etc/passwd", "Separator"],
  ["C:\\a.txt", "Separator"],
  ["a／b.txt", "Separator"],
  ["a⁄b.txt", "Separator"],
  ["a∕b.txt", "Separator"],
  ["a＼b.txt", "Separator"],
  ["a∖b.txt", "Separator"],
  ["a╱b.txt", "Separator"],
  ["a⧵b.txt", "Separator"],
  [".", "Reserved"],
  ["..", "Reserved"],
  ["．．", "Reserved"],
  ["‥", "Reserved"],
  ["CON", "Reserved"],
  ["nul.txt", "Reserved"],
  ["com1.tar.gz", "Reserved"],
  ["ＣＯＮ.txt", "Reserved"],
  ["lpt¹", "Reserved"],
  ["aux .txt", "Reserved"],
  ["nul:x", "Reserved"],
  ["a\u0000.txt", "ControlCharacter"],
  ["a\r\nContent-Type: text/html", "ControlCharacter"],
  ["a\u007f.txt", "ControlCharacter"],
  ["a\u0085.txt", "ControlCharacter"],
  ["a\u2028b.txt", "ControlCharacter"],
  ["gpj.\u202eexe", "Invisible"],
  ["a\u200bb.txt", "Invisible"],
  ["a\ufeff.txt", "Invisible"],
  ["1\u200d2.txt", "Invisible"],
  ["\u3164.txt", "Invisible"],
  ["a\u{e0041}.txt", "Invisible"],
  ["a\ud800.txt", "Malformed"],
  ["a\ufffd.txt", "Malformed"],
  [" a.txt", "BlankOrDotAtItsEnds"],
  ["a.txt ", "BlankOrDotAtItsEnds"],
  ["a.txt.", "BlankOrDotAtItsEnds"],
  ["a.txt\u00a0", "BlankOrDotAtItsEnds"],
  ["a\u3000", "BlankOrDotAtItsEnds"],
  ["x".repeat(256), "TooLong"],
  ["ü".repeat(128), "TooLong"],
  ["x".repeat(50_000), "TooLong"]
]

const taken = [
  "a.txt",
  ".gitignore",
  "...a",
  "日本語のファイル.pdf",
  "Übergrößenträger.txt",
  "семья.doc",
  "a b (1).txt",
  "100% 'sure' & <more>.txt",
  "%2e%2e%2fetc%2fpasswd",
  "console.log",
  "👩‍👩‍👧.png",
  "❤️‍🔥.gif",
  "👩🏽‍🚀.gif",
  "x".repeat(255)
]

/** A name as it can be written into a multipart header. */
const formOf = (name: string) =>
  Buffer.from(
    `--X\r\nContent-Disposition: form-data; name="file"; filename="${name.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"\r\n\r\nx\r\n--X--\r\n`
  )

describe("a file's name", () => {
  it("is refused with its problem if it could be taken for something else", () => {
    for (const [name, problem] of refused) {
      assert.deepStrictEqual(
        Either.mapLeft(fileNameOf(name), (error) => error.problem),
        Either.left(problem),
        JSON.stringify(name)
      )
    }
  })

  it("is accepted otherwise, in one normal form", () => {
    for (const name of taken) assert.deepStrictEqual(fileNameOf(name), Either.right(name), name)
    assert.deepStrictEqual(fileNameOf("u\u0308.txt"), Either.right("ü.txt"))
  })

  it("is accepted again if it was accepted, and is safe in a path and in a header", () => {
    const anything = FastCheck.oneof(
      FastCheck.fullUnicodeString(),
      FastCheck.stringOf(FastCheck.constantFrom(..."./\\ \u0000\n\u202e\u200d：CON a．".split("")))
    )
    FastCheck.assert(
      FastCheck.property(anything, (given) => {
        const name = Either.getOrUndefined(fileNameOf(given))
        if (name === undefined) return
        assert.deepStrictEqual(fileNameOf(name), Either.right(name))
        assert.notMatch(name, /[/\\\p{Cc}\p{Zl}\p{Zp}\p{Cs}]|^\.{0,2}$|^\s|[\s.]$/u)
        assert.isAtMost(Buffer.byteLength(name), 255)
      }),
      { numRuns: 2000 }
    )
  })

  it.scopedLive.skipIf(onlySqlite("lists the files of the database"))(
    "is checked in a real upload and a real rename, and never becomes a path",
    () =>
      Effect.gen(function* () {
        const { ask, client, folder } = yield* serving()
        const { fileId } = yield* client.files.upload({ path: { sessionId: "s1" }, payload: fileForm("a.txt", "x") })
        for (const [name, problem] of refused) {
          const answers = [
            yield* ask(`/api/files/${fileId}`, {
              method: "PATCH",
              body: JSON.stringify({ name }),
              headers: { "content-type": "application/json" }
            }),
            // A line break ends a header, and a name that is too long ends all headers: no upload can have these.
            ...(name.includes("\n") || name.length > 20_000
              ? []
              : [
                  yield* ask("/api/sessions/s1/files", {
                    method: "POST",
                    body: formOf(name),
                    headers: { "content-type": "multipart/form-data; boundary=X" }
                  })
                ])
          ]
          for (const answer of answers) {
            const body = yield* jsonOf(answer)
            assert.strictEqual(answer.status, 400, JSON.stringify(name))
            // An unpaired surrogate cannot be sent; what arrives in its place is malformed too.
            assert.strictEqual(Schema.decodeUnknownSync(InvalidFileName)(body).problem, problem, JSON.stringify(name))
          }
        }
        assert.strictEqual((yield* contentsIn(folder)).length, 1)
        assert.deepStrictEqual(readdirSync(folder).sort(), ["app.db", "app.db-shm", "app.db-wal", "files"])
      })
  )

  it.scopedLive("comes back unchanged, in the list and in the download's header", () =>
    Effect.gen(function* () {
      const { ask, client } = yield* serving()
      for (const name of taken) {
        const response = yield* ask("/api/sessions/s1/files", {
          method: "POST",
          body: formOf(name),
          headers: { "content-type": "multipart/form-data; boundary=X" }
        })
        const added = yield* jsonOf(response)
        assert.strictEqual(added["name"], name)
        const download = yield* ask(`/api/files/${added["fileId"]}/download`)
        const disposition = download.headers.get("content-disposition") ?? ""
        assert.match(disposition, /^attachment; filename/)
        const [, encoded] = /filename\*=UTF-8''([^;]+)/.exec(disposition) ?? []
        const [, plain] = /filename="?([^"]+)"?/.exec(disposition) ?? []
        assert.strictEqual(encoded === undefined ? plain : decodeURIComponent(encoded), name)
      }
      const { files } = yield* client.files.list({
        path: { sessionId: "s1" },
        urlParams: { limit: 50, deleted: false }
      })
      assert.sameMembers(
        files.map(({ name }) => name),
        taken
      )
    })
  )
})
