/** Named waiting: what a stage waits for, how often it asks, and when it gives up. */
import * as Duration from "effect/Duration"
import * as Schedule from "effect/Schedule"

/** The five stages, in the order in which they run. */
export const stageNames = ["directory", "connection", "pragmas", "migrations", "integrity"] as const
/** The name of a stage, in reports, events and errors. */
export type StageName = (typeof stageNames)[number]

/** How long a stage may take, and when it tries again. */
export interface Policy {
  /** Longest a stage may take, its waits included. A statement that runs is not cut off. Fails with `StageTimeoutError`. */
  readonly timeout: Duration.DurationInput
  /** When to try again after a refusal that waiting can cure. A schedule that ends gives up with that refusal. */
  readonly schedule: Schedule.Schedule<unknown>
}

/** The policy of each stage. */
export type Policies = Readonly<Record<StageName, Policy>>

/** A mount that is still waking: after 50, 100, 200, 400 and 800 ms, then no more. Six attempts within 1.55 s. */
export const whileTheMountWakes: Schedule.Schedule<unknown> = Schedule.exponential("50 millis").pipe(
  Schedule.intersect(Schedule.recurs(5))
)

/**
 * Another process is at work on the file: after 5, 10, 20, 40 and 80 ms, then every 100 ms, until the
 * stage's timeout. A waiter spends about one twentieth of a core, and the event loop is free between
 * two attempts.
 */
export const whileAnotherWorks: Schedule.Schedule<unknown> = Schedule.exponential("5 millis").pipe(
  Schedule.union(Schedule.spaced("100 millis"))
)

/** How often a look at the pages of a large file is asked how far it is. */
export const whileALookRuns: Schedule.Schedule<unknown> = Schedule.spaced("2 seconds")

/**
 * The policies that hold where none is given: `directory` 5 s, and six attempts within 1.55 s; `connection` and `pragmas`
 * 30 s each; `migrations` and `integrity` without a bound of their own, because one may wait for another process and the
 * other takes as long as the file is large. The last four try again after 5 to 80 ms, then every 100 ms.
 *
 * @example
 * ```ts
 * import { DatabaseReady, defaultPolicies, Migrations } from "database-ready"
 * import { Schedule } from "effect"
 *
 * // Gives up on a locked database after ten attempts.
 * export const database = DatabaseReady.layer({
 *   filename: "data/app.db",
 *   migrations: Migrations.fromDirectory("migrations"),
 *   policies: {
 *     migrations: { schedule: defaultPolicies.migrations.schedule.pipe(Schedule.intersect(Schedule.recurs(9))) }
 *   }
 * })
 * ```
 */
export const defaultPolicies: Policies = {
  directory: { timeout: "5 seconds", schedule: whileTheMountWakes },
  connection: { timeout: "30 seconds", schedule: whileAnotherWorks },
  pragmas: { timeout: "30 seconds", schedule: whileAnotherWorks },
  migrations: { timeout: Duration.infinity, schedule: whileAnotherWorks },
  integrity: { timeout: Duration.infinity, schedule: whileAnotherWorks }
}
