/** Hostile archives and Office documents. */
import {
  eitherWay,
  type HostileFile,
  isRead,
  isRefused,
  mega,
  one,
  open,
  paragraph,
  sheet,
  slide,
  takesLong,
  word,
  zip
} from "./making.ts"

/** As many bytes as this in a part, whatever the archive says of it. */
const lyingZip = (bytes: Uint8Array, says: number): Uint8Array => {
  const archive = Buffer.from(bytes)
  const local = archive.indexOf(Buffer.from("504b0304", "hex"))
  const central = archive.indexOf(Buffer.from("504b0102", "hex"))
  archive.writeUInt32LE(says, local + 22)
  archive.writeUInt32LE(says, central + 24)
  return archive
}

/** The flag that a part is encrypted, without a password that anyone knows. */
export const lockedZip = (bytes: Uint8Array): Uint8Array => {
  const archive = Buffer.from(bytes)
  for (const [mark, at] of [
    ["504b0304", 6],
    ["504b0102", 8]
  ] as const) {
    const found = archive.indexOf(Buffer.from(mark, "hex"))
    archive.writeUInt16LE(archive.readUInt16LE(found + at) | 1, found + at)
  }
  return archive
}

const laughs = `<?xml version="1.0"?><!DOCTYPE d [<!ENTITY a0 "ha">${Array.from(
  { length: 60 },
  (_, at) => `<!ENTITY a${at + 1} "${`&a${at};`.repeat(10)}">`
).join("")}]>`

const compound = (...names: ReadonlyArray<string>) =>
  Buffer.concat([
    Buffer.from("d0cf11e0a1b11ae1", "hex"),
    Buffer.alloc(504),
    ...names.map((name) => Buffer.from(name, "utf16le"))
  ])

export const archives: ReadonlyArray<HostileFile> = [
  one("a part of 40 MB of zeros", "word", /^TooLarge$/, () => word(new Uint8Array(40 * mega))),
  one("20 sheets of 4 MB each", "sheets", /^TooLarge$/, () =>
    zip(
      Object.fromEntries(
        Array.from({ length: 20 }, (_, at) => [`xl/worksheets/sheet${at + 1}.xml`, new Uint8Array(4 * mega)])
      )
    )
  ),
  one("a part that says it is small, and is 100 MB", "word", eitherWay, () =>
    lyingZip(word(new Uint8Array(100 * mega)), 10)
  ),
  one("a part that says it has 4 GB", "slides", /^TooLarge$/, () => lyingZip(slide("<a/>"), 0xffff_ffff)),
  one("an archive within an archive, 20 times", "word", /^Malformed$/, () => {
    let bytes = word(paragraph("inside"))
    for (let time = 0; time < 20; time += 1) bytes = zip({ "inner.docx": bytes })
    return bytes
  }),
  one("a document that is an archive", "word", isRead, () => word(zip({ "word/document.xml": "<a/>" }))),
  one("60,000 parts", "document", takesLong, () =>
    zip({
      ...Object.fromEntries(Array.from({ length: 60_000 }, (_, at) => [`p${at}`, new Uint8Array(0)])),
      "content.xml": "<o><text:p>there</text:p></o>"
    })
  ),
  one("a part with a path that leads out", "word", /^Malformed$/, () => zip({ "../../word/document.xml": "<a/>" })),
  one("an archive without parts", "sheets", /^Malformed$/, () => zip({})),
  one("a part that is encrypted", "word", /^Encrypted$/, () => lockedZip(word(paragraph("secret")))),
  one("an encrypted document", "word", /^Encrypted$/, () => compound("EncryptedPackage")),
  one("an encrypted sheet", "sheets", /^Encrypted$/, () => compound("EncryptionInfo", "EncryptedPackage")),
  one("an old document with a new name", "word", /^Malformed$/, () => compound("WordDocument")),
  one("an end of the archive, and nothing else", "slides", /^Malformed$/, () =>
    Buffer.concat([Buffer.from("504b0506", "hex"), Buffer.alloc(18)])
  ),
  one("an end of the archive that points to itself", "slides", isRefused, () =>
    Buffer.concat([
      Buffer.from("504b0506", "hex"),
      Buffer.from("00000000ffffffff2e00000000000000", "hex"),
      Buffer.alloc(2)
    ])
  )
]

