/** What long work tells somebody who watches: lines on a terminal, events with `--json=stream`, and nothing in a log. */
import { createRequire } from "node:module"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { describeMeasure, type Measure, type ProgressEvent, type RestoreStep } from "../../layers/index.ts"
import { tell } from "./say.ts"
import { emit, isStream } from "./stream.ts"

/** Looked at only where something takes long: loading this takes longer than most starts. */
const isTerminal = (): boolean => {
  const { isatty }: typeof import("node:tty") = createRequire(process.execPath)("node:tty")
  return isatty(2)
}

/** The time that is left of something, at the rate since it was first told of; "" where that is not known. */
const timeLeft = () => {
  const begun = new Map<string, { readonly at: number; readonly done: number }>()
  return (doing: string, { done, total }: Pick<Measure, "done" | "total">, now: number): string => {
    const since = begun.get(doing)
    // It counts from the beginning again where it is done a second time.
    if (since === undefined || done < since.done) {
      begun.set(doing, { at: now, done })
      return ""
    }
    const left = done > since.done ? ((now - since.at) * (total - done)) / (done - since.done) : 0
    return left > 0 ? `, ${Duration.format(Duration.seconds(Math.ceil(left / 1000)))} left` : ""
  }
}

/** Tells bytes; on a terminal with the time that is left. */
export const tellBytes = (): ((doing: string, done: number, total: number) => Effect.Effect<void>) => {
  const left = timeLeft()
  return (doing, done, total) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const measure = { done, total, unit: "bytes", detail: "" } as const
      if (isStream) return emit("progress", now, { doing, ...measure })
      return isTerminal() ? tell(`${doing}: ${describeMeasure(measure)}${left(doing, measure, now)}`) : Effect.void
    })
}

/** Tells a step of a restore before it runs. */
export const tellStep = ({ bytes, doing }: RestoreStep): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    if (isStream) return emit("progress", now, { doing, done: 0, total: bytes, unit: "bytes", detail: "" })
    return isTerminal() ? tell(`${doing}: ${Math.round(bytes / 1_000_000)} MB`) : Effect.void
  })

/**
 * Tells what a start does. What it waits for goes to a log too, early and then now and then. Not with `--json`: that
 * report counts the attempts.
 */
export const tellStart = (json: boolean): ((event: ProgressEvent) => Effect.Effect<void>) => {
  const tellOne = tellFleet(json)
  return (event) => tellOne(event)
}

/** The same for several databases at once, each with its name. */
export const tellFleet = (json: boolean): ((event: ProgressEvent, name?: string) => Effect.Effect<void>) => {
  const left = timeLeft()
  return (event, name) => {
    if (isStream) return emitStage(event, name)
    const which = name === undefined ? "" : `${shownName(name)}: `
    if (event._tag === "StageWaiting") {
      return json || !isWorthTelling(event.attempts)
        ? Effect.void
        : tell(`${which}waiting in the ${event.stage} stage: ${event.reason}`)
    }
    if (event._tag !== "StageProgress" || !isTerminal()) return Effect.void
    const time = event.unit === "bytes" ? left(`${which}${event.stage} ${event.doing}`, event, event.at) : ""
    return tell(`${which}${event.doing} in the ${event.stage} stage: ${describeMeasure(event)}${time}`)
  }
}

/** A file may be called anything, also what moves the cursor of a terminal. */
export const shownName = (name: string): string => JSON.stringify(name).slice(1, -1)

const isWorthTelling = (attempts: number): boolean => attempts === 3 || attempts % 100 === 0

const emitStage = ({ _tag, at, ...facts }: ProgressEvent, name?: string): Effect.Effect<void> =>
  _tag === "StageWaiting" && "attempts" in facts && facts.attempts !== 1 && !isWorthTelling(facts.attempts)
    ? Effect.void
    : emit(names[_tag], at, name === undefined ? facts : { name, ...facts })

const names = {
  StageStarted: "started",
  StageWaiting: "waiting",
  StageProgress: "progress",
  StagePassed: "passed",
  StageFailed: "failed"
} as const
