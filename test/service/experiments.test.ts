/** Experiments: what their evidence promises, by exact sums and by simulation, and the whole service with one running. */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { fileForm } from "../../src/service/Client.ts"
import { policyOf } from "../../src/service/experiments/assignment.ts"
import { differenceBetween, imbalanceOf, intervalOf } from "../../src/service/experiments/evidence.ts"
import { comparing } from "../../src/service/experiments/judgement.ts"
import { execute, rowsOf } from "../support/database.ts"
import { type Experiment, type Found, runs } from "../support/experimentRuns.ts"
import { accounts, jsonOf, serving, tokenOf } from "../support/service.ts"

const choose = (of: number, some: number): number => {
  let ways = 1
  for (let one = 1; one <= some; one += 1) ways = (ways * (of - some + one)) / one
  return ways
}

const binomial = (of: number, some: number, rate: number): number =>
  choose(of, some) * rate ** some * (1 - rate) ** (of - some)

describe("the evidence", () => {
  it("is a fair bet as long as there is no difference: its mean is 1, whatever the shares and the rate are", () => {
    const sessions = 12
    for (const share of [0.1, 0.5, 0.8]) {
      const evidence = differenceBetween(share)
      for (const rate of [0.02, 0.3, 0.5, 0.97]) {
        let mean = 0
        let meanOfBalance = 0
        for (let helped = 0; helped <= sessions; helped += 1) {
          for (let ofHelped = 0; ofHelped <= helped; ofHelped += 1) {
            for (let ofOthers = 0; ofOthers <= sessions - helped; ofOthers += 1) {
              const second = { counted: ofHelped + ofOthers, helpful: ofHelped }
              const first = { counted: sessions - second.counted, helpful: helped - ofHelped }
              const probability =
                binomial(sessions, helped, rate) *
                binomial(helped, ofHelped, share) *
                binomial(sessions - helped, ofOthers, share)
              mean += probability * Math.exp(evidence(first, second))
              meanOfBalance += probability * Math.exp(imbalanceOf([first.counted, second.counted], [1 - share, share]))
            }
          }
        }
        assert.closeTo(mean, 1, 1e-9, `${share} ${rate}`)
        assert.closeTo(meanOfBalance, 1, 1e-9, `${share} ${rate}`)
      }
    }
  })

  it("is the same for a policy that is worse as for one that is better, and grows with the sessions", () => {
    const evidence = differenceBetween(0.5)
    const [low, high] = [
      { counted: 100, helpful: 30 },
      { counted: 100, helpful: 50 }
    ]
    assert.closeTo(evidence(low, high), evidence(high, low), 1e-9)
    assert.isAbove(evidence(low, high), evidence({ counted: 10, helpful: 3 }, { counted: 10, helpful: 5 }))
    assert.isBelow(evidence(high, high), 0)
  })
})

describe("the interval of a rate", () => {
  it("has the true rate in all looks at an experiment, as often as it promises", () => {
    for (const rate of [0.03, 0.3, 0.5]) {
      // By the exact probabilities of every count at every session, as long as no look has missed it.
      let kept = [1]
      for (let counted = 1; counted <= 300; counted += 1) {
        kept = Array.from({ length: counted + 1 }, (_, helpful) => {
          const probability = (kept[helpful] ?? 0) * (1 - rate) + (kept[helpful - 1] ?? 0) * rate
          if (probability < 1e-12) return 0
          const { lower, upper } = intervalOf({ counted, helpful }, 0.05)
          return lower <= rate && rate <= upper ? probability : 0
        })
      }
      assert.isAtLeast(
        kept.reduce((sum, probability) => sum + probability, 0),
        0.95
      )
    }
  })

  it("has the rate that was seen in it, and says nothing of nothing", () => {
    assert.deepStrictEqual(intervalOf({ counted: 0, helpful: 0 }, 0.05), { lower: 0, upper: 1 })
    for (const helpful of [0, 1, 50, 99, 100]) {
      const { lower, upper } = intervalOf({ counted: 100, helpful }, 0.05)
      assert.isAtMost(lower, helpful / 100)
      assert.isAtLeast(upper, helpful / 100)
      assert.isBelow(upper - lower, 0.4)
    }
  })
})

