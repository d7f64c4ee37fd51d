/**
 * Attacks on a real process while a good user works, and another process probes `/livez`. `ATTACKS=all` is the long
 * form, which also prints how long probes waited; `ATTACK=<part of a name>` takes some of the attacks.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { text } from "node:stream/consumers"
import { assert, describe, it } from "@effect/vitest"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { buildSync } from "esbuild"
import { fileForm } from "../../src/service/Client.ts"
import { type Attack, attacks, bearer, filledBy, isLong } from "../support/attacks.ts"
import { runningBackend } from "../support/backend.ts"
import { independently, rowsOf, temporaryFolder } from "../support/database.ts"
import { spawnNode } from "../support/program.ts"
import { tokenOf } from "../support/service.ts"

const chosen = process.env["ATTACK"] ?? ""
/** An attack goes on at least so long (ms): what it does to the 99th percentile needs some hundred probes. */
const shortest = isLong ? 5000 : 0

/** What a user does all day; returns what was not answered correctly. */
const goodUser = (url: string, failures: Array<string>) =>
  Effect.gen(function* () {
    const headers = bearer("alice")
    const content = randomBytes(20_000)
    const uploaded = yield* Effect.promise(async () => {
      const response = await fetch(`${url}/api/sessions/alices/files`, {
        method: "POST",
        headers,
        body: fileForm("a.bin", content)
      })
      if (response.status !== 201) failures.push(`upload: ${response.status}`)
      return Object((await response.json()) ?? {})
    })
    for (const [path, length] of [
      [`/api/files/${String(uploaded.fileId)}/content`, content.length],
      ["/api/sessions/alices/files?limit=5", undefined],
      ["/api/files?name=a&limit=5", undefined]
    ] as const) {
      yield* Effect.promise(async () => {
        const response = await fetch(url + path, { headers })
        const body = await response.arrayBuffer()
        if (response.status !== 200) failures.push(`${path}: ${response.status}`)
        else if (length !== undefined && body.byteLength !== length) failures.push(`${path}: ${body.byteLength} bytes`)
      })
    }
  }).pipe(
    Effect.catchAllCause((cause) => Effect.sync(() => failures.push(String(cause)))),
    Effect.zipRight(Effect.sleep("20 millis")),
    Effect.forever
  )

/** What the prober saw: how long each answer took, and by how much its own event loop was late meanwhile (ms). */
const Seen = Schema.parseJson(
  Schema.Struct({
    probes: Schema.Array(Schema.Struct({ waited: Schema.Number, late: Schema.Number })),
    failures: Schema.Array(Schema.String)
  })
)

/** Probes from a process of its own. Returns when the first probe is answered; the inner effect ends it. */
const probing = (url: string) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ChildProcessByStdio<Writable, Readable, null>>((resume) => {
        const prober = spawn(process.execPath, [join(import.meta.dirname, "../support/prober.mjs"), `${url}/livez`], {
          stdio: ["pipe", "pipe", "inherit"]
        })
        prober.stdout.once("data", () => resume(Effect.succeed(prober)))
      }),
      (prober) => Effect.sync(() => prober.kill("SIGKILL"))
    ),
    (prober) =>
      Effect.promise(async () => {
        prober.stdin.end()
        return Schema.decodeUnknownSync(Seen)(await text(prober.stdout))
      })
  )

/** A wait during which the prober itself was late by so much (ms) says nothing about the service. */
const tolerable = 2

const rssOf = (pid: number): number =>
  Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024)

/** How long the service's main thread has waited for a processor since it began (ms); Linux tells it. */
const starvedOf = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e6

