/** Search and context on the whole service: uploads, the process that reads them, and the answers. */
import { gunzipSync } from "node:zlib"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { strToU8, zipSync } from "fflate"
import { fileForm } from "../../src/service/Client.ts"
import { execute, rowsOf } from "../support/database.ts"
import { lockedZip } from "../support/hostile/archives.ts"
import { pdfOf as pdfObjects, streamOf, utf8 } from "../support/hostile/making.ts"
import { accounts, isOnPostgres, serveOn, serving, tokenOf } from "../support/service.ts"
import { files as labelled, questions } from "./questions/corpus.ts"

/** One service for all tests that disturb nobody: each has sessions of its own. */
class Served extends Context.Tag("Served")<Served, Effect.Effect.Success<ReturnType<typeof serveOn>>>() {}

const served = Layer.scoped(Served, serving({ accounts, extractsTexts: true }))

/** Waits until nothing waits for extraction. */
const extracted = (file: string) =>
  Effect.repeat(
    rowsOf(file, "SELECT file_id FROM file_texts WHERE state IN ('queued', 'running')"),
    Schedule.spaced("50 millis").pipe(Schedule.untilInput((rows: ReadonlyArray<unknown>) => rows.length === 0))
  )

/** What the rows of the index are called. */
const key = isOnPostgres ? "passage_id" : "rowid"

/** What belongs together in the tables of texts; each row is a fault. */
const faultsIn = (file: string) =>
  rowsOf(
    file,
    `SELECT 'no terms' AS fault, passage_id AS id FROM passages WHERE passage_id NOT IN (SELECT ${key} FROM passage_terms)
     UNION ALL SELECT 'no passage', ${key} FROM passage_terms WHERE ${key} NOT IN (SELECT passage_id FROM passages)
     UNION ALL SELECT 'counts', s.scope FROM text_scopes s WHERE
       s.passages IS DISTINCT FROM (SELECT count(*) FROM passages p WHERE p.scope = s.scope)
       OR s.terms IS DISTINCT FROM (SELECT sum(terms) FROM passages p WHERE p.scope = s.scope)
     UNION ALL SELECT 'no scope', passage_id FROM passages WHERE scope NOT IN (SELECT scope FROM text_scopes)
     UNION ALL SELECT 'passages of ' || t.file_id, t.passages FROM file_texts t WHERE t.passages <>
       (SELECT count(*) FROM passages p WHERE p.file_id = t.file_id)
     UNION ALL SELECT 'session of ' || p.file_id, p.scope FROM passages p
       JOIN conversation_files cf ON cf.file_id = p.file_id JOIN text_scopes s ON s.scope = p.scope
       WHERE s.session_id <> cf.session_id OR cf.is_deleted = 1`
  )

const report = `# Annual report

The budget of the third quarter was exceeded by 12 percent, because the rocket engines were late.

${"Nothing else happened in this chapter. ".repeat(30)}

# Outlook

Next year the turbines come from another supplier.
`

const zip = (parts: Readonly<Record<string, string | Uint8Array>>): Uint8Array =>
  zipSync(
    Object.fromEntries(
      Object.entries(parts).map(([name, part]) => [name, typeof part === "string" ? strToU8(part) : part])
    )
  )

/** A font says that the letter A is the character U+0000, which PostgreSQL stores nowhere. */
const zeroPdf = (): Uint8Array => {
  const content = "BT /F1 12 Tf 72 720 Td (AB) Tj ET"
  const map =
    "begincmap 1 begincodespacerange <00> <FF> endcodespacerange 2 beginbfchar <41> <0000> <42> <0042> endbfchar endcmap"
  return pdfObjects([
    "<< /Type /Catalog /Pages 2 0 R >>",
    "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
    "<< /Type /Font /Subtype /TrueType /BaseFont /X /ToUnicode 6 0 R >>",
    "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>",
    streamOf(utf8(content)),
    streamOf(utf8(map))
  ])
}

