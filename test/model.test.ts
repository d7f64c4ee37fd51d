/**
 * Random sequences of what can happen to a database, on real files. Each step is compared with a plain model
 * (`model/model.ts`). A failing sequence is made as short as possible and printed as a script, with the seed that
 * reproduces it. Long form, with any number of sequences: `MODEL=20000 npx vitest run --config test/vitest.config.ts
 * model --silent=false`; `MODEL_SEED` begins elsewhere.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { draft, filesOf, titleOf } from "./model/files.ts"
import { newState } from "./model/State.ts"
import { describeStep, type Step, step } from "./model/Step.ts"
import { take } from "./model/steps.ts"
import { neighbour, newWorld } from "./model/world.ts"

const isLong = process.env["MODEL"] !== undefined
const sequences = Number(process.env["MODEL"] ?? 60)
const firstSeed = Number(process.env["MODEL_SEED"] ?? 1)
/** Sequences per seed. A failure ends its seed, and the long form continues with the next one. */
const perSeed = Math.min(sequences, 50)

class Disagreement extends Data.TaggedError("Disagreement")<{ readonly message: string }> {
  constructor(message: string) {
    super({ message })
  }
}

const sequence = FastCheck.record({
  drafts: FastCheck.array(draft, { minLength: 1, maxLength: 8, size: "max" }),
  steps: FastCheck.array(step, { minLength: 1, maxLength: 12, size: "max" })
})

/** Takes the steps one after the other. The script tells what was done, and ends with what went wrong. */
const played = (
  drafts: Parameters<typeof filesOf>[0],
  steps: ReadonlyArray<Step>,
  next: ReturnType<typeof neighbour>
) =>
  Effect.gen(function* () {
    const folder = mkdtempSync(join(tmpdir(), "database-ready-model-"))
    const files = filesOf(drafts)
    const state = newState(newWorld(folder), files, next)
    const script: Array<string> = []
    const taken = yield* Effect.exit(
      Effect.forEach(steps, (one) =>
        Effect.suspend(() => {
          script.push(describeStep(files, one))
          const inTime = Effect.timeoutFail(take(state, one), {
            duration: "30 seconds",
            onTimeout: () => new Disagreement("this step is not over after 30 seconds")
          })
          return Effect.map(inTime, (done) => script.push(`  ${done}`))
        })
      )
    )
    yield* next.release
    rmSync(folder, { recursive: true, force: true })
    if (taken._tag === "Failure") {
      const texts = files.map((file) => `--- ${titleOf(file)}.sql\n${file.text}`)
      return yield* Effect.fail(new Disagreement([...texts, "---", ...script, String(taken.cause)].join("\n")))
    }
  })

describe("sequences of starts and of what happens between them", () => {
  it(
    `behave as the model says (${sequences} of them)`,
    async () => {
      const next = neighbour()
      const failures: Array<string> = []
      try {
        for (let seed = firstSeed, done = 0; done < sequences; seed += 1, done += perSeed) {
          const found = await FastCheck.check(
            FastCheck.asyncProperty(sequence, ({ drafts, steps }) =>
              Effect.runPromise(Logger.withMinimumLogLevel(played(drafts, steps, next), LogLevel.None))
            ),
            { seed, numRuns: perSeed, endOnFailure: false }
          )
          if (found.failed) {
            const message =
              found.errorInstance instanceof Error ? found.errorInstance.message : String(found.errorInstance)
            failures.push(
              `MODEL_SEED=${seed}, sequence ${found.numRuns}, made shorter ${found.numShrinks} times:\n${message}`
            )
            if (isLong) console.log(failures.at(-1))
            else break
          }
          if (isLong && (done / perSeed) % 10 === 9)
            console.log(`${done + perSeed} sequences, ${failures.length} seeds with a failure`)
        }
      } finally {
        await Effect.runPromise(next.end)
      }
      assert.deepStrictEqual(failures, [])
    },
    isLong ? 2 ** 31 - 1 : 120_000
  )
})
