/** What probes are answered with, during starts and after them, whatever serves HTTP. */
import { sep } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { type Check, checksJson, type HealthAnswer, healthAnswer, stageChecks, worstStatus } from "./healthJson.ts"
import type { LiveHealth, ObservedStart } from "./startObservers.ts"

/** Where the program is. */
export type Phase = "starting" | "open" | "stopping"

/** What a probe is answered from. */
export interface Seen {
  readonly phase: Phase
  readonly starts: Iterable<ObservedStart>
}

type Named = readonly [name: string, check: Check]

/** What tells each of the files from the others: its name, with as many directories before it as that takes. */
const namesOf = (starts: Iterable<ObservedStart>): ((database: string) => string) => {
  const all = [...starts].map(({ database }) => database.split(sep))
  const end = (parts: ReadonlyArray<string>, count: number) => parts.slice(-count).join(sep)
  return (database) => {
    const parts = database.split(sep)
    const others = all.filter((other) => other.join(sep) !== database)
    let count = 1
    while (count < parts.length && others.some((other) => end(other, count) === end(parts, count))) count += 1
    return end(parts, count)
  }
}

/** Databases on PostgreSQL are named by their URL. */
const engineOf = (database: string) => (database.startsWith("postgres:") ? "postgres" : "sqlite")

const lookAt = (check: string, name: string, health: LiveHealth): Effect.Effect<Named> =>
  Effect.gen(function* () {
    const time = new Date(yield* Clock.currentTimeMillis).toISOString()
    const found = yield* Effect.either(health)
    const about = { time, componentId: name, observedUnit: "schema version" }
    if (Either.isLeft(found)) {
      const { _tag, message, reason } = found.left
      return [check, { ...about, status: "fail", observedValue: "", reason: `${_tag}.${reason}`, message }]
    }
    const { schemaVersion = "none", warnings } = found.right
    const isWarned = warnings.length > 0
    return [
      check,
      {
        ...about,
        status: isWarned ? "warn" : "pass",
        observedValue: schemaVersion,
        reason: isWarned ? "Health.Warning" : undefined,
        message: isWarned ? warnings.join(" ") : undefined
      }
    ]
  })

/** The checks of each start: its stages while it goes on, then the live database. */
const checksOf = ({ starts }: Seen): Effect.Effect<ReadonlyArray<Named>> => {
  const nameOf = namesOf(starts)
  return Effect.map(
    Effect.forEach(starts, ({ database, health, timeline }) =>
      health === undefined
        ? Effect.map(timeline, (course) =>
            stageChecks(course, engineOf(database)).map(
              ([name, check]): Named => [name, { ...check, componentId: nameOf(database) }]
            )
          )
        : Effect.map(lookAt(`${engineOf(database)}:database`, nameOf(database), health), (check) => [check])
    ),
    (checks) => checks.flat()
  )
}

const startsJson = ({ starts }: Seen) => {
  const nameOf = namesOf(starts)
  return Effect.forEach(starts, ({ database, timeline }) =>
    Effect.map(timeline, ({ current, doing, durationMs, startedAt, step }) => ({
      database: nameOf(database),
      startedAt,
      durationMs,
      stage: current,
      doing: doing === "" ? undefined : doing,
      progress: step
    }))
  )
}

/** Ready is open, and everything sound. */
const statusOf = (phase: Phase, checks: ReadonlyArray<Named>): Check["status"] =>
  phase === "open" ? worstStatus(checks.map(([, check]) => check)) : "fail"

/**
 * The answer of each probe, by its path. `details` puts the sentences of what is wrong into them, which may name paths.
 */
export const probeAnswers = (
  seen: Effect.Effect<Seen>,
  details: boolean
): Readonly<Record<string, Effect.Effect<HealthAnswer>>> => {
  const answer = (which: (checks: ReadonlyArray<Named>) => ReadonlyArray<Named>) =>
    Effect.gen(function* () {
      const now = yield* seen
      const checks = yield* checksOf(now)
      const members = { phase: now.phase, checks: checksJson(which(checks), details) }
      return healthAnswer(statusOf(now.phase, checks), members)
    })
  return {
    "/livez": Effect.succeed({
      status: 200,
      headers: { "content-type": "text/plain", "cache-control": "no-store" },
      body: "ok\n"
    }),
    "/readyz": answer((checks) => checks.filter(([, { status }]) => status !== "pass")),
    "/startupz": Effect.gen(function* () {
      const now = yield* seen
      const isOver = now.phase !== "starting"
      const members = { phase: now.phase, starts: isOver ? undefined : yield* startsJson(now) }
      return healthAnswer(isOver ? "pass" : "fail", members)
    }),
    "/health": answer((checks) => checks)
  }
}