describe("a session", () => {
  it("has one policy for good, by the shares, and another draw decides in another experiment", () => {
    const policies = [
      { policy: "diverse", share: 70 },
      { policy: "whole", share: 20 },
      { policy: "newest", share: 10 }
    ]
    const sessions = Array.from({ length: 20_000 }, (_, at) => `session-${at}`)
    const positions = (seed: string) => sessions.map((session) => policyOf(seed, session, policies))
    const one = positions("one")
    assert.deepStrictEqual(positions("one"), one)
    for (const policy of policies) {
      assert.closeTo(one.filter((drawn) => drawn === policy).length / sessions.length, policy.share / 100, 0.015)
    }
    const other = positions("other")
    const same = one.filter((drawn, at) => drawn === other[at]).length
    assert.closeTo(same / sessions.length, 0.7 ** 2 + 0.2 ** 2 + 0.1 ** 2, 0.015)
  })
})

/** Alarms in percent. */
const alarms = (found: ReadonlyArray<Found>): number =>
  (100 * found.filter(({ day }) => day !== undefined).length) / found.length

const constant =
  (...rates: ReadonlyArray<number>) =>
  () =>
    rates

const isLong = process.env["EXPERIMENTS"] === "all"
const count = isLong ? 10_000 : 400
const usual = { sessionsADay: 40, days: 60 }

const experiments: ReadonlyArray<readonly [name: string, experiment: Experiment]> = [
  ["none: 10 % and 10 %", { ...usual, shares: [50, 50], rates: constant(0.1, 0.1) }],
  ["none: 50 % and 50 %", { ...usual, shares: [50, 50], rates: constant(0.5, 0.5) }],
  ["none: 30 %, shares 90 and 10", { ...usual, shares: [90, 10], rates: constant(0.3, 0.3) }],
  ["none: 40 %, four policies", { ...usual, shares: [25, 25, 25, 25], rates: constant(0.4, 0.4, 0.4, 0.4) }],
  [
    "none: from 20 % to 80 % and back each week",
    { ...usual, shares: [50, 50], rates: (day) => Array(2).fill(0.5 + 0.3 * Math.sin((day * 2 * Math.PI) / 7)) }
  ],
  ["50 % and 55 %", { ...usual, shares: [50, 50], rates: constant(0.5, 0.55) }],
  ["50 % and 60 %", { ...usual, shares: [50, 50], rates: constant(0.5, 0.6) }],
  ["50 % and 70 %", { ...usual, shares: [50, 50], rates: constant(0.5, 0.7) }],
  ["10 % and 20 %", { ...usual, shares: [50, 50], rates: constant(0.1, 0.2) }],
  ["50 % and 60 %, shares 90 and 10", { ...usual, shares: [90, 10], rates: constant(0.5, 0.6) }]
]

const found = new Map<string, ReadonlyArray<Found>>()

/** The long form takes minutes; nothing here waits. */
const patience = 600_000

describe("simulated experiments", () => {
  for (const [at, [name, experiment]] of experiments.entries()) {
    const promise = name.startsWith("none")
      ? `raise a false alarm as rarely as promised (${name})`
      : `find a real difference, in the right direction (${name})`
    it(
      `${promise}, in ${count} runs, looked at each day`,
      async () => {
        const all = await runs(experiment, count, at + 1)
        found.set(name, all)
        if (name.startsWith("none")) return assert.isAtMost(alarms(all), 5 + 1)
        assert.isAtLeast(all.filter(({ verdict }) => verdict === "better").length, count / 5)
        assert.isAtMost(all.filter(({ verdict }) => verdict === "worse").length, count / 100)
      },
      patience
    )
  }

  it.skipIf(!isLong)("are what the table in the README says", () => {
    const medianOf = (all: ReadonlyArray<Found>) =>
      all.map(({ day }) => day ?? Number.POSITIVE_INFINITY).sort((one, other) => one - other)[all.length / 2] ?? 0
    const table = [
      "| difference | verdict within 60 days | median day of it |",
      "| --- | ---: | ---: |",
      ...[...found].map(
        ([name, all]) =>
          `| ${name} | ${alarms(all).toFixed(1)} % | ${medianOf(all) === Number.POSITIVE_INFINITY ? "–" : medianOf(all)} |`
      )
    ].join("\n")
    const page = readFileSync(join(import.meta.dirname, "../../src/service/README.md"), "utf8")
    assert.strictEqual(/^\| difference \|.*(?:\n\|.*)*/m.exec(page)?.[0], table)
  })

  it("in which a policy changes who answers are not compared", () => {
    const compare = comparing([50, 50])
    const [, half] = compare([
      { counted: 2000, helpful: 1000 },
      { counted: 1000, helpful: 400 }
    ])
    assert.strictEqual(half?.verdict, "unbalanced")
    const [, equal] = compare([
      { counted: 1520, helpful: 760 },
      { counted: 1480, helpful: 600 }
    ])
    assert.strictEqual(equal?.verdict, "worse")
  })
})

