/** Passages and policies: plain functions, so they are tried on thousands of made-up texts and questions. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { chooseBest, gather, type Postings } from "../../src/service/context/bestPassages.ts"
import { partOf } from "../../src/service/context/bm25.ts"
import { byScore, type Candidate, type Question } from "../../src/service/context/Candidate.ts"
import { chooseBy } from "../../src/service/context/fill.ts"
import { isNamed } from "../../src/service/context/names.ts"
import { longestPassage, type Passage, passagesOf } from "../../src/service/context/passages.ts"
import { type PolicyName, policies, policyNames } from "../../src/service/context/policies.ts"
import { Questions } from "../../src/service/context/Questions.ts"
import { readHtml } from "../../src/service/context/readers/html.ts"
import { textOf as plainTextOf, readText } from "../../src/service/context/readers/text.ts"
import { recencyAmong } from "../../src/service/context/recency.ts"
import { highlightsIn } from "../../src/service/context/shown.ts"
import { countsOf, hashesIn, hashOf, timesIn } from "../../src/service/context/termCounts.ts"
import { counters } from "../../src/service/context/tokens.ts"
import { countedTermsOf, termsOf, wordsIn } from "../../src/service/context/words.ts"

const withoutBlanks = (text: string): string => text.replace(/\s+/g, "")

const text = FastCheck.array(
  FastCheck.oneof(
    FastCheck.string({ unit: "grapheme", maxLength: 200 }),
    FastCheck.constantFrom(
      "\n",
      "\r\n",
      "\n\n",
      " ",
      "# Heading",
      "x".repeat(5000),
      "😀".repeat(900),
      "word ".repeat(500)
    )
  ),
  { maxLength: 30 }
).map((parts) => parts.join(""))

const passagesOfText = (content: string): ReadonlyArray<Passage> => passagesOf([{ text: content, page: null }])

describe("the passages of a text", () => {
  it("have every character that is not blank once, in the order of the text", () => {
    FastCheck.assert(
      FastCheck.property(text, (content) => {
        const all = passagesOfText(content)
        assert.strictEqual(withoutBlanks(all.map((passage) => passage.text).join("")), withoutBlanks(content))
      })
    )
  })

  it("are not empty, not too long, and cut no character in two", () => {
    FastCheck.assert(
      FastCheck.property(text, (content) => {
        for (const passage of passagesOfText(content)) {
          assert.notStrictEqual(passage.text.trim(), "")
          assert.isAtMost(passage.text.length, longestPassage)
          assert.notMatch(passage.text, /[\ud800-\udbff]$|^[\udc00-\udfff]/)
        }
      })
    )
  })

  it("know the lines they come from", () => {
    FastCheck.assert(
      FastCheck.property(text, (content) => {
        const lines = content.split(/\r\n|[\n\r\u2028\u2029]/)
        for (const { place, text } of passagesOfText(content)) {
          const between = lines.slice(place.line - 1, place.endLine).join("\n")
          assert.include(between, text)
        }
      })
    )
  })

  it("begin with the heading that they belong to", () => {
    const chapter = (name: string) => `# ${name}\n\n${`About ${name}. `.repeat(60)}\n`
    const starts = passagesOfText(chapter("One") + chapter("Two") + chapter("Three")).map(({ text }) =>
      text.slice(0, 7)
    )
    assert.deepStrictEqual(starts, ["# One\n\n", "# Two\n\n", "# Three"])
  })

  it("count their lines within each page", () => {
    const pages = [1, 2].map((page) => ({ page, text: `Page ${page}\n\nThe end of page ${page}` }))
    assert.deepStrictEqual(
      passagesOf(pages).map(({ place }) => place),
      [1, 2].map((page) => ({ page, line: 1, endLine: 3 }))
    )
  })
})

describe("a message", () => {
  it.each([
    ["report.md", "What does report.md say?", true],
    ["report.md", "What does the report say?", false],
    ["Q3 report.pdf", "the report of Q3", true],
    ["a.txt", "a letter", false],
    ["README", "see the readme", true],
    ["Café.txt", "a café", false],
    ["Café.txt", "open cafe.txt", true],
    ["???.!", "???.!", false]
  ])("names the file %s if it has the words of its name: %s", (name, message, isThere) => {
    assert.strictEqual(isNamed(name, new Set(termsOf(message))), isThere)
  })
})

describe("the words of a text", () => {
  it("are found whole and by their parts, in any case and number", () => {
    assert.deepStrictEqual(termsOf("Parsers of HTTPRequests, snake_case and v2"), [
      "parser",
      "of",
      ...["httprequest", "http", "request"],
      ...["snake", "case", "and"],
      ...["v2", "v", "2"]
    ])
    assert.deepStrictEqual(termsOf("cities glass status does horses"), ["city", "glass", "status", "doe", "horse"])
    assert.deepStrictEqual(termsOf("Ｆｕｌｌ Straße Ünïcode"), [
      "full",
      ...["straße", "strasse"],
      ...["ünïcode", "unicode"]
    ])
  })

  it("are found without their accents too, where an accent is no letter, and Korean ones by their parts", () => {
    for (const [typed, written] of [
      ["cafe", "CAFÉS"],
      ["istanbul", "İstanbul"],
      ["strasse", "Straße"],
      ["lodz", "Łódź"],
      ["αθηνα", "Αθήνα"],
      ["елка", "Ёлка"],
      ["العربية", "العَرَبِيَّة"],
      ["שלום", "שָׁלוֹם"],
      ["한국", "한국어로"]
    ] as const) {
      assert.includeMembers([...termsOf(written)], [...termsOf(typed)], written)
    }
    assert.deepStrictEqual(termsOf("हिन्दी й"), ["हिन्दी", "й"])
  })

  it("of a script without blanks are pairs of characters, however long a sentence is", () => {
    assert.deepStrictEqual(termsOf("数据库 ok"), ["数据", "据库", "ok"])
    assert.deepStrictEqual(termsOf("データ"), ["デー", "ータ"])
    assert.deepStrictEqual(termsOf("ﾃﾞｰﾀ"), ["デー", "ータ"])
    for (const [sentence, word] of [
      ["ภาษาไทยเป็นภาษาที่ไม่มีการเว้นวรรคระหว่างคำดังนั้นประโยคยาวจึงเป็นคำเดียวสำหรับโปรแกรมและสัญญา", "สัญญา"],
      ["この契約は両当事者が署名した日から効力を生じ、".replace("、", "").repeat(4), "契約"]
    ] as const) {
      assert.isAbove(sentence.length, 64)
      assert.includeMembers([...termsOf(sentence)], [...termsOf(word)])
    }
  })

  it("of other scripts stand alone among them", () => {
    assert.deepStrictEqual(termsOf("使用Python编程"), ["使用", "python", "编程"])
    assert.deepStrictEqual(termsOf("2026年3月"), ["2026", "年", "3", "月"])
  })

  it("are highlighted alone in a sentence without blanks", () => {
    const highlighted = (text: string, wanted: string) =>
      highlightsIn(text, new Set(termsOf(wanted))).map(({ end, start }) => text.slice(start, end))
    assert.deepStrictEqual(highlighted("本合同自双方签字盖章之日起生效", "合同 签字盖章"), ["合同", "签字盖章"])
    assert.deepStrictEqual(highlighted("𠮷野家でﾃﾞｰﾀを使う", "データ 𠮷野"), ["𠮷野", "ﾃﾞｰﾀ"])
    assert.deepStrictEqual(highlighted("使用Python编程", "python"), ["Python"])
  })

  it("are whole where a line or a soft hyphen divides them", () => {
    assert.deepStrictEqual(termsOf("Ver\u00adtrags\u00adstrafe"), ["vertragsstrafe"])
    assert.deepStrictEqual(termsOf("trans-\n  formation, 1-\n2"), ["transformation", "tran", "formation", "1", "2"])
  })

  it("stand for what a character of compatibility means, of which only the words are terms", () => {
    assert.deepStrictEqual(termsOf("½ cup, \uFE70 ﬁnd"), ["1", "2", "cup", "find"])
  })

  it("have only letters, digits and marks, and know where they stand", () => {
    FastCheck.assert(
      FastCheck.property(text, (content) => {
        const words = wordsIn(content)
        assert.deepStrictEqual(
          words.flatMap(({ terms }) => terms),
          termsOf(content)
        )
        for (const { end, start, terms } of words) {
          assert.match(content.slice(start, end), /^[\p{L}\p{N}][\p{L}\p{N}\p{M}\u00ad]*(?:[-\u2010]\r?\n[ \t]*.+)?$/su)
          for (const term of terms) assert.match(term, /^[\p{L}\p{N}\p{M}]+$/u)
        }
      })
    )
  })
})

/** Each a sentence: the encoding, its bytes (Base64), and how it begins. */
const encoded = [
  ["windows-1251", "xO7j7uLu8CDi8fLz7+Dl8iDiIPHo6/Mg8SDs7uzl7fLgIO/u5O/o8eDt6P8g8fLu8O7t4OzoLg==", "Договор"],
  ["koi8-r", "5M/Hz9fP0iDX09TV0MHF1CDXINPJzNUg0yDNz83FztTBINDPxNDJ08HOydEg09TP0s/Owc3JLg==", "Договор"],
  ["windows-1253", "xyDz/ezi4fPnIOHx99/m5ekg7eEg6fP3/eXpIOHw/CD05+0g9fDv4/Hh9t4g9OfyLg==", "Η σύμβαση"],
  ["shift_jis", "k4yLnpNzgsyTVotDgs2QsILqgsWCt4FClr6T+oLNgtyCvYlKgqqNfoLpgsWCtYLlgqSBQg==", "東京都の"],
  ["euc-jp", "xey1/sXUpM7Ft7WkpM/AsqTspMekuaGjzMDG/KTPpN6kv7GrpKy536TrpMekt6TnpKahow==", "東京都の"],
  ["euc-kr", "sOi+4MC6IL7nILTnu+fA2rChILytuO3H0SCzr7rOxc0gyL+3wsDMILnfu/3H0bTZLg==", "계약은"],
  ["big5", "plis+abbwvmk6MOxuHCkp6TpsF+lza7EoUOlSbTawLOmYqRRpNGkuqe5pqihQw==", "合約自"]
] as const

