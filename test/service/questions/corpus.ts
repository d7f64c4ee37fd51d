/**
 * A labelled set for policies: 150 files of fifteen projects in ten kinds, written from templates, and 60 questions. The
 * label of a question is the sentence that answers it. Names and numbers differ from project to project; most words do
 * not, as in the files of one office.
 */

export interface WrittenFile {
  readonly name: string
  readonly text: string
  /** Days since the first file. */
  readonly day: number
}

export interface LabelledQuestion {
  readonly message: string
  /** How the question is worded: with the words of the answer, with others, or about something that was changed since. */
  readonly kind: "same words" | "other words" | "changed"
  /** It is in one passage of one file. */
  readonly answer: string
}

interface Project {
  readonly name: string
  readonly what: string
  readonly place: string
  readonly head: string
  readonly supplier: string
  readonly part: string
  readonly number: number
}

const projects: ReadonlyArray<Project> = (
  [
    ["Heron", "repair of the footbridge", "Lindau", "Mara Voss", "Steinbach", "expansion joints"],
    ["Juniper", "irrigation of the orchard", "Meran", "Tomas Riedl", "Aquaflor", "drip valves"],
    ["Basalt", "new paving of the market square", "Jena", "Ilse Krahn", "Granova", "kerb stones"],
    ["Lantern", "street lighting", "Husum", "Piet Olsen", "Luxmont", "lamp heads"],
    ["Otter", "fish ladder at the weir", "Gmunden", "Rosa Thaler", "Hydrotec", "baffle plates"],
    ["Saffron", "kitchen of the school", "Krems", "Jan Novak", "Kochwerk", "steam ovens"],
    ["Comet", "telescope dome", "Tautenburg", "Vera Lindt", "Optikos", "shutter motors"],
    ["Walnut", "library shelves", "Gotha", "Emil Sauer", "Holzhof", "oak boards"],
    ["Glacier", "cooling of the ice rink", "Davos", "Nina Frey", "Polaris", "compressors"],
    ["Sparrow", "noise barrier along the railway", "Erfurt", "Karl Behn", "Akustika", "absorber panels"],
    ["Marble", "restoration of the fountain", "Trento", "Lucia Conti", "Cavallo", "spouts"],
    ["Pollen", "air sensors in the park", "Graz", "Otto Reiter", "Sensalp", "filter cartridges"],
    ["Harbour", "mooring of the ferry", "Rostock", "Anke Dahl", "Tauwerk", "bollards"],
    ["Ember", "heating plant", "Zittau", "Paul Anders", "Thermon", "burner nozzles"],
    ["Violet", "greenhouse roof", "Bozen", "Ida Moser", "Glasbau Nord", "toughened panes"]
  ] as const
).map(([name, what, place, head, supplier, part], at) => ({ name, what, place, head, supplier, part, number: at + 1 }))

/** The facts of a project. Each is a sentence that stands in exactly one passage. */
const factsOf = ({ head, name, number, part, place, supplier }: Project) => ({
  budget: `The approved budget of ${name} is ${180 + 37 * number} thousand euros.`,
  launch: `${name} opens to the public on ${3 + number} May.`,
  moved: `The opening of ${name} was moved to ${1 + number} September, because ${supplier} delivers late.`,
  cause: `The crack was traced to a wrong setting of the torque wrench, ${42 + number} instead of ${30 + number} newton metres.`,
  contact: `For keys and access in ${place}, call the caretaker on extension ${4100 + number}.`,
  retention: `Measurements of ${name} are kept for ${number + 5} weeks and then averaged by the hour.`,
  warranty: `${supplier} repairs defects of the ${part} free of charge for ${20 + number} months.`,
  training: `Everyone who works on the site needs the safety course ${name.slice(0, 2).toUpperCase()}-${number}, which takes half a day.`,
  limit: `  maxRetries: ${number + 2},`,
  decision: `${head} decided to buy the ${part} from ${supplier} and not to rent them.`
})

/** Sentences that every file may have. They use the words of the questions, but answer none. */
const fillers = ({ head, name, part, place, supplier, what }: Project): ReadonlyArray<string> => [
  `The team met in ${place} to talk about the ${what}.`,
  `${head} thanked everyone for the work of the last weeks.`,
  `Costs are reviewed every month, and the budget is discussed with the council.`,
  `The schedule has some slack before the public opening.`,
  `${supplier} sent photographs of the ${part}.`,
  `Two questions about the warranty are still open.`,
  `Safety on the site comes first; helmets are worn everywhere.`,
  `The measurements of last week look plausible.`,
  `Nobody objected to the minutes of the last meeting.`,
  `A short delay of the ${part} would not change the plan of ${name}.`,
  `The caretaker was informed about the next visit.`,
  `Neighbours asked when the work begins in the morning.`,
  `The retry of the upload succeeded after the network was repaired.`,
  `A decision about the colour was postponed.`,
  `The training room is booked until the end of the month.`,
  `Deliveries arrive at the north gate before ten o'clock.`
]

/** Some paragraphs of filler, different for each file of a project. */
const paragraphs = (project: Project, seed: number, count: number): ReadonlyArray<string> => {
  const sentences = fillers(project)
  return Array.from({ length: count }, (_, paragraph) =>
    Array.from(
      { length: 7 },
      (_, at) => sentences[(seed * 5 + paragraph * 3 + at * (1 + (seed % 3))) % sentences.length] ?? ""
    ).join(" ")
  )
}

