/** Hostile PDF files. */
import {
  catalog,
  deflated,
  eitherWay,
  filters,
  type HostileFile,
  isRefused,
  manyPages,
  mega,
  one,
  pageWith,
  pdfOf,
  shown,
  streamOf,
  takesLong,
  utf8
} from "./making.ts"

/** A key of `Encrypt` that nobody has the password of. */
const encryption = (version: number) =>
  `/ID [<00112233445566778899aabbccddeeff> <00112233445566778899aabbccddeeff>] /Encrypt << /Filter /Standard /V ${version} /R ${version + 1} /Length 128 /P -4 /O <${"ab".repeat(32)}> /U <${"cd".repeat(32)}> >>`

export const pdfs: ReadonlyArray<HostileFile> = [
  one("100,000 pages", "pdf", eitherWay, () => manyPages(100_000)),
  one("3,000 pages", "pdf", takesLong, () => manyPages(3000)),
  one("pages that are their own parent", "pdf", eitherWay, () =>
    pdfOf([catalog, "<< /Type /Pages /Kids [2 0 R] /Count 1 >>"])
  ),
  one("pages in a circle", "pdf", eitherWay, () =>
    pdfOf([catalog, "<< /Type /Pages /Kids [3 0 R] /Count 9 >>", "<< /Type /Pages /Kids [2 0 R 3 0 R] /Count 9 >>"])
  ),
  one("a tree of pages, 5,000 deep", "pdf", eitherWay, () =>
    pdfOf([
      catalog,
      ...Array.from({ length: 5000 }, (_, at) => `<< /Type /Pages /Kids [${at + 3} 0 R] /Count 1 >>`),
      "<< /Type /Page /MediaBox [0 0 9 9] >>"
    ])
  ),
  one("each page ten times, 20 deep", "pdf", eitherWay, () =>
    pdfOf([
      catalog,
      ...Array.from({ length: 20 }, (_, at) => `<< /Type /Pages /Kids [${`${at + 3} 0 R `.repeat(10)}] /Count 1e20 >>`),
      "<< /Type /Page /MediaBox [0 0 9 9] >>"
    ])
  ),
  one("a count of two billion", "pdf", eitherWay, () =>
    pdfOf([catalog, "<< /Type /Pages /Kids [3 0 R] /Count 2000000000 >>", "<< /Type /Page /Parent 2 0 R >>"])
  ),
  one("a count below zero", "pdf", eitherWay, () => pdfOf([catalog, "<< /Type /Pages /Kids [] /Count -5 >>"])),
  one("a catalog that is itself", "pdf", /^Malformed$/, () => pdfOf(["1 0 R"])),
  one("a stream of 300 MB of zeros", "pdf", eitherWay, () =>
    pageWith(deflated(new Uint8Array(300 * mega), 1), filters(1))
  ),
  one("a stream that was deflated five times", "pdf", eitherWay, () =>
    pageWith(deflated(new Uint8Array(200 * mega), 5), filters(5))
  ),
  one("a thousand filters", "pdf", eitherWay, () => pageWith(deflated(utf8(shown("a")), 1), filters(1000))),
  one("a million texts on a page", "pdf", eitherWay, () =>
    pageWith(deflated(utf8(shown("a ").repeat(1_000_000)), 1), filters(1))
  ),
  one("a text of 10 MB on a page", "pdf", eitherWay, () => pageWith(utf8(shown("a".repeat(10 * mega))))),
  one("a form that draws itself", "pdf", eitherWay, () =>
    pageWith(
      utf8("/X Do"),
      "",
      [
        streamOf(
          utf8(`${shown("again")} /X Do /X Do`),
          "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 3 0 R >> /XObject << /X 6 0 R >> >>"
        )
      ],
      "/XObject << /X 6 0 R >>"
    )
  ),
  one("forms that draw ten others, 12 deep", "pdf", eitherWay, () =>
    pageWith(
      utf8("/X Do"),
      "",
      Array.from({ length: 12 }, (_, at) =>
        streamOf(
          utf8(`${shown("deep")} ${"/X Do ".repeat(10)}`),
          `/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /Font << /F1 3 0 R >> /XObject << /X ${at + 7} 0 R >> >>`
        )
      ),
      "/XObject << /X 6 0 R >>"
    )
  ),
  one("100,000 saved states", "pdf", eitherWay, () => pageWith(utf8(`${"q ".repeat(100_000)}${shown("end")}`))),
  one("arrays within arrays, 100,000 deep", "pdf", eitherWay, () => pageWith(utf8("[".repeat(100_000)))),
  one("a catalog with arrays, 100,000 deep", "pdf", eitherWay, () =>
    pdfOf([`<< /Type /Catalog /Pages 2 0 R /A ${"[".repeat(100_000)}${"]".repeat(100_000)} >>`])
  ),
  one("a table of objects that refers to itself", "pdf", eitherWay, () => {
    const bytes = pdfOf([catalog, "<< /Type /Pages /Kids [] /Count 0 >>"])
    const at = Buffer.from(bytes).lastIndexOf("xref\n0")
    return pdfOf([catalog, "<< /Type /Pages /Kids [] /Count 0 >>"], `/Prev ${at}`)
  }),
  one("a length that refers to itself", "pdf", eitherWay, () =>
    pdfOf([
      catalog,
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      "<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
      "<< /Length 4 0 R >>\nstream\nBT ET\nendstream"
    ])
  ),
  one("a length of 4 GB", "pdf", eitherWay, () =>
    pdfOf([
      catalog,
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      "<< /Type /Page /Parent 2 0 R /Contents 4 0 R >>",
      "<< /Length 4294967296 >>\nstream\nBT ET\nendstream"
    ])
  ),
  one("a font that is its own descendant", "pdf", eitherWay, () =>
    pdfOf([
      catalog,
      "<< /Type /Pages /Kids [4 0 R] /Count 1 >>",
      "<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [3 0 R] /ToUnicode 3 0 R >>",
      "<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> /Contents 5 0 R >>",
      streamOf(utf8(shown("a")))
    ])
  ),
  ...[1, 2, 4].map((version) =>
    one(`a password (version ${version})`, "pdf", /^(Encrypted|Malformed)$/, () =>
      pdfOf([catalog, "<< /Type /Pages /Kids [] /Count 0 >>"], encryption(version))
    )
  ),
  one("a head, and nothing else", "pdf", /^Malformed$/, () => utf8("%PDF-1.7\n")),
  one("an end, and nothing else", "pdf", /^Malformed$/, () => utf8("trailer << /Root 1 0 R >> startxref 0 %%EOF")),
  one("20 MB of heads", "pdf", isRefused, () => Buffer.alloc(20 * mega, "%PDF-1.7\n")),
  one("20 MB of objects without an end", "pdf", isRefused, () => Buffer.alloc(20 * mega, "1 0 obj << /A ")),
  one("a PDF that is a page of HTML", "pdf", /^Malformed$/, () => utf8("<html><body>not found</body></html>"))
]
