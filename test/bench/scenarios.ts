/** What is measured, for whom and how often. */
import { join } from "node:path"
import {
  conversationFiles,
  grow,
  importOf,
  newFile,
  newFileFor,
  openingsOf,
  programOf,
  root,
  startsOf,
  stormOf,
  thousand,
  verify
} from "./bench.ts"
import type { Fixture } from "./fixture.ts"
import type { Look } from "./fleet.ts"
import { type Subject, subjects } from "./subject.ts"
import { summaryOf } from "./table.ts"

/** Takes one sample, a number per metric; throws if the subject did not do its work. */
export type Sampler = () => ReadonlyArray<number> | Promise<ReadonlyArray<number>>

export interface Scenario {
  readonly name: string
  readonly title: string
  readonly metrics: ReadonlyArray<string>
  /** How large a share of the requested rounds this one takes. */
  readonly share: number
  /** Who is measured, the floor first. Calling one prepares it for its first sample. */
  readonly contestants: ReadonlyArray<{ readonly name: string; readonly title: string; readonly enter: () => Sampler }>
}

const contest = (who: ReadonlyArray<Subject>, enter: (subject: Subject) => Sampler): Scenario["contestants"] =>
  who.map((subject) => ({ name: subject.name, title: subject.title, enter: () => enter(subject) }))

const inProcess = subjects.filter(({ isInProcess }) => isInProcess)
const programs = subjects.filter(({ isProgram }) => isProgram)

const verified = (subject: Subject, fixture: Fixture, files: ReadonlyArray<string>, samples: ReadonlyArray<number>) => {
  for (const file of files) verify(subject, fixture, file)
  return samples
}

/** The first start of a process, and one when its code is warm. */
const firstAndThen = (took: ReadonlyArray<number>): ReadonlyArray<number> => [
  took[0] ?? Number.NaN,
  summaryOf(took.slice(Math.ceil(took.length / 2))).median
]

const repeated = 60

const made = (subject: Subject, fixture: Fixture): string => {
  const file = newFile()
  startsOf(subject, fixture, [file])
  return file
}

const sizes = [
  ["10 MB", 10e6],
  ["100 MB", 100e6],
  ["1 GB", 1e9]
] as const

const modules = [
  ["effect", "`@effect/sql`'s Migrator", "@effect/sql-sqlite-node/SqliteMigrator"],
  ["ours", "**database-ready**", join(root, "dist/layers/index.js")]
] as const

const scenarios: ReadonlyArray<Scenario> = [
  {
    name: "cold",
    title: "Cold: from an absent file to a ready one, in process",
    metrics: ["first in its process, ms", "in a warm process, ms"],
    share: 1,
    contestants: contest(inProcess, (subject) => {
      made(subject, conversationFiles)
      return () => {
        const files = Array.from({ length: repeated }, newFile)
        return verified(subject, conversationFiles, files, firstAndThen(startsOf(subject, conversationFiles, files)))
      }
    })
  },
  {
    name: "warm",
    title: "Warm: from a ready file to a ready one, in process",
    metrics: ["first in its process, ms", "in a warm process, ms"],
    share: 1,
    contestants: contest(inProcess, (subject) => {
      const file = made(subject, conversationFiles)
      const files = Array.from({ length: repeated }, () => file)
      return () =>
        verified(subject, conversationFiles, [file], firstAndThen(startsOf(subject, conversationFiles, files)))
    })
  },
  {
    name: "thousand",
    title: "A thousand migrations, in process",
    metrics: ["cold, ms", "warm, ms", "warm in a warm process, ms"],
    share: 0.5,
    contestants: contest(inProcess, (subject) => {
      made(subject, thousand)
      return () => {
        const file = newFile()
        const [cold = Number.NaN] = startsOf(subject, thousand, [file])
        const warm = startsOf(
          subject,
          thousand,
          Array.from({ length: 8 }, () => file)
        )
        return verified(subject, thousand, [file], [cold, ...firstAndThen(warm)])
      }
    })
  },
  {
    name: "whole",
    title: "The whole process",
    metrics: ["cold, ms", "CPU ms", "peak MB", "warm, ms", "CPU ms", "peak MB"],
    share: 1,
    contestants: contest(programs, (subject) => () => {
      const file = newFileFor(subject)
      const cold = programOf(subject, conversationFiles, file)
      const warm = programOf(subject, conversationFiles, file)
      return verified(subject, conversationFiles, [file], [...cold, ...warm])
    })
  },
  {
    name: "sixteen",
    title: "Sixteen processes at one moment on an absent file",
    metrics: ["until the last has ended, ms", "failed"],
    share: 0.5,
    contestants: contest(programs, (subject) => async () => {
      const file = newFileFor(subject)
      return verified(subject, conversationFiles, [file], await stormOf(16, subject, conversationFiles, file))
    })
  },
  {
    name: "sizes",
    title: "A warm start on data, first in its process, after a clean shutdown",
    metrics: sizes.map(([size]) => `${size}, ms`),
    share: 0.5,
    contestants: contest(
      inProcess.filter(({ name }) => ["floor", "floor-checked", "floor-ready", "ours"].includes(name)),
      (subject) => {
        const files = sizes.map(([, bytes]) => {
          const file = made(subject, conversationFiles)
          grow(file, bytes)
          return file
        })
        return () => files.map((file) => startsOf(subject, conversationFiles, [file])[0] ?? Number.NaN)
      }
    )
  },
  {
    name: "embed",
    title: "What an import adds to a service on Effect and the SQLite client",
    metrics: ["ms", "MB"],
    share: 1,
    contestants: modules.map(([name, title, module]) => ({ name, title, enter: () => () => importOf(module) }))
  }
]

/** A fleet of so many files. */
const fleet = (name: string, look: Look, looksAt: string, count: number): Scenario => ({
  name,
  title: `A fleet of ${count} ready files, one of them damaged, in one process that keeps a hundred open: ${looksAt}`,
  metrics: ["wall ms a file", "CPU ms a file", "MB alive after a tenth", "MB alive at the end", "peak MB"],
  share: 0.15,
  contestants: [
    ["floor", "floor: `better-sqlite3` by hand"] as const,
    ["floor-ready", "floor with all that *ready* means, by hand"] as const,
    ["ours", "**database-ready**"] as const
  ].map(([name, title]) => ({
    name,
    title,
    enter: () => () => openingsOf(name, look, { ready: subjectNamed("ours"), fixture: conversationFiles, count })
  }))
})

const subjectNamed = (wanted: string): Subject => {
  const found = subjects.find(({ name }) => name === wanted)
  if (found === undefined) throw new Error(`${wanted} is not a subject`)
  return found
}

/** All of them; `files`: how many a fleet has. */
export const scenariosWith = (files: number): ReadonlyArray<Scenario> => [
  ...scenarios,
  fleet("fleet", "schema", "history and schema are looked at", files),
  fleet("fleet-pages", "pages", "their pages too", files)
]