/** A PDF with a line on each page. */
const pdfOf = (pages: ReadonlyArray<string>): string => {
  const content = (text: string) => `BT /F1 12 Tf 72 720 Td (${text}) Tj ET`
  const objects = [
    "<< /Type /Catalog /Pages 2 0 R >>",
    `<< /Type /Pages /Kids [${pages.map((_, at) => `${4 + 2 * at} 0 R`).join(" ")}] /Count ${pages.length} >>`,
    "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ...pages.flatMap((text, at) => [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${5 + 2 * at} 0 R >>`,
      `<< /Length ${content(text).length} >>\nstream\n${content(text)}\nendstream`
    ])
  ].map((object, at) => `${at + 1} 0 obj\n${object}\nendobj\n`)
  const header = "%PDF-1.4\n"
  const offsets = objects.map((_, at) => header.length + objects.slice(0, at).join("").length)
  const body = header + objects.join("")
  return `${body}xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets
    .map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`)
    .join("")}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R >>\nstartxref\n${body.length}\n%%EOF`
}

/** One page, encrypted with AES-256: for an owner, so that everybody can read it, and for a user (both with gzip). */
const readableByAll =
  "H4sIAAAAAAACA61Uv28cRRQuSLVSBAUNUooJkgUN3pl58xOdLDn2nYhI5JMPAhJYYn68cQ6db629vShxOkAgREPoKGlCalAsQUVFYwkKBEiU8B/QQcXsnn2cOMrs3a5m3sz7vm+/fW82hruDl9gmFBu///HjTwUjlFT+3aLXK8phXcV5wJr0jLIiKqSMaUhce8u4jaitYRi48NIEo6kCJm0SHJXXTpkgUEcDAMrhVrG1VeA0tsh8heG1e8dIyqE7xFlR7lTzaUNYUb46jjPyFhF54z45WEmFtdQd17hJdVgsMEiLvb+SIP6Xqyj3cVbN65Az2pVBlXm7ASPyAiH/y5sYx+5adTeLoZu0u4Eu7oOWssacuODM6qdNns6I+o8Guaah5SvK0dw33bQN5re+5mbYKSlfwckdbMbBraCoFZQbOD1sbhND2/VZU6M7Kja3n7n09bcPn3/h6OyXU/ls8emVNwdfHUzeP3vvu48eXf78g7Orbz+sH0y+/+znx+yv0wf9Xx8Pf7v0959fvnHyw4fu6scvn3xy/8XTG0899/Q79795tHXli5b3HPpcgV5RcIvIbCJRSy1c5vGQ0OzheNLkkilHjZtGV8ei3CM9nZBJ47T1BiNGQyl6FwxPiWoXbJCGcmWDSei9dREpggKJiSkILvqgVUIJOYNBCDE6VNobl4yVlJrgZP5Wr5MehZQkZ1ozJYWhXnk0oH2A4HWyVKUUmUo2slzAmYeHKIWSDAzVEkBEboHmPToGKSgEBGkFSs0t9U45ZzLLzqArlFETz0fb8+Z2/05bB+VuFfaOcdpuuknK7f7oFiz9AX5RU6PmaEAWAO2k/ney1yc9zl1m5ohRc8UCGMUQWX7HGALzmgcRowhJglIpZLeiVNRYobO7Ei11rREZRgYhnA+ORe8djRG45sk5ZnxkFIVhwhiPVFOMPAqeP0eU0liW+1qIbESGGWJ9lNuDBwaCZ8Mdt1maZV6kZFh0hgfreVrt7Ls1poISU9DlRZSUIEkiyxjL/dCtTJcxxmA9pvlajHO2FgO5niv4ekyu7mtqN55g3ZXyaHyCWXK5X1UNgUUvX5+mirDz8W7u/h7QfJBl10ErpXj3BMVAdzGqZJ4asPkHSqhcftBebcSAAKvk1pOAyGdOfxrqe8cN0ReHzKxxddMZz6i1xcZGf29Q/APWtpcC1AUAAA=="
const withPassword =
  "H4sIAAAAAAACA61UPYgkRRQ2EuwDE+G4SEplMRCv6/9VwbBwtzuD4h077uiJ6Ab1uzey273X03PcaSwLaiqYmAvKBSbGigZGIv4EGpx6oHCKgQoa+rpndxwcQ3umh6qv6n3fN6/eq43x9uhxdl4UGz/c+eyLghFKav9SMRgU5bip4zykhgyYjF54T5XRgYbktBZGGpGMoznFAJCtZIxbrsBHn6PRVnBptYtAqYh5s9jcLFIVO2a+ovDMzaNEyrHbT7Oi3KrnVUtYUT41jTPyApG4cZfsrYSKtdAt17qDer9YcJCOe3clQP6nVlHuplk9bwJGdCujGnX7ASPqlAG/5eUUp+5ifQPN0PO0fwVdvHudZJMwcKGJ7qsWpzOi/+VBrXno9IpyMvdtP+1A/NcX3Sz1Tson0sH11E6DW2HRKyyXUrXfXiWGduuztknusHjrHDn+/Z3vv5v/xX+MZz5/+8/Xz31y3/v3z795740797751aPP3zIP2TbvPfba3Vtw++tfqqcfOf7jg1c//vnXe9798PiBFz8689u3X95+5blPH37w2qWfzt7tdE+oTxzAioMrRGESiV564QrHYyK5xVMHLARM5vSgxdopJ62romtiUe6QAUTBnObAI9OMpcxT0BKsYEIpDHSGZoBgjchJ+pBZsjZyrDMMoFYzqahTUcdEfXRURmpkAJ1YNhGjwDg8tGexXK3L2mIVJvCGigRaUi4ZRyEPliovsjTGgBfAPFeZgwLpvDRUOcqZyVEDld6b4DmjMiudlGAWHE8UstOosjXqK2bSxpPRhXl7dXi9K4hyuw47R6nqNl0m5YXh5IpYJkrw0+KatIcjsiDoJs0/k50hGTiTPPNScUwBJC7AQA4+gGGANo3h3ClPg4SAiLZgjUpBBSucDcGz2CUCaRRY8EpyqqjnXDuw2eUcqaARmznGpI3NGpOZgMmQPbdRWhqt5dJkrgLSjFNziH0ivdHcCY/nInGrdVaHGB1XzDhttF9t8RtNygUlpqDLh2ilhCKZLDGGjdGvVEuMMbGOAV/DOGdrmFDrsZKvY2p1X9u46UFq+pqeTF9OaLncreuWiEVTP1nlmrCT8TZeAwNBhUApLUBrzftfoZmAHqNadTejsPgRWmqmleieDjFCCqvV5v9BgZfPsArNzaOWwOltM2td0/aJZ4yaYmNjuDMq/gYfNG8T3QUAAA=="

const contents: Readonly<Record<string, string | Uint8Array>> = {
  "report.md": report,
  "page.html":
    "<!doctype html>\n<title>Sprockets &amp; co</title>\n<script>var hidden = 'unseen'</script>\n<p>The <b>spro</b>cket\n<i>is</i> caf&eacute;</p>",
  "table.csv": "name;size\nflywheel;17\n",
  "data.json": '{ "gearbox": [1, 2] }',
  "code.ts": "export const parseCrankshaft = () => 1\n",
  "old.txt": Uint8Array.from([0x67, 0x72, 0xfc, 0x6e, 0x20, 0x61, 0x78, 0x6c, 0x65]),
  "wide.txt": Uint8Array.from([0xff, 0xfe, ...Buffer.from("Kolben piston", "utf16le")]),
  "empty.txt": "",
  "not.txt": "some\0thing",
  "picture.png": "\x89PNG",
  "letter.docx": zip({
    "word/document.xml": `<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a "aaa"><!ENTITY b "&a;&a;">]>
      <w:document><w:p><w:r><w:t>Dear &lt;owner&gt; of the </w:t></w:r><w:r><w:t>camshaft</w:t></w:r></w:p>
      <w:p><w:r><w:t>&b;</w:t><w:delText>removed</w:delText></w:r></w:p></w:document>`
  }),
  "sizes.xlsx": zip({
    "xl/sharedStrings.xml": "<sst><si><t>none</t></si><si><r><t>pulley</t></r></si></sst>",
    "xl/worksheets/sheet1.xml": "<worksheet><row r='1'><c><v>1</v></c></row></worksheet>",
    "xl/worksheets/sheet2.xml": "<worksheet><row r='7'><c t='s'><v>1</v></c><c><v>17</v></c></row></worksheet>"
  }),
  "talk.pptx": zip({
    "ppt/slides/slide2.xml": "<p:sld><a:p><a:t>Rockers</a:t></a:p></p:sld>",
    "ppt/slides/slide1.xml": "<p:sld><a:p><a:t>Welcome</a:t></a:p></p:sld>"
  }),
  "note.odt": zip({
    "content.xml": "<o:doc><text:h>Note</text:h><text:p>A <text:span>tap</text:span>pet</text:p></o:doc>"
  }),
  "paper.pdf": pdfOf(["Introduction", "Every dynamo turns"]),
  "zero.pdf": zeroPdf(),
  "bomb.docx": zip({ "word/document.xml": new Uint8Array(40 * 1024 * 1024) }),
  "torn.pptx": zip({ "ppt/slides/slide1.xml": "<p:sld/>" }).subarray(0, 60),
  "torn.pdf": pdfOf(["One"]).slice(0, 30),
  "locked.xlsx": Buffer.concat([Buffer.from("d0cf11e0a1b11ae1", "hex"), Buffer.from("EncryptedPackage", "utf16le")]),
  "locked.odt": zip({
    "content.xml": Uint8Array.from([0x8f, 0x3c, 0x70, 0x3e, 0xa1]),
    "META-INF/manifest.xml":
      "<m:file-entry m:full-path='content.xml'><m:encryption-data m:checksum='a'/></m:file-entry>"
  }),
  "wholly.odt": zip({
    "encrypted-package": Uint8Array.from([0x8f, 0x3c]),
    "META-INF/manifest.xml": "<m:file-entry m:full-path='encrypted-package'><m:encryption-data/></m:file-entry>"
  }),
  "locked.docx": lockedZip(zip({ "word/document.xml": "<w:document/>" })),
  "readable.pdf": gunzipSync(Buffer.from(readableByAll, "base64")),
  "locked.pdf": gunzipSync(Buffer.from(withPassword, "base64")),
  "certificate.pdf": Buffer.from(
    gunzipSync(Buffer.from(readableByAll, "base64")).toString("latin1").replace("/Standard", "/Adobe.PubSec"),
    "latin1"
  )
}

layer(served, { excludeTestServices: true })((it) => {
  describe("a file that was uploaded", () => {
    it.effect("is found by what is in it, whatever kind of text it is, and says so", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "kinds" }
        const { context, files } = yield* clientOf(tokenOf("alice"))
        const ids = new Map<string, string>()
        for (const [name, content] of Object.entries(contents)) {
          const { fileId } = yield* files.upload({ path, payload: fileForm(name, content) })
          ids.set(name, fileId)
        }
        yield* extracted(file)
        const found = (q: string) =>
          Effect.map(context.search({ path, urlParams: { q, limit: 10 } }), ({ passages }) =>
            passages.map(({ endLine, highlights, line, name, text }) => ({
              in: `${name}:${line}-${endLine}`,
              words: highlights.map(({ end, start }) => text.slice(start, end))
            }))
          )
        assert.deepStrictEqual(yield* found("rocket engine turbine"), [
          { in: "report.md:5-9", words: ["turbines"] },
          { in: "report.md:1-5", words: ["rocket", "engines"] }
        ])
        assert.deepStrictEqual(yield* found("Sprocket?"), [{ in: "page.html:2-5", words: ["Sprockets", "sprocket"] }])
        assert.deepStrictEqual(yield* found("cafés"), [{ in: "page.html:2-5", words: ["café"] }])
        assert.deepStrictEqual(yield* found("unseen"), [])
        const named = (q: string) =>
          Effect.map(context.search({ path, urlParams: { q, limit: 10 } }), ({ names }) =>
            names.map(({ highlights, name }) => [name, ...highlights.map(({ end, start }) => name.slice(start, end))])
          )
        assert.deepStrictEqual(yield* named("torn papers as PDF, and a PICTURE"), [
          ["torn.pdf", "torn", "pdf"],
          ["paper.pdf", "paper", "pdf"],
          ["certificate.pdf", "pdf"],
          ["locked.pdf", "pdf"],
          ["readable.pdf", "pdf"],
          ["torn.pptx", "torn"],
          ["zero.pdf", "pdf"],
          ["picture.png", "picture"]
        ])
        assert.deepStrictEqual(yield* named("!"), [])
        assert.deepStrictEqual(yield* found("flywheel size"), [
          { in: "table.csv:1-2", words: ["size", "flywheel"] },
          { in: "readable.pdf:1-1", words: ["flywheel"] }
        ])
        assert.deepStrictEqual(yield* found("GEARBOX"), [{ in: "data.json:1-1", words: ["gearbox"] }])
        assert.deepStrictEqual(yield* found("crankshaft"), [{ in: "code.ts:1-1", words: ["parseCrankshaft"] }])
        assert.deepStrictEqual(yield* found("grün"), [{ in: "old.txt:1-1", words: ["grün"] }])
        assert.deepStrictEqual(yield* found("piston"), [{ in: "wide.txt:1-1", words: ["piston"] }])

        assert.deepStrictEqual(yield* found("camshaft owners"), [
          { in: "letter.docx:1-2", words: ["owner", "camshaft"] }
        ])
        assert.deepStrictEqual(yield* found("aaa"), [])
        assert.deepStrictEqual(yield* found("removed"), [])
        assert.deepStrictEqual(yield* found("tappet"), [{ in: "note.odt:1-2", words: ["tappet"] }])
        const pageOf = (q: string) =>
          Effect.map(context.search({ path, urlParams: { q, limit: 10 } }), ({ passages }) =>
            passages.map(({ line, name, page }) => `${name} page ${page} line ${line}`)
          )
        assert.deepStrictEqual(yield* pageOf("pulleys"), ["sizes.xlsx page 2 line 7"])
        assert.deepStrictEqual(yield* pageOf("rocker"), ["talk.pptx page 2 line 1"])
        assert.deepStrictEqual(yield* pageOf("dynamo"), ["paper.pdf page 2 line 1"])

        const states = yield* Effect.forEach(ids, ([name, fileId]) =>
          Effect.map(context.textState({ path: { fileId } }), ({ passages, reason, state }) => [
            name,
            reason === null ? `${state} ${passages}` : `${state} ${reason}`
          ])
        )
        assert.deepStrictEqual(Object.fromEntries(states), {
          "report.md": "done 2",
          "page.html": "done 1",
          "table.csv": "done 1",
          "data.json": "done 1",
          "code.ts": "done 1",
          "old.txt": "done 1",
          "wide.txt": "done 1",
          "empty.txt": "done 0",
          "not.txt": "failed Malformed",
          "picture.png": "unsupported 0",
          "letter.docx": "done 1",
          "sizes.xlsx": "done 2",
          "talk.pptx": "done 2",
          "note.odt": "done 1",
          "paper.pdf": "done 2",
          "zero.pdf": "done 1",
          "bomb.docx": "failed TooLarge",
          "torn.pptx": "failed Malformed",
          "torn.pdf": "failed Malformed",
          "locked.xlsx": "failed Encrypted",
          "locked.odt": "failed Encrypted",
          "wholly.odt": "failed Encrypted",
          "locked.docx": "failed Encrypted",
          // A password of the owner only limits what may be done with it.
          "readable.pdf": "done 1",
          "locked.pdf": "failed Encrypted",
          "certificate.pdf": "failed Encrypted"
        })
        assert.deepStrictEqual(
          yield* rowsOf(file, `SELECT text FROM passages WHERE file_id = '${ids.get("zero.pdf")}'`),
          [{ text: "\ufffdB" }]
        )
        // Nobody took a claim on it: such files are settled many at once, in the queue itself.
        assert.deepStrictEqual(
          yield* rowsOf(file, "SELECT DISTINCT attempts FROM file_texts WHERE state = 'unsupported'"),
          [{ attempts: 0 }]
        )
        assert.deepStrictEqual(yield* faultsIn(file), [])
      })
    )

    it.effect("is not found any more once it is deleted, moved or changed, and again once it is back", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "there" }
        const { changes, context, files } = yield* clientOf(tokenOf("alice"))
        const { fileId } = yield* files.upload({ path, payload: fileForm("a.txt", "a flywheel") })
        yield* files.upload({ path, payload: fileForm("b.txt", "another flywheel") })
        const found = (sessionId: string, q = "flywheel") =>
          Effect.map(context.search({ path: { sessionId }, urlParams: { q, limit: 10 } }), ({ passages }) =>
            passages.map(({ name }) => name).sort()
          )
        yield* extracted(file)
        assert.deepStrictEqual(yield* found("there"), ["a.txt", "b.txt"])

        yield* files.delete({ path: { fileId } })
        assert.deepStrictEqual(yield* found("there"), ["b.txt"])
        assert.strictEqual((yield* context.textState({ path: { fileId } })).state, "deleted")
        yield* files.restore({ path: { fileId } })
        yield* extracted(file)
        assert.deepStrictEqual(yield* found("there"), ["a.txt", "b.txt"])

        yield* changes.move({ path: { fileId }, payload: { sessionId: "gone" } })
        assert.deepStrictEqual(yield* found("there"), ["b.txt"])
        yield* extracted(file)
        assert.deepStrictEqual(yield* found("gone"), ["a.txt"])

        const headers = { "if-match": "*", "content-type": "text/plain" }
        yield* changes.replace({ path: { fileId }, headers, payload: "a gearbox" })
        assert.deepStrictEqual(yield* found("gone"), [])
        yield* extracted(file)
        assert.deepStrictEqual(yield* found("gone", "gearbox"), ["a.txt"])

        yield* files.destroy({ path: { fileId } })
        assert.deepStrictEqual(yield* found("gone", "gearbox"), [])
        assert.deepStrictEqual(yield* faultsIn(file), [])
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT session_id FROM text_scopes WHERE session_id = 'gone'"), [])
      })
    )

    it.effect("is searched by nobody but its owner and administrators, and adds nothing to the scores of others", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "of-alice" }
        const alice = yield* clientOf(tokenOf("alice"))
        const bob = yield* clientOf(tokenOf("bob"))
        yield* alice.files.upload({ path, payload: fileForm("a.txt", "a flywheel") })
        yield* extracted(file)
        const search = { path, urlParams: { q: "flywheel", limit: 10 } }
        const before = yield* alice.context.search(search)
        for (const name of ["a", "b", "c"]) {
          yield* bob.files.upload({
            path: { sessionId: "of-bob" },
            payload: fileForm(name, `flywheel ${name}`, { type: "text/plain" })
          })
        }
        yield* extracted(file)
        assert.deepStrictEqual(yield* alice.context.search(search), before)
        for (const asked of [
          bob.context.search(search),
          bob.context.choose({ path, payload: { message: "flywheel", budget: 100 } }),
          bob.context.rebuild()
        ]) {
          assert.strictEqual((yield* Effect.flip<unknown, { readonly _tag: string }, never>(asked))._tag, "Forbidden")
        }
      })
    )
  })

  describe("a file that is renamed", () => {
    it.effect("is read again if its new name says that it is of another kind", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "renamed" }
        const { context, files } = yield* clientOf(tokenOf("alice"))
        const { fileId } = yield* files.upload({
          path,
          payload: fileForm("a.bin", "a flywheel", { type: "application/octet-stream" })
        })
        const rowid = () => rowsOf(file, `SELECT attempts, passages FROM file_texts WHERE file_id = '${fileId}'`)
        const renamed = (name: string) =>
          Effect.gen(function* () {
            yield* files.rename({ path: { fileId }, payload: { name } })
            yield* extracted(file)
            const { passages } = yield* context.search({ path, urlParams: { q: "flywheel", limit: 10 } })
            const { state } = yield* context.textState({ path: { fileId } })
            return [state, passages.map(({ name }) => name)]
          })
        yield* extracted(file)
        assert.strictEqual((yield* context.textState({ path: { fileId } })).state, "unsupported")
        assert.deepStrictEqual(yield* renamed("a.txt"), ["done", ["a.txt"]])
        const before = yield* rowid()
        assert.deepStrictEqual(yield* renamed("b.v2.TXT"), ["done", ["b.v2.TXT"]])
        assert.deepStrictEqual(yield* rowid(), before)
        assert.deepStrictEqual(yield* renamed("b.pdf"), ["failed", []])
        assert.deepStrictEqual(yield* renamed("Makefile"), ["done", ["Makefile"]])
        assert.deepStrictEqual(yield* renamed("a.makefile"), ["unsupported", []])
        assert.deepStrictEqual(yield* faultsIn(file), [])
      })
    )
  })

  describe("the context for a message", () => {
    it.effect("has passages in order, with the reason, within the budget, and every file is recorded as viewed", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "context" }
        const { context, files, sessions } = yield* clientOf(tokenOf("alice"))
        const { fileId } = yield* files.upload({ path, payload: fileForm("report.md", report) })
        const pinned = yield* files.upload({ path, payload: fileForm("pinned.txt", "Always read this first.") })
        const elsewhere = yield* files.upload({ path: { sessionId: "other" }, payload: fileForm("x.txt", "rocket") })
        yield* extracted(file)
        const message = "Why was the budget of the rockets exceeded?"
        const given = yield* context.choose({ path, payload: { message, budget: 400 } })
        assert.deepInclude(given, { policy: "diverse", tokenizer: "o200k_base", budget: 400, waitingFiles: 0 })
        assert.deepInclude(given.passages[0], { fileId, line: 1, endLine: 5, page: null })
        assert.match(given.passages[0]?.why ?? "", /^has .*"rocket"/)
        assert.strictEqual(
          given.passages.reduce((sum, { tokens }) => sum + tokens, 0),
          given.tokens
        )
        assert.isAtMost(given.tokens, 400)
        assert.deepStrictEqual(yield* context.choose({ path, payload: { message, budget: 400 } }), given)
        // As an earlier release has left it.
        yield* execute(file, `UPDATE passages SET term_counts = NULL WHERE file_id = '${fileId}'`)
        assert.deepStrictEqual(yield* context.choose({ path, payload: { message, budget: 400 } }), given)
        assert.deepStrictEqual((yield* context.choose({ path, payload: { message, budget: 10 } })).passages, [])

        for (const policy of ["newest", "pinned", "relevant", "whole"] as const) {
          for (const tokenizer of ["o200k_base", "bytes"] as const) {
            const payload = { message, budget: 2000, policy, tokenizer, pinned: [pinned.fileId] }
            const { passages, tokens } = yield* context.choose({ path, payload })
            assert.isAtMost(tokens, 2000)
            assert.isAtLeast(passages.length, 1, `${policy} ${tokenizer}`)
            assert.notInclude(
              passages.map(({ fileId }) => fileId),
              elsewhere.fileId
            )
            if (policy === "pinned") assert.deepInclude(passages[0], { name: "pinned.txt", why: "its file is pinned" })
          }
        }
        const named = yield* context.choose({
          path,
          payload: { message: "What is in pinned.txt?", budget: 100, policy: "named" }
        })
        assert.deepInclude(named.passages[0], {
          name: "pinned.txt",
          why: "the message names its file"
        })
        const unknown = { message, budget: 100, policy: "pinned", pinned: [elsewhere.fileId] } as const
        assert.strictEqual((yield* Effect.flip(context.choose({ path, payload: unknown })))._tag, "FileNotFound")

        const { events } = yield* sessions.audit({ path, urlParams: { limit: 100, after: 0 } })
        const viewed = events.filter(({ action, outcome }) => action === "view" && outcome === "done")
        assert.deepInclude(viewed[0], {
          actor: "alice",
          name: "report.md",
          details: JSON.stringify({ for: "context", policy: "diverse" })
        })
      })
    )
  })

  describe("what is chosen", () => {
    it.effect("is the same on SQLite and on PostgreSQL, to the score", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "both" }
        const { context, files } = yield* clientOf(tokenOf("alice"))
        for (const { name, text } of labelled.filter(({ name }) => name.startsWith("heron-"))) {
          yield* files.upload({ path, payload: fileForm(name, text) })
        }
        yield* extracted(file)
        const asked = questions
          .slice(0, 4)
          .map(({ message }) => ({ message, budget: 300, policy: "relevant" as const }))
        const given = yield* Effect.forEach(asked, (payload) => context.choose({ path, payload }))
        const lines = given.map(({ passages }) =>
          passages.map(({ name, ordinal, score }) => `${name} ${ordinal} ${score.toFixed(6)}`).join(", ")
        )
        assert.deepStrictEqual(lines, [
          "heron-report.md 3 4.497588, heron-minutes.txt 1 3.215147",
          "heron-handbook.md 1 4.937429",
          "heron-page.html 1 2.598277, heron-minutes.txt 1 2.405924",
          "heron-handbook.md 0 4.714678"
        ])
      })
    )
  })

  describe("a rebuild", () => {
    it.effect("is done again for all files when an administrator asks for it", () =>
      Effect.gen(function* () {
        const { clientOf, file } = yield* Served
        const path = { sessionId: "rebuilt" }
        const { context, files } = yield* clientOf(tokenOf("root"))
        yield* files.upload({ path, payload: fileForm("report.md", report) })
        yield* files.upload({ path, payload: fileForm("a.png", "a") })
        yield* extracted(file)
        const before = yield* rowsOf(
          file,
          "SELECT file_id, ordinal, text, terms, tokens FROM passages ORDER BY text, file_id"
        )
        assert.isAtLeast((yield* context.rebuild()).queued, 2)
        yield* extracted(file)
        assert.deepStrictEqual(
          yield* rowsOf(file, "SELECT file_id, ordinal, text, terms, tokens FROM passages ORDER BY text, file_id"),
          before
        )
        assert.deepStrictEqual(yield* rowsOf(file, "SELECT 1 FROM passages WHERE term_counts IS NULL"), [])
        assert.deepStrictEqual(yield* faultsIn(file), [])
      })
    )
  })
})

const path = { sessionId: "s1" }

describe("the extraction", () => {
  it.scopedLive("reads each file once, however many processes work on one database", () =>
    Effect.gen(function* () {
      const { clientOf, file, folder } = yield* serving({ accounts })
      const { context, files } = yield* clientOf(tokenOf("alice"))
      for (let at = 0; at < 20; at += 1) {
        yield* files.upload({ path, payload: fileForm(`${at}.txt`, `flywheel number${at}`) })
      }
      const { waitingFiles } = yield* context.search({ path, urlParams: { q: "flywheel", limit: 10 } })
      assert.strictEqual(waitingFiles, 20)
      yield* serveOn(folder, { accounts, extractsTexts: true })
      yield* serveOn(folder, { accounts, extractsTexts: true })
      yield* extracted(file)
      assert.deepStrictEqual(
        yield* rowsOf(file, "SELECT state, attempts, count(*) AS count FROM file_texts GROUP BY state, attempts"),
        [{ state: "done", attempts: 1, count: 20 }]
      )
      assert.deepStrictEqual(yield* faultsIn(file), [])
      if (isOnPostgres) return
      // FTS5 leaves the merging of its index to the service: each file adds a segment, and 4 of them become one.
      assert.deepStrictEqual(yield* rowsOf(file, "SELECT v FROM passage_terms_config WHERE k = 'automerge'"), [
        { v: 0 }
      ])
      yield* Effect.repeat(
        rowsOf(file, "SELECT DISTINCT segid FROM passage_terms_idx"),
        Schedule.spaced("50 millis").pipe(Schedule.untilInput((rows: ReadonlyArray<unknown>) => rows.length < 5))
      )
    })
  )
})