/** Puts a sentence in the middle of some paragraphs. */
const among = (texts: ReadonlyArray<string>, sentence: string): string => {
  const middle = Math.floor(texts.length / 2)
  return texts.map((text, at) => (at === middle ? `${text} ${sentence}` : text)).join("\n\n")
}

const filesOf = (project: Project): ReadonlyArray<WrittenFile> => {
  const { head, name, number, part, place, supplier, what } = project
  const facts = factsOf(project)
  const low = name.toLowerCase()
  const some = (seed: number, count: number) => paragraphs(project, seed + number, count)
  const rows = Array.from({ length: 40 }, (_, at) => `${2000 + at};${part};${1 + ((at * number) % 9)};${supplier}`)
  const entries = Array.from(
    { length: 60 },
    (_, at) =>
      `2026-03-${String(1 + (at % 28)).padStart(2, "0")}T08:${String(at).padStart(2, "0")}:00 ${low} INFO reading ${at} stored`
  )
  return [
    [
      1,
      `${low}-report.md`,
      `# Report on ${name}\n\n${among(some(1, 4), facts.budget)}\n\n## Schedule\n\n${among(some(2, 4), facts.launch)}\n`
    ],
    [
      40,
      `${low}-minutes.txt`,
      `Minutes, ${place}\nPresent: ${head} and the team\n\n${among(some(3, 5), facts.moved)}\n`
    ],
    [20, `${low}-mail.eml`, `From: ${head}\nSubject: ${what}\n\n${among(some(4, 3), facts.decision)}\n`],
    [
      21,
      `${low}-mail-quoted.eml`,
      `From: council\nSubject: Re: ${what}\n\nSee below.\n\n${some(4, 3)
        .map((text) => `> ${text}`)
        .join("\n>\n")}\n`
    ],
    [10, `${low}-orders.csv`, `order;item;count;supplier\n${rows.join("\n")}\n`],
    [
      12,
      `${low}-sensors.yaml`,
      `# ${facts.retention}\nproject: ${low}\nsite: ${place}\nsensors:\n${rows
        .slice(0, 12)
        .map((row) => `  - id: ${row.slice(0, 4)}`)
        .join("\n")}\n`
    ],
    [
      14,
      `${low}-upload.ts`,
      `/** Uploads the readings of ${name}. */\nexport const options = {\n${facts.limit}\n  site: "${place}"\n}\n\nexport const upload = async (readings: Array<number>) => {\n  for (const reading of readings) await send(reading, options)\n}\n`
    ],
    [
      16,
      `${low}-page.html`,
      `<!doctype html>\n<title>${name}</title>\n${among(some(6, 4), facts.contact)
        .split("\n\n")
        .map((text) => `<p>${text}</p>`)
        .join("\n\n")}\n`
    ],
    [
      30,
      `${low}-incident.log`,
      `${entries.slice(0, 30).join("\n")}\n2026-03-30T09:00:00 ${low} ERROR ${facts.cause}\n${entries.slice(30).join("\n")}\n`
    ],
    [
      5,
      `${low}-handbook.md`,
      `# Handbook\n\n${among(some(7, 4), facts.training)}\n\n# Contract\n\n${among(some(8, 4), facts.warranty)}\n`
    ]
  ].map(([day, file, text]) => ({ name: String(file), text: String(text), day: Number(day) + number / 100 }))
}

export const files: ReadonlyArray<WrittenFile> = projects.flatMap(filesOf)

const questionsOf = (project: Project): ReadonlyArray<LabelledQuestion> => {
  const { head, name, part, place, supplier, what } = project
  const facts = factsOf(project)
  const all: ReadonlyArray<LabelledQuestion> = [
    { message: `What is the approved budget of ${name}?`, kind: "same words", answer: facts.budget },
    { message: `How much money may we spend on the ${what}?`, kind: "other words", answer: facts.budget },
    { message: `When does ${name} open to the public?`, kind: "changed", answer: facts.moved },
    {
      message: `Why did the crack in ${name.toLowerCase()} happen, was it the torque wrench?`,
      kind: "same words",
      answer: facts.cause
    },
    { message: `Who do I phone to get into the building in ${place}?`, kind: "other words", answer: facts.contact },
    { message: `How long are measurements of ${name} kept?`, kind: "same words", answer: facts.retention },
    {
      message: `For how many months does ${supplier} repair the ${part} free of charge?`,
      kind: "same words",
      answer: facts.warranty
    },
    { message: `Is there a guarantee on what ${supplier} delivered?`, kind: "other words", answer: facts.warranty },
    { message: `Which safety course is needed on the site of ${name}?`, kind: "same words", answer: facts.training },
    { message: `What is maxRetries in the upload of ${name}?`, kind: "same words", answer: facts.limit.trim() },
    { message: `Did ${head} decide to buy or to rent the ${part}?`, kind: "same words", answer: facts.decision },
    { message: `What is the latest date for the opening of ${name}, and why?`, kind: "changed", answer: facts.moved }
  ]
  // Four of the twelve for each project, in turn.
  return all.filter((_, at) => at % 3 === project.number % 3)
}

export const questions: ReadonlyArray<LabelledQuestion> = projects.flatMap(questionsOf)