describe("the bytes of a text", () => {
  it("that are not UTF-8 are read as GB 18030 if they look like that, else as those of Western Windows", () => {
    const chinese = Buffer.from("cafdbeddbfe2b5c4b1b8b7dda3acc3bfcceccdedc9cf204f4ba1a30ab5dab6fed0d0", "hex")
    assert.strictEqual(plainTextOf(chinese), "数据库的备份，每天晚上 OK。\n第二行")
    for (const western of ["naïve café, Ünïcode", "¿El niño?", "Ångström: é", "ÄÖÜÄÖÜ", "ØÆÅ ëïöü"]) {
      const bytes = Buffer.from(western, "latin1")
      assert.strictEqual(plainTextOf(bytes), western)
    }
  })

  it("are read in the encodings of Russian, Greek, Japanese, Korean and traditional Chinese", () => {
    for (const [encoding, base64, beginning] of encoded) {
      assert.strictEqual(plainTextOf(Buffer.from(base64, "base64")).slice(0, beginning.length), beginning, encoding)
    }
  })

  it("are UTF-8 although a character is cut off or damaged, and UTF-16 without its mark", () => {
    const whole = Buffer.from("größer 漢字\n".repeat(20))
    assert.strictEqual(plainTextOf(whole.subarray(0, -2)).slice(0, 9), "größer 漢字")
    const torn = Buffer.concat([whole, Buffer.from("ffc3", "hex"), Buffer.from("\nÜberlauf")])
    assert.strictEqual(plainTextOf(torn).slice(-8), "Überlauf")
    for (const text of ["Kolben und Größe\nzwei\n", "Договор вступает в силу\n".repeat(2)]) {
      assert.strictEqual(plainTextOf(Buffer.from(text, "utf16le")), text)
      assert.strictEqual(plainTextOf(Buffer.from(text, "utf16le").swap16()), text)
    }
  })

  it("are no text if many of them are control characters", () => {
    const noise = Uint8Array.from({ length: 1000 }, (_, at) => ((at * 89) % 255) + 1)
    assert.throws(() => plainTextOf(noise), "Malformed")
    assert.strictEqual(plainTextOf(Buffer.from("\u001b[31mred\u001b[0m\n")), "\u001b[31mred\u001b[0m\n")
  })

  it("are in the encoding that a page or XML declares", () => {
    const polish = Buffer.from("5a61bff3b3e62067eab66cb12e", "hex")
    const page = (head: string) => readHtml(Buffer.concat([Buffer.from(head), polish])).map(({ text }) => text.trim())
    assert.deepStrictEqual(page('<meta charset="iso-8859-2">'), ["Zażółć gęślą."])
    assert.deepStrictEqual(page("<META http-equiv=content-type content='text/html; charset=ISO-8859-2'>"), [
      "Zażółć gęślą."
    ])
    const xml = Buffer.concat([Buffer.from('<?xml version="1.0" encoding="ISO-8859-2"?>'), polish])
    assert.match(readText(xml)[0]?.text ?? "", /Zażółć gęślą/)
    // It is in UTF-8, whatever it says.
    assert.deepStrictEqual(
      readHtml(Buffer.from('<meta charset="iso-8859-2">größer')).map(({ text }) => text.trim()),
      ["größer"]
    )
  })
})

