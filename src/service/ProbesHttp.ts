/** HTTP handlers for supervisors, monitors and browsers, answered from the first moment. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import { checksJson, type HealthAnswer, healthAnswer, stageChecks, worstStatus } from "../../layers/http.ts"
import type { StageReport, Timeline } from "../../layers/index.ts"
import packageJson from "../../package.json" with { type: "json" }
import { Access } from "./Access.ts"
import { ProbesApi } from "./Api.ts"
import { cachedFor } from "./cachedFor.ts"
import { type Behind, Door, isServing, type Phase } from "./Door.ts"
import { KeptAnswers } from "./KeptAnswers.ts"
import { contentType, exposition, type Gauge } from "./Prometheus.ts"
import { Settings } from "./Settings.ts"
import { StartTimeline } from "./StartTimeline.ts"
import { Strangers } from "./Strangers.ts"
import type { Check, Watched } from "./Watch.ts"

export const probesHttp = HttpApiBuilder.group(
  ProbesApi,
  "probes",
  Effect.fnUntraced(function* (handlers) {
    const door = yield* Door
    const { timeline } = yield* StartTimeline
    const { mayLookInside } = yield* Access
    const { remember } = yield* Strangers
    const { keepWhile } = yield* KeptAnswers
    const { databaseUrl, healthCache } = yield* Settings
    const engine = Option.isSome(databaseUrl) ? "postgres" : "sqlite"

    /** Everything known at this moment. */
    const seen = Effect.gen(function* () {
      const phase = yield* door.phase
      const start: Course = isServing(phase) ? finished(phase.report) : courseOf(yield* timeline)
      const checks: Checks = { ...Object.fromEntries(stageChecks(start, engine)), ...(yield* liveChecks(phase)) }
      return { phase, start, checks, status: worstOf(phase, checks) }
    })

    /** The answer holds as long as each of its checks does. */
    const still = ({ checks, phase }: { readonly checks: Checks; readonly phase: Phase }) =>
      keepWhile(
        () =>
          door.unsafePhase() === phase &&
          isServing(phase) &&
          Object.entries(watchedIn(phase)).every(([name, { kept }]) => kept() === checks[name])
      )

    // Rendered once for everyone who asks at that moment.
    const metrics = cachedFor(
      seen.pipe(
        Effect.flatMap((now) => exposition(gaugesOf(now))),
        Effect.map((text) => HttpServerResponse.text(text, { contentType, headers: neverKept }))
      ),
      healthCache
    )

    return handlers
      .handleRaw("livez", () =>
        Effect.as(
          keepWhile(() => true),
          HttpServerResponse.text("ok\n", { headers: neverKept })
        )
      )
      .handleRaw("readyz", ({ request }) =>
        Effect.flatMap(Effect.tap(seen, still), ({ checks, phase, start, status }) => {
          const inside = mayLookInside(request.headers)
          const answer = healthAnswer(status, { ...whereIn(phase, start), checks: shown(notPassing(checks), inside) })
          return Effect.as(inside ? Effect.void : remember("/readyz", answer), respond(answer))
        })
      )
      .handleRaw("startupz", () =>
        Effect.flatMap(Effect.all([door.phase, timeline]), ([phase, start]) => {
          const answer = healthAnswer(phase._tag === "Starting" ? "fail" : "pass", whereIn(phase, start))
          return Effect.as(remember("/startupz", answer), respond(answer))
        })
      )
      .handleRaw("health", ({ request }) =>
        Effect.map(Effect.tap(seen, still), ({ checks, phase, start, status }) => {
          const inside = mayLookInside(request.headers)
          const answer = healthAnswer(status, {
            serviceId: "conversation-files",
            releaseId: packageJson.version,
            description: "The files of conversations, on a database that is provably ready",
            ...whereIn(phase, start),
            ...(isServing(phase) ? { pragmas: phase.report.pragmas } : {}),
            checks: shown(checks, inside),
            startup: { ...start, stages: start.stages.map((stage) => (inside ? stage : withoutFinding(stage))) }
          })
          return respond(answer)
        })
      )
      .handleRaw("metrics", () => metrics)
  })
)

