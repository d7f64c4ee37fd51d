/** Processes of the small service in `release.ts`, and what they print. */
import { mkdirSync, symlinkSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { temporaryFolder } from "../support/database.ts"
import { type Ended, type Running, spawnNode } from "../support/program.ts"

/** `release.ts` bundled into one file, with the driver next to it, in a temporary folder. */
export const bundle = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const outfile = join(folder, "release.cjs")
  yield* Effect.promise(() =>
    build({
      entryPoints: [join(import.meta.dirname, "release.ts")],
      outfile,
      bundle: true,
      minify: true,
      external: ["better-sqlite3"],
      define: { "import.meta.url": "__filename" },
      supported: { "dynamic-import": false },
      platform: "node",
      target: "node20",
      format: "cjs",
      logLevel: "warning"
    })
  )
  mkdirSync(join(folder, "node_modules"))
  const driver = dirname(createRequire(import.meta.url).resolve("better-sqlite3/package.json"))
  symlinkSync(driver, join(folder, "node_modules/better-sqlite3"))
  return outfile
})

export interface Member {
  readonly running: Running
  /** Lines that begin with a word, without that word. */
  readonly said: (word: string) => ReadonlyArray<string>
  /** Waits until it has printed such a line this many more times. Fails the test if it ends before that. */
  readonly says: (word: string, times?: number) => Effect.Effect<void>
  /** The same, counted since it began. */
  readonly hasSaid: (word: string, times?: number) => Effect.Effect<void>
}

interface Circumstances {
  /** Without a name it starts and ends. */
  readonly writer?: string
  readonly backups?: number
  readonly env?: Readonly<Record<string, string>>
}

export interface Fleet {
  readonly spawn: (release: string, circumstances?: Circumstances) => Effect.Effect<Member>
  /** What was reported as written, by all processes. */
  readonly written: () => ReadonlyArray<string>
  /** Failed requests, of all processes. */
  readonly failed: () => ReadonlyArray<string>
}

export const makeFleet = Effect.fnUntraced(function* (program: string, file: string) {
  const members: Array<Member> = []
  yield* Effect.addFinalizer(() =>
    Effect.promise(() => {
      for (const { running } of members) running.process.kill("SIGKILL")
      return Promise.all(members.map(({ running }) => running.ended))
    })
  )
  const everything = (word: string) => members.flatMap(({ said }) => said(word))
  const fleet: Fleet = {
    spawn: (release, { backups, env = {}, writer = "" } = {}) =>
      Effect.sync(() => {
        const member = memberOf(spawnNode([program, file, release, writer, String(backups ?? "")], { env }))
        members.push(member)
        return member
      }),
    written: () => everything("wrote").map((line) => line.split(" ")[0] ?? ""),
    failed: () => everything("failed")
  }
  return fleet
})

const memberOf = (running: Running): Member => {
  const lines: Array<string> = []
  let rest = ""
  const onLine = new Set<() => void>()
  running.process.stdout?.on("data", (text: string) => {
    const all = `${rest}${text}`.split("\n")
    rest = all.pop() ?? ""
    lines.push(...all)
    for (const look of onLine) look()
  })
  const said: Member["said"] = (word) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1))
  const hasSaid: Member["hasSaid"] = (word, times = 1) =>
    Effect.promise(
      () =>
        new Promise<void>((resolve, reject) => {
          const look = () => {
            if (said(word).length < times) return
            onLine.delete(look)
            resolve()
          }
          onLine.add(look)
          look()
          void running.ended.then(({ code, stderr, stdout }) =>
            reject(new Error(`ended with ${code} without saying ${word}: ${stdout.slice(-500)}${stderr}`))
          )
        })
    )
  const says: Member["says"] = (word, times = 1) => Effect.suspend(() => hasSaid(word, said(word).length + times))
  return { running, said, says, hasSaid }
}

/** Stops it as a supervisor does. */
export const stop = ({ running }: Member, signal: NodeJS.Signals = "SIGTERM"): Effect.Effect<Ended> =>
  Effect.promise(() => {
    running.process.kill(signal)
    return running.ended
  })

export const end = ({ running }: Member): Effect.Effect<Ended> => Effect.promise(() => running.ended)