const vocabulary = ["budget", "quarter", "river", "engine", "cat", "the", "of", "rocket"]
const sentence = FastCheck.array(FastCheck.constantFrom(...vocabulary), { minLength: 1, maxLength: 60 }).map((words) =>
  words.join(" ")
)

/** A candidate of whose text a test knows. */
interface Written extends Candidate {
  readonly text: string
}

const textsOf = (all: ReadonlyArray<Written>, chosen: ReadonlyArray<{ readonly candidate: Candidate }>) =>
  chosen.map(({ candidate }) => all.find((one) => one === candidate)?.text)

const candidates: FastCheck.Arbitrary<ReadonlyArray<Written>> = FastCheck.array(
  FastCheck.record({
    uploadedAt: FastCheck.integer({ min: 0, max: 2_000_000_000_000 }),
    missing: FastCheck.boolean(),
    texts: FastCheck.array(sentence, { minLength: 1, maxLength: 6 })
  }),
  { maxLength: 12 }
).map((files) =>
  files.flatMap(({ missing, texts, uploadedAt }, file) =>
    texts.map((passage, ordinal) => ({
      passageId: file * 10 + ordinal,
      fileId: `file-${file}`,
      filename: `file-${file}.txt`,
      ordinal,
      passagesOfFile: texts.length + (missing ? 1 : 0),
      text: passage,
      ...countedTermsOf(passage),
      tokens: passage.split(" ").length,
      bytes: Buffer.byteLength(passage),
      place: { line: ordinal + 1, endLine: ordinal + 1, page: null },
      uploadedAt
    }))
  )
)

