/** What the child process says: how far it is, and its answer. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { SystemFailure } from "../../machine/SystemFailure.ts"
import { type Row, SqliteFailure } from "../Sqlite.ts"

/** How far the child process is. */
export type Course =
  | { readonly _tag: "Beginning" }
  /** Bytes read ahead, and their total. */
  | { readonly _tag: "Reading"; readonly done: number; readonly total: number }
  /** SQLite was asked. Bytes that the process had read and written by then, if the system counts them. */
  | { readonly _tag: "Asking"; readonly read: number; readonly written: number }

/** How a process ended, and its answer until then. */
export interface End {
  readonly said: string
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export const courseIn = (line: string): Course | undefined => {
  const { _tag, done, read, total, written } = fieldsOf(valueIn(line))
  if (_tag === "Reading") return { _tag, done: Number(done), total: Number(total) }
  return _tag === "Asking" ? { _tag, read: Number(read), written: Number(written) } : undefined
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> => (Predicate.isRecord(value) ? value : {})

interface Answer {
  readonly rows?: ReadonlyArray<Row>
  readonly failure?: { readonly code?: string; readonly message: string }
}

/** An answer is complete if its process ended by itself; if it was killed, it may be half an answer. */
export const answerIn = ({
  code,
  said,
  signal
}: End): Effect.Effect<ReadonlyArray<Row>, SqliteFailure | SystemFailure> => {
  if (code !== 0) {
    const how = signal ?? `exit code ${code}`
    return Effect.fail(new SqliteFailure({ code: signal ?? "UNKNOWN", detail: `the process ended with ${how}` }))
  }
  const { failure, rows } = answerOf(said)
  if (rows !== undefined) return Effect.succeed(rows)
  if (failure === undefined) {
    return Effect.fail(new SystemFailure({ code: "EPROTO", detail: "the process ended without an answer" }))
  }
  const thrown = { code: failure.code ?? "UNKNOWN", detail: failure.message }
  return Effect.fail(thrown.code.startsWith("SQLITE_") ? new SqliteFailure(thrown) : new SystemFailure(thrown))
}

/** Empty if there is no answer: NODE_OPTIONS may load code that ends the process before it asks. */
const answerOf = (said: string): Answer => {
  const answer = valueIn(said)
  return isAnswer(answer) ? answer : {}
}

const valueIn = (line: string): unknown => {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

const isAnswer = (value: unknown): value is Answer =>
  Predicate.hasProperty(value, "rows")
    ? Array.isArray(value.rows)
    : Predicate.hasProperty(value, "failure") &&
      Predicate.hasProperty(value.failure, "message") &&
      Predicate.isString(value.failure.message)
