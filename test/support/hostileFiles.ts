/** 200 files that are made to harm the program that reads them: the same ones in every run. */
import type { Kind } from "../../src/service/context/kinds.ts"
import { archives, sheets, xml } from "./hostile/archives.ts"
import {
  deflated,
  eitherWay,
  filters,
  type HostileFile,
  manyPages,
  one,
  open,
  pageWith,
  paragraph,
  sheet,
  shown,
  slide,
  utf8,
  word
} from "./hostile/making.ts"
import { pdfs } from "./hostile/pdfs.ts"
import { pages, texts } from "./hostile/texts.ts"
import { randomFrom } from "./random.ts"

/** What is damaged, whole. */
const sound: ReadonlyArray<readonly [kind: Kind, bytes: () => Uint8Array]> = [
  ["word", () => word(paragraph("some words ".repeat(200)))],
  ["sheets", () => sheet("<row r='2'><c t='s'><v>0</v></c></row>".repeat(50), "<si><t>pulley</t></si>")],
  ["slides", () => slide(`<p:sld>${"<a:p><a:t>rocker</a:t></a:p>".repeat(50)}</p:sld>`)],
  ["document", () => open(`<o>${"<text:p>tappet</text:p>".repeat(50)}</o>`)],
  ["pdf", () => manyPages(5)],
  ["pdf", () => pageWith(deflated(utf8(shown("compressed ").repeat(50)), 1), filters(1))],
  ["html", () => utf8(`<!doctype html><title>a</title>${"<p>caf&eacute; <b>bold</b></p>\n".repeat(50)}`)],
  ["text", () => Buffer.concat([Buffer.from("fffe", "hex"), Buffer.from("wide words\n".repeat(100), "utf16le")])],
  ["text", () => utf8("größer 漢字 \u{1f600}\n".repeat(100))]
]

/** Bytes that are missing, changed or put in, anywhere. */
const damages: ReadonlyArray<
  readonly [name: string, damage: (bytes: Buffer, random: (below: number) => number) => Uint8Array]
> = [
  ["cut off at a byte", (bytes, random) => bytes.subarray(0, random(bytes.length))],
  ["with the beginning cut off", (bytes, random) => bytes.subarray(random(bytes.length))],
  [
    "with 20 changed bytes",
    (bytes, random) => {
      for (let time = 0; time < 20; time += 1) bytes[random(bytes.length)] = random(256)
      return bytes
    }
  ],
  [
    "with a part repeated",
    (bytes, random) => {
      const at = random(bytes.length)
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(Math.floor(at / 2))])
    }
  ]
]

const made: ReadonlyArray<HostileFile> = [...archives, ...xml, ...sheets, ...pdfs, ...pages, ...texts]

/** All of them: those that are made up, and damaged ones until there are so many. */
export const hostileFiles = (seed: number, count = 200): ReadonlyArray<HostileFile> => {
  const random = randomFrom(seed)
  const damaged = Array.from({ length: Math.max(0, count - made.length) }, (_, at): HostileFile => {
    const [kind, bytes] = sound[at % sound.length] ?? ["text", () => new Uint8Array(0)]
    const [name, damage] = damages[Math.floor(at / sound.length) % damages.length] ?? ["", (same) => same]
    const drawn = random(2 ** 30)
    return one(`a ${kind} ${name} (${at})`, kind, eitherWay, () => damage(Buffer.from(bytes()), randomFrom(drawn)))
  })
  return [...made, ...damaged]
}
