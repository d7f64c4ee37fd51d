/** Which encoding the bytes of a text are in. */

/** A label of the Encoding Standard, for `TextDecoder`. */
export type Encoding = string

/** By its mark, by zeros, as UTF-8, as the file declares, and else by what its bytes look like. */
export const encodingOf = (bytes: Uint8Array, declared?: string): Encoding => {
  const [first, second] = bytes
  if (first === 0xff && second === 0xfe) return "utf-16le"
  if (first === 0xfe && second === 0xff) return "utf-16be"
  return wideEncodingOf(bytes) ?? (isUtf8(bytes) ? "utf-8" : (known(declared) ?? likelyOf(bytes)))
}

/** What UTF-16 is called in a file whose declaration can be read: then it is not UTF-16 (HTML Standard, 13.2.3.2). */
const isWide = /^utf-?(?:16|32)|^ucs|^iso-10646/i

const known = (label: string | undefined): Encoding | undefined => {
  if (label === undefined || isWide.test(label)) return undefined
  try {
    return new TextDecoder(label).encoding
  } catch {
    return undefined
  }
}

/** Bytes that are looked at, an even number of them. */
const looked = 65_536

/** Fewer zeros may be on one side by chance. */
const fewestZeros = 8

/**
 * UTF-16 without a mark. Texts have blanks and ends of lines, and these have a zero, on one side only. Text in UTF-8 has
 * none.
 */
const wideEncodingOf = (bytes: Uint8Array): Encoding | undefined => {
  if (bytes.length % 2 === 1 && bytes.length <= looked) return undefined
  const zeros = [0, 0]
  const length = Math.min(bytes.length, looked)
  for (let at = 0; at < length; at += 1) if (bytes[at] === 0) zeros[at % 2] = (zeros[at % 2] ?? 0) + 1
  const [even = 0, odd = 0] = zeros
  const isEnough = even + odd >= Math.max(fewestZeros, length / 50)
  if (!isEnough || (even > 0 && odd > 0)) return undefined
  const encoding = even > 0 ? "utf-16be" : "utf-16le"
  return isDecodable(bytes.subarray(0, length), encoding) ? encoding : undefined
}

const isDecodable = (bytes: Uint8Array, encoding: Encoding): boolean => {
  try {
    // As a part: the last character may be cut.
    new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: true })
    return true
  } catch {
    return false
  }
}

/** One byte in so many characters beyond ASCII may be damaged: a log that was torn is still UTF-8. */
const mostDamaged = 20

/** Whether they are UTF-8. The last character may be cut, and a few others damaged. */
const isUtf8 = (bytes: Uint8Array): boolean => {
  if (isDecodable(bytes, "utf-8")) return true
  const text = new TextDecoder("utf-8").decode(bytes)
  let damaged = 0
  let beyond = 0
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0xfffd) damaged += 1
    else if (code > 0x7f) beyond += 1
  }
  return damaged * mostDamaged < beyond
}

/** An encoding that old programs wrote, and what tells that a text is in it. */
interface Candidate {
  readonly encoding: Encoding
  readonly usual: RegExp
  /** More than this share of what is beyond ASCII is usual. */
  readonly share: number
}

/** Half of the characters of a Japanese text are kana. Korean has letters of its own. */
const kana = /[\u3001\u3002\u3041-\u3096\u30a1-\u30fc]/g
const hangul = /[\uac00-\ud7a3]/g
const asian: ReadonlyArray<Candidate> = [
  { encoding: "shift_jis", usual: kana, share: 0.4 },
  { encoding: "euc-jp", usual: kana, share: 0.4 },
  { encoding: "euc-kr", usual: hangul, share: 0.9 }
]

/** Small letters, which most letters of a text are: in another encoding they are large ones, or signs. */
const alphabets: ReadonlyArray<Candidate> = [
  { encoding: "windows-1251", usual: /[а-яё]/g, share: 0.7 },
  { encoding: "koi8-r", usual: /[а-яё]/g, share: 0.7 },
  { encoding: "windows-1253", usual: /[α-ωά-ώ]/g, share: 0.7 }
]

/** Fewer letters tell nothing: they may be a few of Western Europe. */
const fewestLetters = 30

const beyondAscii = /[^\0-\u007f]/gu

/** How much of what is beyond ASCII is usual, if the bytes make sense; 0 if it is not enough. */
const shareIn = (bytes: Uint8Array, { encoding, share, usual }: Candidate): number => {
  if (!isDecodable(bytes, encoding)) return 0
  const text = new TextDecoder(encoding).decode(bytes)
  const found = (text.match(usual)?.length ?? 0) / Math.max(1, text.match(beyondAscii)?.length ?? 0)
  return found > share ? found : 0
}

/** The candidate with the largest share; of equal ones the first. */
const bestOf = (bytes: Uint8Array, candidates: ReadonlyArray<Candidate>): Encoding | undefined =>
  candidates
    .map((candidate) => ({ encoding: candidate.encoding, share: shareIn(bytes, candidate) }))
    .filter(({ share }) => share > 0)
    .sort((one, other) => other.share - one.share)[0]?.encoding

const likelyOf = (all: Uint8Array): Encoding => {
  const first = all.findIndex((byte) => byte > 0x7f)
  const bytes = all.subarray(first, first + looked)
  const found = bestOf(bytes, asian)
  if (found !== undefined) return found
  if (isChinese(bytes)) return "gb18030"
  if (isTraditional(bytes) && isDecodable(bytes, "big5")) return "big5"
  return oneByteOf(bytes)
}

/**
 * Whether bytes beyond ASCII stand in pairs, and nearly all of them for the usual characters and marks of GB 2312. In
 * Western texts they stand alone, between letters of ASCII.
 */
const isChinese = (bytes: Uint8Array): boolean =>
  arePairs(bytes, (lead, trail) => ((lead >= 0xa1 && lead <= 0xa3) || (lead >= 0xb0 && lead <= 0xd7)) && trail >= 0xa1)

/** The same for the marks and the usual characters of Big5. */
const isTraditional = (bytes: Uint8Array): boolean =>
  arePairs(bytes, (lead, trail) => lead >= 0xa1 && lead <= 0xc6 && (trail >= 0xa1 || (trail >= 0x40 && trail < 0x7f)))

const arePairs = (bytes: Uint8Array, isUsual: (lead: number, trail: number) => boolean): boolean => {
  let usual = 0
  let others = 0
  for (let at = 0; at < bytes.length; at += 1) {
    const lead = bytes[at] ?? 0
    const trail = bytes[at + 1] ?? 0
    if (lead < 0x80) continue
    if (isUsual(lead, trail)) usual += 1
    else others += 1
    if (trail >= 0x40) at += 1
  }
  return usual > 9 * others
}

/** In a text of Western Europe most letters are ASCII's, in one of another alphabet few are. */
const oneByteOf = (bytes: Uint8Array): Encoding => {
  const western = new TextDecoder("windows-1252").decode(bytes)
  const letters = western.match(/\p{L}/gu)?.length ?? 0
  const beyond = western.match(beyondAscii)?.length ?? 0
  const isWestern = beyond < fewestLetters || beyond * 2 < letters
  return (isWestern ? undefined : bestOf(bytes, alphabets)) ?? "windows-1252"
}
