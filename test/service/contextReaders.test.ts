/** What is taken out of documents: what a person would see, in the order and at the place where it is. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeExtract } from "../../src/service/context/Extractor.ts"
import { kindOf } from "../../src/service/context/kinds.ts"
import type { Section } from "../../src/service/context/passages.ts"
import { readHtml } from "../../src/service/context/readers/html.ts"
import { readDocument } from "../../src/service/context/readers/openDocument.ts"
import { readSheets } from "../../src/service/context/readers/sheets.ts"
import { readSlides } from "../../src/service/context/readers/slides.ts"
import { readWord } from "../../src/service/context/readers/word.ts"
import { temporaryFolder } from "../support/database.ts"
import { font, open, pdfOf, sheet, shown, slide, streamOf, utf8, word, zip } from "../support/hostile/making.ts"

const textsOf = (sections: Iterable<Section>) => [...sections].map(({ text }) => text)
const wordText = (xml: string) => textsOf(readWord(word(`<w:document>${xml}</w:document>`)))
const sheetText = (rows: string, shared = "") => textsOf(readSheets(sheet(rows, shared)))
const run = (text: string) => `<w:r><w:t>${text}</w:t></w:r>`
const inline = (text: string) => `<c t="inlineStr"><is><t>${text}</t></is></c>`

const relations = (targets: Readonly<Record<string, readonly [type: string, target: string]>>) =>
  `<Relationships>${Object.entries(targets)
    .map(([id, [type, target]]) => `<Relationship Id="${id}" Type="http://x/${type}" Target="${target}"/>`)
    .join("")}</Relationships>`

describe("the text of a Word document", () => {
  it("has what is shown once: nothing hidden, nothing where it was moved from, no copy for old programs", () => {
    assert.deepStrictEqual(
      wordText(`<w:p><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r>${run("shown")}</w:p>`),
      ["shown\n"]
    )
    assert.deepStrictEqual(wordText(`<w:p><w:r><w:rPr><w:vanish w:val="0"/></w:rPr><w:t>shown</w:t></w:r></w:p>`), [
      "shown\n"
    ])
    assert.deepStrictEqual(
      wordText(`<w:p><w:moveFrom>${run("moved")}</w:moveFrom><w:moveTo>${run("moved")}</w:moveTo></w:p>`),
      ["moved\n"]
    )
    const box = `<w:txbxContent><w:p>${run("box")}</w:p></w:txbxContent>`
    assert.deepStrictEqual(
      wordText(
        `<w:p><w:r><mc:AlternateContent><mc:Choice>${box}</mc:Choice><mc:Fallback>${box}</mc:Fallback></mc:AlternateContent></w:r></w:p>`
      ),
      ["box\n\n"]
    )
  })

  it("has a tab where one is, not where tabs are defined, and the hyphens of its words", () => {
    const tabs = `<w:pPr><w:tabs><w:tab w:pos="720"/></w:tabs></w:pPr>`
    assert.deepStrictEqual(wordText(`<w:p>${tabs}<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t></w:r></w:p>`), ["a\tb\n"])
    assert.deepStrictEqual(wordText("<w:p><w:r><w:t>e</w:t><w:noBreakHyphen/><w:t>mail</w:t></w:r></w:p>"), [
      "e-mail\n"
    ])
  })

  it("has notes, comments, headers and footers behind it, whatever its parts are called", () => {
    const part = (text: string) => `<w:x><w:p>${run(text)}</w:p></w:x>`
    const document = zip({
      "_rels/.rels": relations({ a: ["officeDocument", "/word/document2.xml"] }),
      "word/document2.xml": part("body"),
      "word/_rels/document2.xml.rels": relations({
        a: ["header", "header1.xml"],
        b: ["header", "header2.xml"],
        c: ["footnotes", "footnotes.xml"],
        d: ["comments", "comments.xml"]
      }),
      "word/footnotes.xml": part("note"),
      "word/comments.xml": part("comment"),
      "word/header1.xml": part("header"),
      "word/header2.xml": part("header")
    })
    assert.deepStrictEqual(textsOf(readWord(document)), ["body\nnote\ncomment\nheader\n"])
  })

  it("is read in UTF-16 too", () => {
    const xml = Buffer.from(`\ufeff<w:document><w:p>${run("größer")}</w:p></w:document>`, "utf16le")
    assert.deepStrictEqual(textsOf(readWord(word(xml))), ["größer\n"])
  })
})

describe("the text of a spreadsheet", () => {
  it("has a line for each row, however many lines a cell has, and no readings of Japanese words", () => {
    const shared = "<si><t>a&#10;b\nc_x000D_</t></si><si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>"
    assert.deepStrictEqual(
      sheetText(
        `<row r="1"><c t="s"><v>0</v></c></row><row r="3"><c t="s"><v>1</v></c>${inline("x\ny")}</row>`,
        shared
      ),
      ["a b c \t\n\n東京\tx y\t\n"]
    )
  })

  it("has dates, times and truth as they are shown", () => {
    const styles = `<styleSheet><numFmts><numFmt numFmtId="164" formatCode="dd/mm/yyyy\\ hh:mm"/>
      <numFmt numFmtId="165" formatCode="#,##0 &quot;days&quot;"/></numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs>
      <cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="20"/></cellXfs></styleSheet>`
    const rows = `<worksheet><row r="1"><c s="1"><v>46096</v></c><c s="2"><v>46096.5</v></c><c s="3"><v>46096</v></c>
      <c s="4"><v>0.75</v></c><c t="b"><v>1</v></c><c><v>0.30000000000000004</v></c><c s="1"><v>1e99</v></c><c s="1"/></row></worksheet>`
    const parts = { "xl/worksheets/sheet1.xml": rows, "xl/styles.xml": styles }
    assert.deepStrictEqual(textsOf(readSheets(zip(parts))), [
      "2026-03-15\t2026-03-15 12:00:00\t46096\t18:00:00\tTRUE\t0.3\t1e99\t\t\n"
    ])
    const since1904 = { ...parts, "xl/workbook.xml": `<workbook><workbookPr date1904="1"/></workbook>` }
    assert.match(textsOf(readSheets(zip(since1904))).join(), /^2030-03-16\t/)
  })

  it("has the sheets in the order of the workbook, whatever their parts are called", () => {
    const one = (text: string) => `<worksheet><row r="1">${inline(text)}</row></worksheet>`
    const workbook = zip({
      "xl/workbook.xml": `<workbook><sheets><sheet name="B" r:id="r2"/><sheet name="A" r:id="r1"/></sheets></workbook>`,
      "xl/_rels/workbook.xml.rels": relations({
        r1: ["worksheet", "worksheets/sheet1.xml"],
        r2: ["worksheet", "/xl/worksheets/data.xml"]
      }),
      "xl/worksheets/sheet1.xml": one("second"),
      "xl/worksheets/data.xml": one("first")
    })
    assert.deepStrictEqual(
      [...readSheets(workbook)],
      [
        { text: "first\t\n", page: 1 },
        { text: "second\t\n", page: 2 }
      ]
    )
  })
})

describe("the text of slides", () => {
  it("is in the order of the presentation, each with its notes", () => {
    const one = (text: string) => `<p:sld><a:p><a:r><a:t>${text}</a:t></a:r></a:p></p:sld>`
    const presentation = zip({
      "ppt/presentation.xml": `<p:presentation><p:sldIdLst><p:sldId id="257" r:id="b"/><p:sldId id="256" r:id="a"/></p:sldIdLst></p:presentation>`,
      "ppt/_rels/presentation.xml.rels": relations({
        a: ["slide", "slides/slide1.xml"],
        b: ["slide", "slides/slide2.xml"]
      }),
      "ppt/slides/slide1.xml": one("second"),
      "ppt/slides/slide2.xml": one("first"),
      "ppt/slides/_rels/slide2.xml.rels": relations({ a: ["notesSlide", "../notesSlides/notesSlide7.xml"] }),
      "ppt/notesSlides/notesSlide7.xml": one("said")
    })
    assert.deepStrictEqual(
      [...readSlides(presentation)],
      [
        { text: "first\nsaid\n", page: 1 },
        { text: "second\n", page: 2 }
      ]
    )
    assert.deepStrictEqual(textsOf(readSlides(slide(one("alone")))), ["alone\n"])
  })
})

describe("the text of an OpenDocument", () => {
  it("has nothing that was deleted, and notes and remarks behind the text", () => {
    const deleted =
      "<text:tracked-changes><text:deletion><text:p>deleted</text:p></text:deletion></text:tracked-changes>"
    const remark =
      "<office:annotation><dc:creator>Ann</dc:creator><dc:date>2026</dc:date><text:p>remark</text:p></office:annotation>"
    const field = "<text:date>1 May</text:date>"
    const note =
      "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>note</text:p></text:note-body></text:note>"
    assert.deepStrictEqual(
      textsOf(
        readDocument(open(`<o>${deleted}<text:p>be${remark}fore${note}\n   all</text:p><text:p>${field}</text:p></o>`))
      ),
      ["before all\n1 May\nremark\nnote\n"]
    )
  })

  it("of a spreadsheet or a presentation has its pages, and a line for each row", () => {
    const row = (text: string, times = 1) =>
      `<table:table-row table:number-rows-repeated="${times}"><table:table-cell><text:p>${text}</text:p><text:p>x</text:p></table:table-cell></table:table-row>`
    const tables = `<table:table>${row("", 3)}${row("fourth")}</table:table><table:table>${row("other", 2000000)}</table:table>`
    const sheets = readDocument(open(`<office:body><office:spreadsheet>${tables}</office:spreadsheet></office:body>`))
    assert.deepStrictEqual([sheets[0]?.text.split("\n")[3], sheets[1]?.page], ["fourth x \t", 2])
    assert.strictEqual(sheets[1]?.text.split("\n").length, 1_048_577)
    const page = (text: string) => `<draw:page><text:p>${text}</text:p></draw:page>`
    assert.deepStrictEqual(
      readDocument(open(`<o><office:presentation>${page("one")}${page("two")}</office:presentation></o>`)),
      [
        { text: "one\n", page: 1 },
        { text: "two\n", page: 2 }
      ]
    )
  })
})

describe("the text of a page", () => {
  const htmlText = (html: string) => textsOf(readHtml(Buffer.from(html))).join("")

  it("has nothing that is hidden", () => {
    const hidden = `<p hidden>one</p><div style="display: none">two<p>three</p><br></div><input hidden value=x>`
    assert.strictEqual(htmlText(`${hidden}<p>shown</p>`).trim(), "shown")
  })

  it("keeps its lines, whatever ends them, and gets no others from entities", () => {
    assert.strictEqual(htmlText("<p>a&#10;b\r\n</p>\r<p>c"), " a b\n \n c ")
  })
})

it.scopedLive("the text of a PDF has what was written into its forms and on the page", () =>
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "form.pdf")
    const objects = [
      "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [6 0 R] /DA (/Helv 12 Tf) >> >>",
      "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
      font,
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R
        /Annots [6 0 R 7 0 R 8 0 R] >>`,
      streamOf(utf8(shown("label"))),
      "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (value) /Rect [100 600 300 620] >>",
      "<< /Type /Annot /Subtype /FreeText /Contents (remark) /DA (/Helv 12 Tf) /Rect [100 500 300 520] >>",
      "<< /Type /Annot /Subtype /Widget /FT /Btn /T (box) /V /Yes /Rect [100 400 300 420] >>"
    ]
    writeFileSync(path, pdfOf(objects))
    const extract = yield* makeExtract()
    const { passages } = yield* extract({ path, kind: "pdf" })
    assert.deepStrictEqual(
      passages.map(({ page, text }) => ({ page, text })),
      [{ page: 1, text: "label\nvalue\nremark" }]
    )
  })
)

it.scopedLive("a PDF with a damaged page has the text of those that can be read, and says that some is missing", () =>
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "damaged.pdf")
    const page = (contents: number) =>
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${contents} 0 R >>`
    const pdfWith = (second: string) =>
      pdfOf([
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [4 0 R 6 0 R 7 0 R] /Count 3 >>",
        font,
        page(5),
        streamOf(utf8(shown("text"))),
        second,
        page(5)
      ])
    const extract = yield* makeExtract()
    const found = (second: string) => {
      writeFileSync(path, pdfWith(second))
      return Effect.map(extract({ path, kind: "pdf" }), ({ isTruncated, passages }) => ({
        isTruncated,
        pages: passages.map(({ page }) => page)
      }))
    }
    assert.deepStrictEqual(yield* found(page(5)), { isTruncated: false, pages: [1, 2, 3] })
    // Behind a damaged place pdf.js finds no other page of the tree.
    assert.deepStrictEqual(yield* found("(no page)"), { isTruncated: true, pages: [1] })
  })
)

it("a document is known by its type or its name, also one with macros, and RTF is not read as text", () => {
  assert.deepStrictEqual(
    ["a.docm", "a.XLSM", "a.ppsx", "a.ods", "a.odp", "a.rtf"].map((name) => kindOf(null, name)),
    ["word", "sheets", "slides", "document", "document", undefined]
  )
  assert.isUndefined(kindOf("application/rtf", "a.rtf"))
  assert.isUndefined(kindOf("text/rtf", "a.rtf"))
  assert.strictEqual(kindOf("text/x-diff", "a"), "text")
})