const quantile = (values: ReadonlyArray<number>, share: number): string =>
  ([...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN).toFixed(1)

interface Target {
  readonly url: string
  readonly pid: number
}

/** Attacks a process while the good user works and probes are sent. Returns what they saw, and what it cost. */
const under = (attack: Attack, { pid, url }: Target) =>
  Effect.gen(function* () {
    const failures: Array<string> = []
    const before = rssOf(pid)
    const begun = { at: performance.now(), starved: starvedOf(pid) }
    const endProbing = yield* probing(url)
    const user = yield* Effect.fork(goodUser(url, failures))
    yield* Effect.sleep("100 millis")
    const end = performance.now() + shortest
    yield* Effect.scoped(attack(Number(new URL(url).port))).pipe(
      Effect.repeat({ while: () => performance.now() < end })
    )
    yield* Effect.sleep("100 millis")
    yield* Fiber.interrupt(user)
    const seen = yield* endProbing
    const late = seen.probes.map((probe) => probe.late)
    const waits = seen.probes.filter((probe) => probe.late <= tolerable).map(({ waited }) => waited)
    const starved = (starvedOf(pid) - begun.starved) / (performance.now() - begun.at)
    return {
      failures: [...failures, ...seen.failures],
      before,
      after: rssOf(pid),
      open: readdirSync(`/proc/${pid}/fd`).length,
      waits: [0.5, 0.99, 1].map((share) => quantile(waits, share)).join(" / "),
      counted: `${waits.length} of ${seen.probes.length}`,
      late: quantile(late, 0.99),
      starved: `${(100 * starved).toFixed(0)} %`
    }
  }).pipe(Effect.scoped)

/** The handler of `npm run load`, which does nothing but the work on files. It may end under an attack. */
const bareHandler = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const outfile = join(folder, "floor.mjs")
  buildSync({
    entryPoints: [join(import.meta.dirname, "../load/floor.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    outfile
  })
  const { process, says } = yield* Effect.acquireRelease(
    Effect.sync(() => spawnNode([outfile, folder])),
    (floor) => Effect.sync(() => floor.process.kill("SIGKILL"))
  )
  return { pid: process.pid ?? 0, url: yield* Effect.promise(() => says(/serving {2}(\S+)/, "stdout")) }
})

/** How long probes wait for it under an attack, unless it ends. */
const waitsOfBare = (attack: Attack) =>
  Effect.flatMap(bareHandler, (floor) => under(attack, floor)).pipe(
    Effect.scoped,
    Effect.map(({ waits }) => waits),
    Effect.catchAllCause(() => Effect.succeed("it ends"))
  )

describe("a good user and the probes", () => {
  it.scopedLive(
    "are answered under every attack, and the memory of the service stays bounded",
    () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const backend = yield* runningBackend({
          DATA_DIRECTORY: folder,
          API_TOKENS: ["alice", "bob", "root"]
            .map((name) => `${name}:${tokenOf(name)}${name === "root" ? ":administrator" : ""}`)
            .join(",")
        })
        yield* independently(join(folder, "conversation_files.db"), filledBy)
        const wrong: Array<string> = []
        const table: Array<string> = []
        for (const [name, attack] of Object.entries(attacks).filter(([name]) => name.includes(chosen))) {
          const seen = yield* under(attack, { url: backend.url, pid: backend.process.pid ?? 0 })
          const { after, before, counted, failures, late, open, starved, waits } = seen
          const bare = isLong ? yield* waitsOfBare(attack) : ""
          table.push(`| ${name} | ${counted} | ${waits} | ${bare} | ${late} | ${starved} | ${before} | ${after} |`)
          if (failures.length > 0) wrong.push(`${name}: ${failures.length} failures, the first: ${failures[0]}`)
          if (after - before > 300) wrong.push(`${name}: from ${before} to ${after} MiB`)
          if (open > 1100) wrong.push(`${name}: ${open} descriptors`)
        }
        if (isLong) {
          yield* Console.log(
            [
              "| attack | probes | p50 / p99 / max ms | bare handler | p99 ms by which the prober was late | time the service waited for a processor | RSS before, MiB | after |",
              ...table
            ].join("\n")
          )
        }
        assert.deepStrictEqual(wrong, [])
        const [rows] = yield* rowsOf(join(folder, "conversation_files.db"), "SELECT count(*) AS count FROM refusals")
        assert.isBelow(Number(Object(rows).count), 100 * (isLong ? 60 : 10))
      }),
    isLong ? 1_800_000 : 300_000
  )
})