/** The current state of the service, besides the counts of what has happened. */
const gaugesOf = ({
  checks,
  start,
  status
}: {
  readonly checks: Checks
  readonly start: Course
  readonly status: Status
}): ReadonlyArray<Gauge> => {
  const free = checks["storage:space"]
  // The stage that opened the database knows the version of its engine.
  const found = start.stages.find(({ name }) => name === "connection")?.found ?? ""
  const [, engine = "SQLite", engineVersion = ""] = /^(SQLite|PostgreSQL) ([\d.]+)/.exec(found) ?? []
  return [
    {
      name: "conversation_files_ready",
      help: "Whether requests are served: 1, or 0",
      value: status === "fail" ? 0 : 1
    },
    {
      name: "conversation_files_build_info",
      help: "The versions that the service runs with; always 1",
      labels: { version: packageJson.version, node: process.versions.node, [engine.toLowerCase()]: engineVersion },
      value: 1
    },
    ...(free?.observedUnit === "bytes" && typeof free.observedValue === "number"
      ? [
          {
            name: "conversation_files_disk_free_bytes",
            help: "Bytes that can still be written on the disk of the contents",
            value: free.observedValue
          }
        ]
      : []),
    {
      name: "process_start_time_seconds",
      help: "When the process began, in seconds since 1970",
      value: Math.round(performance.timeOrigin) / 1000
    },
    { name: "process_resident_memory_bytes", help: "Memory of the process", value: process.memoryUsage.rss() }
  ]
}

/** What probes show of a start, without paths of files. */
interface Course extends Pick<Timeline, "startedAt" | "durationMs" | "current" | "stages"> {
  readonly doing?: string | undefined
  readonly step?: Timeline["step"]
}

const courseOf = ({ current, doing, durationMs, stages, startedAt, step }: Timeline): Course => ({
  startedAt,
  durationMs,
  current,
  stages,
  doing: doing === "" ? undefined : doing,
  step
})

/** The timeline stops once the start is over. */
const finished = ({ durationMs, stages, startedAt }: Behind["report"]): Course => ({
  startedAt,
  durationMs,
  current: undefined,
  stages
})

type Status = Check["status"]
type Checks = Readonly<Record<string, Check>>

const neverKept = { "cache-control": "no-store" }

const respond = ({ body, headers, status }: HealthAnswer) =>
  HttpServerResponse.text(body, { status, headers, contentType: "application/health+json" })

/**
 * The phase of the service. During the start also its stage, its attempts, since when, what runs, and how far it is.
 */
const whereIn = (phase: Phase, { current, doing, stages, step }: Course) => {
  const stage = stages.find(({ name }) => name === current)
  switch (phase._tag) {
    case "Starting":
      return {
        phase: "starting",
        stage: current,
        attempts: stage?.attempts,
        since: stage?.startedAt,
        doing,
        progress: step
      }
    case "Open":
    case "Leaving":
      return { phase: phase._tag.toLowerCase(), schemaVersion: phase.report.schemaVersion }
    case "Stopping":
      return { phase: "stopping" }
  }
}

const watchedIn = ({ health, engine }: Behind): Readonly<Record<string, Watched>> => ({
  [`${engine}:database`]: health.database,
  [`${engine}:write-lock`]: health.writeLock,
  ...(health.checkpoints === undefined ? {} : { "sqlite:checkpoints": health.checkpoints }),
  "storage:contents": health.contents,
  "storage:space": health.space,
  ...(health.limits === undefined ? {} : { "redis:limits": health.limits })
})

const liveChecks = (phase: Phase): Effect.Effect<Checks> =>
  isServing(phase)
    ? Effect.all(
        Record.map(watchedIn(phase), ({ check }) => check),
        { concurrency: "unbounded" }
      )
    : Effect.succeed({})

const worstOf = (phase: Phase, checks: Checks): Status =>
  phase._tag === "Open" ? worstStatus(Object.values(checks)) : "fail"

const notPassing = (checks: Checks): Checks =>
  Object.fromEntries(Object.entries(checks).filter(([, { status }]) => status !== "pass"))

const shown = (checks: Checks, inside: boolean) => checksJson(Object.entries(checks), inside)

const withoutFinding = ({ found: _, ...stage }: StageReport) => stage