const questionOf = (message: string, budget: number, all: ReadonlyArray<Written>, pinned: ReadonlyArray<string>) => {
  const passagesWith = new Map<string, number>()
  for (const { text } of all) {
    for (const term of new Set(termsOf(text))) passagesWith.set(term, (passagesWith.get(term) ?? 0) + 1)
  }
  const question: Question = {
    terms: [...new Set(termsOf(message))],
    budget,
    countTokens: counters.o200k_base,
    pinned,
    collection: {
      passages: all.length,
      terms: all.reduce((sum, { text }) => sum + termsOf(text).length, 0),
      passagesWith
    }
  }
  return question
}

const pinnedFiles = FastCheck.array(
  FastCheck.integer({ min: 0, max: 14 }).map((file) => `file-${file}`),
  {
    maxLength: 3
  }
)

/** A stable shuffle: the order of hashes. */
const otherOrder = (all: ReadonlyArray<Candidate>, seed: number): ReadonlyArray<Candidate> =>
  all
    .map((candidate, at) => ({ candidate, key: Math.sin((at + 1) * (seed + 1)) }))
    .sort((one, other) => one.key - other.key)
    .map(({ candidate }) => candidate)

describe.each(policyNames)("the policy %s", (name) => {
  const policy = (all: ReadonlyArray<Candidate>, question: Question) => chooseBy(policies[name], all, question)

  it("chooses only candidates, each once, and never more than the budget", () => {
    FastCheck.assert(
      FastCheck.property(
        candidates,
        sentence,
        FastCheck.integer({ min: 0, max: 200 }),
        pinnedFiles,
        (all, message, budget, pinned) => {
          const chosen = policy(all, questionOf(message, budget, all, pinned))
          for (const { candidate, score, tokens, why } of chosen) {
            assert.include(all, candidate)
            assert.strictEqual(tokens, counters.o200k_base(candidate))
            assert.isTrue(Number.isFinite(score))
            assert.notStrictEqual(why, "")
          }
          assert.strictEqual(new Set(chosen.map(({ candidate }) => candidate)).size, chosen.length)
          assert.isAtMost(
            chosen.reduce((sum, { tokens }) => sum + tokens, 0),
            budget
          )
        }
      )
    )
  })

  it("chooses the same from the same candidates in another order", () => {
    FastCheck.assert(
      FastCheck.property(candidates, sentence, FastCheck.nat(1000), pinnedFiles, (all, message, seed, pinned) => {
        const question = questionOf(message, 60, all, pinned)
        assert.deepStrictEqual(policy(otherOrder(all, seed), question), policy(all, question))
      })
    )
  })

  it("chooses nothing from nothing", () => {
    assert.deepStrictEqual(policy([], questionOf("budget", 1000, [], [])), [])
  })
})

