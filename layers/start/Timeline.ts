/** How far a start is, as a value. */
import type { Holder } from "../machine/FileLocks.ts"
import { millisBetween } from "../machine/monotonic.ts"
import type { Measure, Step } from "./Measure.ts"
import type { StageName } from "./policy.ts"

/** What one stage did. */
export interface StageReport {
  /** The stage. */
  readonly name: StageName
  /** How often it was tried, 1 where it passed at once. */
  readonly attempts: number
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Milliseconds, its waits included; so far, while it runs. */
  readonly durationMs: number
  /** What the stage saw, in a few words; why it refused or what it waits for, while it has not passed. */
  readonly found: string
}

/** How far the start is, as a value: for probes while it runs, and for the report when it is over. */
export interface Timeline {
  /** ISO 8601, UTC. */
  readonly startedAt: string
  /** Milliseconds since then. */
  readonly durationMs: number
  /** The stage that runs or has refused; undefined between two stages and when all have passed. */
  readonly current: StageName | undefined
  /** The stages that have begun, in their order. */
  readonly stages: ReadonlyArray<StageReport>
  /** Migrations that this start has committed, as `NNN_name`. */
  readonly applied: ReadonlyArray<string>
  /** Absolute path of the copy that it made before; undefined where it made none. */
  readonly backup: string | undefined
  /** What is going on in the current stage, such as "applying 003_add_owner"; "" where it has no name. */
  readonly doing: string
  /** How far that is; undefined where it cannot be measured. */
  readonly step: Step | undefined
}

export interface Entry {
  readonly name: StageName
  readonly startedAt: number
  readonly startedNanos: bigint
  attempts: number
  durationMs: number | undefined
  /** What the attempt that runs is at, for a timeout to name; "" before it has said anything. */
  doing: string
  /** How far that is. */
  measure: Measure | undefined
  /** Milliseconds of the start at which it began, and at which it was last looked at how far it is. */
  since: number
  lookedAt: number
  found: string
  holders: ReadonlyArray<Holder>
}

/** A stage that runs twice is one line: pragmas are confirmed once more at the end, which is not a second attempt. */
export const reportOf = (entries: ReadonlyArray<Entry>, now: bigint): ReadonlyArray<StageReport> => {
  const reports = new Map<StageName, StageReport>()
  for (const entry of entries) {
    const before = reports.get(entry.name)
    const durationMs = entry.durationMs ?? timeBetween(entry.startedNanos, now)
    reports.set(entry.name, {
      name: entry.name,
      attempts: (before?.attempts ?? 1) + entry.attempts - 1,
      startedAt: before?.startedAt ?? new Date(entry.startedAt).toISOString(),
      durationMs: round((before?.durationMs ?? 0) + durationMs),
      found: entry.found
    })
  }
  return [...reports.values()]
}

export const timeBetween = (from: bigint, to: bigint): number => round(millisBetween(from, to))

/** Rounded to microseconds: more digits would be noise. */
const round = (millis: number): number => Math.round(millis * 1000) / 1000
