/** Spans with OpenTelemetry's attributes of databases (https://opentelemetry.io/docs/specs/semconv/database/database-spans/). */
import * as Effect from "effect/Effect"
import * as FiberRef from "effect/FiberRef"
import * as Predicate from "effect/Predicate"
import { codeOf } from "../machine/SystemFailure.ts"
import { chainOf } from "./CauseDetail.ts"

/** Of an operation on a database: its absolute path, `:memory:`, or its URL. */
export const databaseAttributes = (database: string, operation: string) => ({
  "database.file": database,
  "db.system.name": database.startsWith("postgres:") ? "postgresql" : "sqlite",
  "db.namespace": database,
  "db.operation.name": operation
})

/** Of what it failed with. */
export const errorAttributes = (error: unknown): Readonly<Record<string, string>> => {
  const code = chainOf(error)
    .flatMap((one) => codeOf(one) ?? [])
    .find((one) => one !== "")
  const tag = Predicate.hasProperty(error, "_tag") ? String(error._tag) : error instanceof Error ? error.name : "_OTHER"
  const reason = Predicate.hasProperty(error, "reason") ? `.${String(error.reason)}` : ""
  return { "error.type": `${tag}${reason}`, ...(code === undefined ? {} : { "db.response.status_code": code }) }
}

/** Runs an operation in a span of its own. Where nobody makes spans it costs one step. */
export const withDatabaseSpan = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  database: string,
  operation: string
): Effect.Effect<A, E, R> =>
  Effect.withFiberRuntime((fiber) =>
    fiber.getFiberRef(FiberRef.currentTracerEnabled)
      ? effect.pipe(
          Effect.tapError((error) => Effect.annotateCurrentSpan(errorAttributes(error))),
          Effect.withSpan(`database-ready.${operation}`, {
            attributes: databaseAttributes(database, operation),
            captureStackTrace: false
          })
        )
      : effect
  )
