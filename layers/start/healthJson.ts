/** Answers to probes, as `application/health+json` (draft-inadarei-api-health-check-06). */
import type { Timeline } from "./Timeline.ts"

/** One check of a health answer. */
export interface Check {
  /** Whether it passed; `warn` where somebody should look, and the service goes on. */
  readonly status: "pass" | "warn" | "fail"
  /** When the check began: ISO 8601, UTC. */
  readonly time: string
  /** What was seen. */
  readonly observedValue: string | number
  /** Its unit. */
  readonly observedUnit: string
  /** What is wrong, as `Tag.Reason`; undefined if nothing is. */
  readonly reason: string | undefined
  /** The same for people; may name paths. */
  readonly message: string | undefined
  /** The node that was looked at, where there are several. */
  readonly componentId?: string
  /** Seconds since this check began, if a newer one has not ended. */
  readonly age?: number
}

/** The stages of a start on this engine (default `sqlite`). One that runs is a warning: it may succeed. */
export const stageChecks = (
  { current, stages }: Pick<Timeline, "current" | "stages">,
  engine: "sqlite" | "postgres" = "sqlite"
): ReadonlyArray<readonly [name: string, check: Check]> =>
  stages.map(({ durationMs, found, name, startedAt }) => [
    `${engine}:${name}`,
    {
      status: name === current ? "warn" : "pass",
      time: startedAt,
      observedValue: durationMs,
      observedUnit: "ms",
      reason: name === current ? "Initialization.Running" : undefined,
      message: found
    }
  ])

/** The worst of all checks. */
export const worstStatus = (checks: ReadonlyArray<Pick<Check, "status">>): Check["status"] =>
  (["fail", "warn"] as const).find((status) => checks.some((check) => check.status === status)) ?? "pass"

/** The member `checks` of an answer. Messages may name paths: without them an answer tells the reasons alone. */
export const checksJson = (
  checks: ReadonlyArray<readonly [name: string, check: Check]>,
  withMessages: boolean
): Readonly<Record<string, ReadonlyArray<object>>> => {
  const named: Record<string, Array<object>> = {}
  for (const [name, { message, reason, ...check }] of checks) {
    named[name] ??= []
    named[name].push({
      componentType: /^(sqlite|postgres):/.test(name) ? "datastore" : "component",
      ...check,
      output: withMessages ? (message ?? reason) : reason
    })
  }
  return named
}

/** What a probe is answered with. */
export interface HealthAnswer {
  /** 503 for a failure, 200 otherwise: supervisors look at nothing else. */
  readonly status: number
  /** Never to be kept; with `retry-after` for a failure. */
  readonly headers: Readonly<Record<string, string>>
  /** One line of JSON. */
  readonly body: string
}

/** An answer with this status and these members. */
export const healthAnswer = (status: Check["status"], members: Readonly<Record<string, unknown>>): HealthAnswer => ({
  status: status === "fail" ? 503 : 200,
  headers: {
    "content-type": "application/health+json",
    "cache-control": "no-store",
    ...(status === "fail" ? { "retry-after": "1" } : {})
  },
  body: `${JSON.stringify({ status, ...members })}\n`
})