const candidate = (fileId: string, text: string, more: Partial<Candidate> = {}): Written => ({
  passageId: 0,
  fileId,
  filename: `${fileId}.txt`,
  ordinal: 0,
  passagesOfFile: 1,
  text,
  ...countedTermsOf(text),
  tokens: text.split(" ").length,
  bytes: Buffer.byteLength(text),
  place: { line: 1, endLine: 1, page: null },
  uploadedAt: 0,
  ...more
})

const chosenBy = (
  name: PolicyName,
  all: ReadonlyArray<Written>,
  message: string,
  { budget = 1000, pinned = [] }: { readonly budget?: number; readonly pinned?: ReadonlyArray<string> } = {}
) => chooseBy(policies[name], all, questionOf(message, budget, all, pinned)).map(({ candidate }) => candidate.fileId)

/** Carbonell and Goldstein's formula as it is written: each candidate is compared with each one that was taken. */
const diverseByTheBook = (all: ReadonlyArray<Written>, question: Question): ReadonlyArray<Candidate> => {
  const found = [...policies.relevant.rank(all, question)].filter((one) => one !== undefined)
  const best = Math.max(...found.map(({ score }) => score))
  const recencyOf = recencyAmong(all)
  const likeness = (one: Candidate, other: Candidate) => {
    const [ones, others] = [new Set(hashesIn(one.terms)), new Set(hashesIn(other.terms))]
    const common = [...ones].filter((term) => others.has(term)).length
    return common / (ones.size + others.size - common)
  }
  const taken: Array<Candidate> = []
  while (true) {
    const [next] = found
      .filter(({ candidate }) => !taken.some((other) => candidate === other || likeness(candidate, other) >= 0.8))
      .map(({ candidate, score }) => ({
        candidate,
        score:
          // Rounded as it is there: of two that are nearly equal, the last bit decides.
          0.7 * ((score / best) * (1 - 0.2 + 0.2 * recencyOf(candidate))) -
          (1 - 0.7) * Math.max(0, ...taken.map((other) => likeness(candidate, other))),
        why: ""
      }))
      .sort(byScore)
    if (next === undefined) return taken
    taken.push(next.candidate)
  }
}

describe("the counted terms of a passage", () => {
  it("say how often each term is there, and that others are not", () => {
    FastCheck.assert(
      FastCheck.property(text, FastCheck.string(), (content, other) => {
        const terms = termsOf(content)
        const counts = countsOf(terms)
        const times = (term: string) => Math.min(255, terms.filter((one) => one === term).length)
        for (const term of [...new Set(terms)].slice(0, 50))
          assert.strictEqual(timesIn(counts, hashOf(term)), times(term))
        assert.strictEqual(timesIn(counts, hashOf(other)), times(other))
        assert.deepStrictEqual(
          [...hashesIn(counts)],
          [...new Set(terms.map(hashOf))].sort((one, next) => one - next)
        )
      })
    )
  })

  it("are the bytes that earlier releases have stored", () => {
    assert.strictEqual(countsOf(["rocket", "größe", "rocket"]).toString("hex"), "4204032655007ce60102")
  })
})