export const xml: ReadonlyArray<HostileFile> = [
  ...(["word", "slides", "document"] as const).map((kind) =>
    one(`entities of entities, 10 times each (${kind})`, kind, isRead, () => {
      const text = `${laughs}${paragraph("&a60;")}`
      return kind === "word" ? word(text) : kind === "slides" ? slide(text) : open(text)
    })
  ),
  one("an entity that is a file", "word", isRead, () =>
    word(`<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>${paragraph("&e;")}`)
  ),
  one("200,000 elements within each other", "word", takesLong, () =>
    word(`${"<w:p>".repeat(200_000)}<w:t>deep</w:t>${"</w:p>".repeat(200_000)}`)
  ),
  one("200,000 elements that never end", "slides", takesLong, () => slide("<a:t>".repeat(200_000))),
  one("a million ends without a beginning", "document", takesLong, () => open("</text:p>".repeat(1_000_000))),
  one("an attribute of 8 MB", "word", isRead, () => word(`<w:p a="${"x".repeat(8 * mega)}"><w:t>end</w:t></w:p>`)),
  one("100,000 attributes", "word", isRead, () =>
    word(`<w:p ${Array.from({ length: 100_000 }, (_, at) => `a${at}=""`).join(" ")}><w:t>end</w:t></w:p>`)
  ),
  one("a name of 8 MB", "slides", isRead, () => slide(`<${"a".repeat(8 * mega)}/>`)),
  one("30 MB of one text", "word", takesLong, () => word(paragraph("word ".repeat(6 * mega)))),
  one("a million paragraphs", "document", takesLong, () => open("<text:p>a</text:p>".repeat(1_000_000))),
  one("no XML at all", "document", isRead, () => open(new Uint8Array(mega).fill(0xff))),
  one("a comment that never ends", "word", isRead, () => word(`<!--${paragraph("hidden").repeat(10_000)}`)),
  one("numbers of characters that there are not", "word", isRead, () =>
    word(paragraph("&#x110000;&#99999999999999;&#0;&#xd800;&#-1;".repeat(1000)))
  )
]

export const sheets: ReadonlyArray<HostileFile> = [
  one("a cell of 20 MB", "sheets", takesLong, () => sheet(`<row><c><v>${"7".repeat(20 * mega)}</v></c></row>`)),
  one("a shared text of 20 MB, a thousand times", "sheets", isRefused, () =>
    sheet(
      `<row>${"<c t='s'><v>0</v></c>".repeat(1000)}</row>`,
      `<si><t>${Buffer.alloc(20 * mega, "some words ").toString()}</t></si>`
    )
  ),
  one("a shared text of 200 kB, 100,000 times", "sheets", isRefused, () =>
    sheet(`<row>${"<c t='s'><v>0</v></c>".repeat(100_000)}</row>`, `<si><t>${"a b ".repeat(50_000)}</t></si>`)
  ),
  one("the last row, a million times", "sheets", takesLong, () =>
    sheet("<row r='1048576'><c><v>1</v></c></row>".repeat(500_000))
  ),
  one("rows that are not numbers", "sheets", isRead, () =>
    sheet(
      ["-1", "NaN", "1e308", "Infinity", "", "0x7fffffff", "1.5"]
        .map((r) => `<row r='${r}'><c><v>1</v></c></row>`)
        .join("")
    )
  ),
  one("texts that are not there", "sheets", isRead, () =>
    sheet(`<row>${["-1", "1e9", "NaN", "__proto__", ""].map((v) => `<c t='s'><v>${v}</v></c>`).join("")}</row>`)
  ),
  one("a million cells", "sheets", takesLong, () => sheet(`<row>${"<c><v>1</v></c>".repeat(1_000_000)}</row>`)),
  one("a million shared texts", "sheets", takesLong, () => sheet("<row/>", "<si><t>a</t></si>".repeat(1_000_000))),
  one("1,000 sheets", "sheets", takesLong, () =>
    zip(
      Object.fromEntries(
        Array.from({ length: 1000 }, (_, at) => [
          `xl/worksheets/sheet${at + 1}.xml`,
          "<worksheet><row><c><v>1</v></c></row></worksheet>"
        ])
      )
    )
  )
]