const extracted = (file: string) =>
  Effect.repeat(
    rowsOf(file, "SELECT 1 FROM file_texts WHERE state IN ('queued', 'running')"),
    Schedule.spaced("50 millis").pipe(Schedule.untilInput((rows: ReadonlyArray<unknown>) => rows.length === 0))
  )

const tagOf = (refused: Effect.Effect<unknown, { readonly _tag: string }>) =>
  Effect.map(Effect.flip(refused), (error) =>
    "problem" in error ? `${error._tag} ${String(error.problem)}` : error._tag
  )

const soon = () => new Date(Date.now() + 3_600_000)

const shares = [
  { policy: "relevant", share: 50 },
  { policy: "whole", share: 50 }
] as const

describe("an experiment that runs", () => {
  it.scopedLive(
    "gives each session one policy, counts each session once, and shows an administrator what it shows",
    () =>
      Effect.gen(function* () {
        const { ask, clientOf, file } = yield* serving({ accounts, extractsTexts: true })
        const alice = yield* clientOf(tokenOf("alice"))
        const bob = yield* clientOf(tokenOf("bob"))
        const root = yield* clientOf(tokenOf("root"))
        const sessions = Array.from({ length: 16 }, (_, at) => `s${at}`)
        for (const sessionId of sessions) {
          yield* alice.files.upload({ path: { sessionId }, payload: fileForm("a.txt", `a flywheel in ${sessionId}`) })
        }
        yield* extracted(file)
        const message = "Where is the flywheel?"
        const asked = (sessionId: string) =>
          alice.context.choose({ path: { sessionId }, payload: { message, budget: 100 } })
        assert.deepInclude(yield* asked("s0"), { policy: "diverse", experiment: null })

        const [created, { headers, status }] = yield* root.experiments.create({
          payload: { name: "first", policies: shares, endsAt: soon() },
          withResponse: true
        })
        assert.deepStrictEqual([status, headers["location"]], [201, "/api/experiments/first"])
        assert.deepInclude(created, { name: "first", state: "running", createdBy: "root", policies: [...shares] })

        const given = yield* Effect.forEach(sessions, asked)
        assert.deepStrictEqual([...new Set(given.map(({ experiment }) => experiment))], ["first"])
        assert.sameMembers([...new Set(given.map(({ policy }) => policy))], ["relevant", "whole"])
        const again = yield* Effect.forEach(sessions, asked)
        assert.deepStrictEqual(again, given)

        // A policy that was asked for is not of the experiment, and neither is a session without texts.
        const own = { message, budget: 100, policy: "newest" } as const
        assert.deepInclude(yield* alice.context.choose({ path: { sessionId: "s0" }, payload: own }), {
          policy: "newest",
          experiment: null
        })
        assert.deepInclude(yield* asked("empty"), { policy: "diverse", experiment: null, passages: [] })

        const report = (sessionId: string, answerId: string, outcome: "helpful" | "ignored" | "used") =>
          Effect.flatMap(asked(sessionId), ({ passages, receipt }) =>
            alice.experiments.report({
              path: { sessionId, answerId },
              payload: {
                experiment: "first",
                receipt: receipt ?? "none",
                outcomes: passages.map(({ fileId, ordinal }) => ({ fileId, ordinal, outcome }))
              }
            })
          )
        const [helpedSession = "", otherSession = ""] = ["relevant", "whole"].map(
          (policy) => sessions[given.findIndex((one) => one.policy === policy)]
        )
        const first = yield* report(helpedSession, "answer 1", "helpful")
        assert.deepInclude(first, { answerId: "answer 1", experiment: "first", policy: "relevant", isCounted: true })
        assert.deepStrictEqual(yield* report(helpedSession, "answer 1", "helpful"), first)
        assert.strictEqual(
          yield* tagOf(report(helpedSession, "answer 1", "used")),
          "ExperimentConflict ReportedOtherwise"
        )
        assert.deepInclude(yield* report(helpedSession, "answer 2", "ignored"), { isCounted: false })

        // What was not given is told, and nothing of such a report counts.
        const { passages: shown, receipt } = yield* asked(helpedSession)
        const elsewhere = (yield* asked(otherSession)).passages
        const outcomesOf = (passages: ReadonlyArray<{ readonly fileId: string; readonly ordinal: number }>) =>
          passages.map(({ fileId, ordinal }) => ({ fileId, ordinal, outcome: "helpful" as const }))
        const reported = (sessionId: string, receipt: string | null, passages: Parameters<typeof outcomesOf>[0]) =>
          alice.experiments.report({
            path: { sessionId, answerId: "answer 3" },
            payload: { experiment: "first", receipt: receipt ?? "none", outcomes: outcomesOf(passages) }
          })
        const notGiven = [
          { fileId: shown[0]?.fileId ?? "", ordinal: 1 },
          { fileId: "6f0c1c34-4b6c-4b8e-9d6a-0f3e0f5b7c11", ordinal: 0 },
          ...elsewhere.map(({ fileId, ordinal }) => ({ fileId, ordinal }))
        ]
        const refused = yield* Effect.flip(reported(helpedSession, receipt, [...shown, ...notGiven]))
        assert.deepInclude(refused, { _tag: "ExperimentConflict", problem: "NotGiven", passages: notGiven })
        for (const [sessionId, handedBack, passages] of [
          [helpedSession, "none", shown],
          [helpedSession, "", []],
          [helpedSession, `${receipt}AAAAAAAA`, shown],
          [otherSession, receipt, shown],
          [otherSession, receipt, []],
          ["empty", receipt, []]
        ] as const) {
          assert.strictEqual(
            yield* tagOf(reported(sessionId, handedBack, passages)),
            "ExperimentConflict UnknownReceipt"
          )
        }
        // The record of its context was lost with a process that was killed.
        yield* execute(file, `DELETE FROM experiment_sessions WHERE session_id = '${otherSession}'`)
        const none = {
          path: { sessionId: otherSession, answerId: "☃" },
          payload: { experiment: "first", receipt: (yield* asked(otherSession)).receipt ?? "none", outcomes: [] }
        }
        assert.deepInclude(yield* alice.experiments.report(none), { policy: "whole", isCounted: true })

        const { policies, requiredEvidence } = yield* root.experiments.result({ path: { name: "first" } })
        const ofPolicy = (policy: string) => given.filter((one) => one.policy === policy).length
        assert.strictEqual(requiredEvidence, 20)
        assert.deepInclude(policies[0], {
          policy: "relevant",
          share: 50,
          sessions: ofPolicy("relevant"),
          countedSessions: 1,
          helpfulSessions: 1,
          // Those of the second answer, to the same context, count as little as it does.
          passages: { used: 0, helpful: 1, ignored: 0 },
          rate: 1,
          upper: 1,
          verdict: null,
          evidence: null
        })
        assert.deepInclude(policies[1], {
          policy: "whole",
          countedSessions: 1,
          helpfulSessions: 0,
          passages: { used: 0, helpful: 0, ignored: 0 },
          rate: 0,
          lower: 0,
          verdict: "notEnough"
        })

        // A time that cannot be kept is refused, not changed.
        const [far, early] = [new Date("+010000-01-01T00:00:00Z"), new Date("-000001-01-01T00:00:00Z")]
        for (const times of [{ endsAt: far }, { startsAt: far, endsAt: far }, { startsAt: early, endsAt: soon() }]) {
          const payload = JSON.stringify({ name: "beyond", policies: shares, ...times })
          const headers = { authorization: `Bearer ${tokenOf("root")}`, "content-type": "application/json" }
          const refused = yield* ask("/api/experiments", { method: "POST", headers, body: payload })
          assert.strictEqual(refused.status, 400)
          const field = "startsAt" in times ? "startsAt" : "endsAt"
          assert.include(
            String((yield* jsonOf(refused))["message"]),
            `\`${field}\` must be a time between the years 1 and 9999`
          )
        }

        // Who may not, what is not there, and what comes too late.
        assert.strictEqual(yield* tagOf(bob.experiments.report(none)), "Forbidden")
        for (const refused of [
          alice.experiments.create({ payload: { name: "mine", policies: shares, endsAt: soon() } }),
          alice.experiments.list({ urlParams: { limit: 10 } }),
          alice.experiments.result({ path: { name: "first" } }),
          alice.experiments.end({ path: { name: "first" } })
        ]) {
          assert.strictEqual(yield* tagOf(refused), "Forbidden")
        }
        const unknown = { ...none, payload: { ...none.payload, experiment: "unknown" } }
        assert.strictEqual(yield* tagOf(alice.experiments.report(unknown)), "ExperimentNotFound")
        assert.deepInclude(yield* root.experiments.end({ path: { name: "first" } }), { state: "ended" })
        assert.deepInclude(yield* asked(helpedSession), { policy: "diverse", experiment: null })
        const late = { ...none, path: { ...none.path, answerId: "late" } }
        assert.deepInclude(yield* alice.experiments.report(late), { isCounted: false })
        // What was given was given, wherever its file is now.
        yield* Effect.forEach(shown, ({ fileId }) => alice.files.destroy({ path: { fileId } }))
        assert.deepInclude(yield* reported(helpedSession, receipt, shown), { policy: "relevant", isCounted: false })
        assert.strictEqual(
          yield* tagOf(root.experiments.end({ path: { name: "first" } })),
          "ExperimentConflict HasEnded"
        )
      })
  )

  it.scopedLive("is alone in its time, and what cannot be one is refused", () =>
    Effect.gen(function* () {
      const { ask, clientOf } = yield* serving({ accounts })
      const { experiments } = yield* clientOf(tokenOf("root"))
      const hours = (count: number) => new Date(Date.now() + count * 3_600_000)
      const create = (name: string, from: number, to: number) =>
        experiments.create({ payload: { name, policies: shares, startsAt: hours(from), endsAt: hours(to) } })
      assert.deepInclude(yield* create("later", 5, 6), { state: "planned" })
      assert.deepInclude(yield* create("now", -5, 4), { state: "running" })
      assert.strictEqual(yield* tagOf(create("beside", 3, 5.5)), "ExperimentConflict OtherIsRunning")
      assert.strictEqual(yield* tagOf(create("within", 5.2, 5.4)), "ExperimentConflict OtherIsRunning")
      assert.strictEqual(yield* tagOf(create("around", 4.5, 9)), "ExperimentConflict OtherIsRunning")
      assert.strictEqual(yield* tagOf(create("now", 7, 8)), "ExperimentConflict NameTaken")
      assert.strictEqual(yield* tagOf(create("past", -3, -2)), "ExperimentConflict EndsTooEarly")
      assert.strictEqual(yield* tagOf(create("backwards", 8, 7)), "ExperimentConflict EndsTooEarly")
      // One that never ran leaves its time to others.
      assert.deepInclude(yield* experiments.end({ path: { name: "later" } }), { state: "ended" })
      yield* create("instead", 5, 6)
      const page = yield* experiments.list({ urlParams: { limit: 2 } })
      assert.deepStrictEqual(
        page.experiments.map(({ name, state }) => `${name} ${state}`),
        ["instead planned", "now running"]
      )
      const rest = yield* experiments.list({ urlParams: { limit: 2, before: page.next ?? 0 } })
      assert.deepStrictEqual(
        rest.experiments.map(({ name }) => name),
        ["later"]
      )
      for (const wrong of [
        [{ policy: "whole", share: 100 }],
        [
          { policy: "whole", share: 50 },
          { policy: "whole", share: 50 }
        ],
        [
          { policy: "whole", share: 50 },
          { policy: "newest", share: 40 }
        ],
        [
          { policy: "whole", share: 50 },
          { policy: "best", share: 50 }
        ]
      ]) {
        const response = yield* ask("/api/experiments", {
          method: "POST",
          headers: { authorization: `Bearer ${tokenOf("root")}`, "content-type": "application/json" },
          body: JSON.stringify({ name: "wrong", policies: wrong, endsAt: hours(9) })
        })
        assert.strictEqual(response.status, 400, JSON.stringify(wrong))
      }
    })
  )
})