/** Lists of passages with a term, each passage as often as it has the term, and the length of some passages. */
const index = FastCheck.record({
  postings: FastCheck.array(
    FastCheck.record({
      weight: FastCheck.double({ min: 0.01, max: 10, noNaN: true }),
      passages: FastCheck.array(FastCheck.integer({ min: 1, max: 400 }), { maxLength: 600, size: "max" }).map((ids) =>
        ids.sort((one, other) => one - other)
      )
    }),
    { maxLength: 8 }
  ),
  lengths: FastCheck.array(FastCheck.integer({ min: 1, max: 300 }), { minLength: 400, maxLength: 400 }),
  gone: FastCheck.uniqueArray(FastCheck.integer({ min: 1, max: 400 }), { maxLength: 20 }),
  limit: FastCheck.integer({ min: 1, max: 250 })
})

const average = 100

/** The score of every passage, as the formula says. */
const scoresOf = (postings: ReadonlyArray<Postings>, lengths: ReadonlyMap<number, number>) => {
  const scores = new Map<number, number>()
  for (const { passages, weight } of postings) {
    for (const id of new Set(passages)) {
      const length = lengths.get(id)
      const times = passages.filter((one) => one === id).length
      if (length !== undefined) scores.set(id, (scores.get(id) ?? 0) + partOf(weight, times, length / average))
    }
  }
  return scores
}

describe("the best passages of an index", () => {
  it("are those with the highest scores of all, although few are looked at", () => {
    FastCheck.assert(
      FastCheck.property(index, ({ gone, lengths, limit, postings }) => {
        const known = new Map(lengths.map((length, at) => [at + 1, length]))
        for (const id of gone) known.delete(id)
        const scores = scoresOf(postings, known)

        const gathering = gather(postings)
        let gathered = gathering.next()
        while (gathered.done !== true) gathered = gathering.next()
        const asked = new Set<number>()
        const choice = chooseBest(gathered.value, average, limit)
        let step = choice.next([])
        while (step.done !== true) {
          for (const id of step.value) {
            assert.isFalse(asked.has(id), "no length is asked for twice")
            asked.add(id)
          }
          step = choice.next(step.value.map((id) => known.get(id) ?? null))
        }

        const byTheBook = [...scores]
          .sort(([id, score], [otherId, other]) => other - score || id - otherId)
          .slice(0, limit)
          .map(([id]) => id)
        assert.deepStrictEqual(step.value, byTheBook)
      })
    )
  })

  it("need no length of a passage that cannot be among them", () => {
    const rare: Postings = { weight: 9, passages: [1, 1, 2, 3] }
    const common: Postings = { weight: 0.5, passages: [2, ...Array.from({ length: 300 }, (_, at) => at + 4)] }
    const gathering = gather([rare, common])
    let gathered = gathering.next()
    while (gathered.done !== true) gathered = gathering.next()
    const choice = chooseBest(gathered.value, average, 2)
    assert.deepStrictEqual(choice.next([]).value, [1, 2])
    assert.deepStrictEqual(choice.next([100, 100]).value, [3])
    assert.deepStrictEqual(choice.next([100]), { done: true, value: [1, 2] })
  })
})

