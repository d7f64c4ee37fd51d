/** Hostile pages and texts. */
import { type HostileFile, isRead, mega, one, takesLong, utf8 } from "./making.ts"

export const pages: ReadonlyArray<HostileFile> = [
  one("a million elements within each other", "html", takesLong, () => utf8(`${"<div>".repeat(1_000_000)}end`)),
  one("a million tables within each other", "html", takesLong, () => utf8(`${"<table><tr><td>".repeat(400_000)}end`)),
  one("2 million ends", "html", takesLong, () => utf8("</p>".repeat(2_000_000))),
  one("a script that never ends", "html", isRead, () => utf8(`<script>${"a<b;".repeat(1_000_000)}`)),
  one("a comment of 8 MB", "html", isRead, () => utf8(`<!--${"-".repeat(8 * mega)}`)),
  one("a tag that never ends", "html", takesLong, () => utf8(`<a ${"b=c ".repeat(1_000_000)}`)),
  one("2 million characters by name", "html", takesLong, () => utf8("&amp;".repeat(1_600_000))),
  one("names of characters that never end", "html", takesLong, () =>
    utf8("&CounterClockwiseContourIntegra".repeat(200_000))
  ),
  one("a million lines between two words", "html", takesLong, () => utf8(`<p>a${"\n".repeat(1_000_000)}b</p>`)),
  one("a line on each of 2 million elements", "html", takesLong, () => utf8("<b>\n".repeat(1_500_000))),
  one("a quote that never ends", "html", takesLong, () => utf8(`<p title="${"x>".repeat(2_000_000)}`)),
  one("declarations", "html", takesLong, () => utf8("<!DOCTYPE [<!ENTITY a 'b'>]><![CDATA[&a;]]>".repeat(100_000)))
]

export const texts: ReadonlyArray<HostileFile> = [
  one("bytes that are not UTF-8", "text", isRead, () =>
    Uint8Array.from({ length: 100_000 }, (_, at) => 0x80 + (at % 128))
  ),
  one("a mark of UTF-8", "text", isRead, () => Buffer.concat([Buffer.from("efbbbf", "hex"), utf8("after the mark")])),
  one("a mark of UTF-16, little end first", "text", isRead, () =>
    Buffer.concat([Buffer.from("fffe", "hex"), Buffer.from("wide", "utf16le")])
  ),
  one("a mark of UTF-16, big end first", "text", isRead, () => Buffer.from("feff00770069006400650", "hex")),
  one("half a character in UTF-16", "text", isRead, () => Buffer.from("fffe41004200430", "hex")),
  one("halves of pairs in UTF-16", "text", isRead, () =>
    Buffer.concat([Buffer.from("fffe", "hex"), Buffer.alloc(200_000, Buffer.from("00d8", "hex"))])
  ),
  one("a mark of UTF-32", "text", /^(Malformed|done)$/, () => Buffer.from("fffe00004100000042000000", "hex")),
  one("a mark of UTF-32, big end first", "text", /^Malformed$/, () => Buffer.from("0000feff0000004100000042", "hex")),
  one("a mark, and nothing else", "text", isRead, () => Buffer.from("fffe", "hex")),
  one("a zero among letters", "text", /^Malformed$/, () => utf8("some\0thing")),
  one("8 MB of zeros", "text", /^Malformed$/, () => new Uint8Array(8 * mega)),
  one("nothing", "text", isRead, () => new Uint8Array(0)),
  one("a line of 8 MB", "text", takesLong, () => Buffer.alloc(8 * mega, "word ")),
  one("a word of 8 MB", "text", takesLong, () => Buffer.alloc(8 * mega, "a")),
  one("8 MB of lines", "text", takesLong, () => Buffer.alloc(8 * mega, "\n")),
  one("8 MB of blanks", "text", takesLong, () => Buffer.alloc(8 * mega, " ")),
  one("20 MB of text", "text", takesLong, () => Buffer.alloc(20 * mega, "a line of text\n")),
  one("a letter with a million marks", "text", takesLong, () => utf8(`a${"\u0301".repeat(1_000_000)}`)),
  one("characters that grow when they are normalized", "text", takesLong, () => utf8("\ufdfa".repeat(300_000))),
  one("capitals and digits in turn", "text", takesLong, () => utf8("aB1".repeat(1_000_000))),
  one("a script without blanks", "text", takesLong, () => utf8("漢字かな交じり文".repeat(100_000))),
  one("directions and joiners", "text", isRead, () => utf8("\u202e\u200d\ufeff\u2066a".repeat(100_000))),
  one("faces that are joined", "text", isRead, () => utf8("👩‍👩‍👧‍👦".repeat(50_000))),
  one("every control character but zero", "text", /^Malformed$/, () =>
    Buffer.concat(Array.from({ length: 2000 }, () => Uint8Array.from({ length: 31 }, (_, at) => at + 1)))
  ),
  one("words that a tokenizer has a meaning for", "text", isRead, () =>
    utf8("<|endoftext|><|im_start|>".repeat(20_000))
  ),
  one("20 MB of headings", "text", takesLong, () => Buffer.alloc(20 * mega, "# a\n"))
]