describe("of the policies", () => {
  it("diverse takes what the formula says, although it compares less", () => {
    FastCheck.assert(
      FastCheck.property(candidates, sentence, (all, message) => {
        const question = questionOf(message, 10_000, all, [])
        assert.deepStrictEqual(
          chooseBy(policies.diverse, all, question).map(({ candidate }) => candidate),
          diverseByTheBook(all, question)
        )
      })
    )
  })

  it("newest takes the newest file first, from its beginning", () => {
    const all = [
      candidate("old", "budget", { uploadedAt: 1 }),
      candidate("new", "second", { uploadedAt: 2, ordinal: 1, passagesOfFile: 2 }),
      candidate("new", "first", { uploadedAt: 2, passagesOfFile: 2 })
    ]
    const chosen = chooseBy(policies.newest, all, questionOf("budget", 1000, all, []))
    assert.deepStrictEqual(textsOf(all, chosen), ["first", "second", "budget"])
  })

  it("relevant takes what has the rarer words, and says which", () => {
    const all = [
      candidate("a", "the cat of the house"),
      candidate("b", "the rocket engine"),
      candidate("c", "the river of the quarter")
    ]
    assert.deepStrictEqual(chosenBy("relevant", all, "the engine"), ["b", "a", "c"])
    assert.deepStrictEqual(chosenBy("relevant", all, "Engines?"), ["b"])
    const [first] = chooseBy(policies.relevant, all, questionOf("the engine", 1000, all, []))
    assert.strictEqual(first?.why, 'has "engine", "the"')
  })

  it("diverse leaves out what says the same again, and prefers the newer one", () => {
    const all = [
      candidate("older", "the rocket engine burns at night", { uploadedAt: 0 }),
      candidate("newer", "the rocket engine burns at night", { uploadedAt: 30 * 24 * 3600 * 1000 }),
      candidate("other", "an engine of a boat on the river")
    ]
    assert.deepStrictEqual(chosenBy("diverse", all, "engine"), ["newer", "other"])
  })

  it("pinned takes the pinned files first, in their order, although they do not match", () => {
    const all = [candidate("a", "cat"), candidate("b", "rocket engine"), candidate("c", "river")]
    assert.deepStrictEqual(chosenBy("pinned", all, "engine", { pinned: ["c", "a", "unknown"] }), ["c", "a", "b"])
  })

  it("named takes the files that the message names first: what answers it, and then from the beginning", () => {
    const all = [
      candidate("a", "the engine of a boat"),
      candidate("report", "how it began", { filename: "Annual report.md", passagesOfFile: 3 }),
      candidate("report", "nothing", { filename: "Annual report.md", ordinal: 1, passagesOfFile: 3 }),
      candidate("report", "an engine", { filename: "Annual report.md", ordinal: 2, passagesOfFile: 3 })
    ]
    const namedBy = (message: string) => textsOf(all, chooseBy(policies.named, all, questionOf(message, 1000, all, [])))
    const named = ["an engine", "how it began", "nothing", "the engine of a boat"]
    assert.deepStrictEqual(namedBy("What is the engine in the annual report?"), named)
    assert.deepStrictEqual(namedBy("engine, see `ANNUAL REPORT.md`"), named)
    assert.deepStrictEqual(namedBy("the engine of a report"), ["the engine of a boat", "an engine"])
  })

  it("whole takes all of a file that fits, and the matching passages of one that does not", () => {
    const of = (fileId: string, texts: ReadonlyArray<string>) =>
      texts.map((text, ordinal) => candidate(fileId, text, { ordinal, passagesOfFile: texts.length }))
    const all = [
      ...of("large", ["rocket rocket rocket", "cat ".repeat(2000), "rocket"]),
      ...of("small", ["a rocket and", "what else there is"])
    ]
    assert.deepStrictEqual(chosenBy("whole", all, "rocket", { budget: 100 }), ["small", "small", "large", "large"])
    // One of the passages is not among the candidates, so this is not the whole file.
    assert.deepStrictEqual(
      chosenBy(
        "whole",
        all.filter(({ fileId, ordinal }) => fileId === "small" && ordinal === 0),
        "rocket"
      ),
      ["small"]
    )
  })
})

describe("a budget in bytes", () => {
  it("holds, whatever the passages are written in", () => {
    const all = [candidate("a", "rocket \u{1f680}\u{1f680}"), candidate("b", "rocket 数据库"), candidate("c", "rocket")]
    const question = { ...questionOf("rocket", 22, all, []), countTokens: counters.bytes }
    const chosen = chooseBy(policies.relevant, all, question).map(({ tokens }) => tokens)
    assert.deepStrictEqual(chosen, [15, 6])
  })
})

describe("work in the background", () => {
  it.effect("waits for whoever asks for context, and goes on after 100 ms even if questions never end", () =>
    Effect.gen(function* () {
      const { asking, quiet } = yield* Questions
      yield* quiet
      const [one, other] = [yield* Effect.makeLatch(), yield* Effect.makeLatch()]
      const ends = yield* Effect.forEach([one, other], ({ await: end }) => Effect.fork(asking(end)))
      yield* Effect.yieldNow()
      const waiting = yield* Effect.fork(quiet)
      yield* one.open
      yield* TestClock.adjust("99 millis")
      assert.isNull(waiting.unsafePoll())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(waiting)

      const again = yield* Effect.fork(quiet)
      yield* Effect.yieldNow()
      yield* other.open
      yield* Effect.forEach(ends, Fiber.join)
      yield* Fiber.join(again)

      const broken = yield* Effect.fork(asking(Effect.never))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(broken)
      yield* quiet
    }).pipe(Effect.provide(Questions.layer))
  )
})
