/** Contents in the database belong to it. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Belonging } from "../Belonging.ts"

export const postgresBelonging: Layer.Layer<Belonging> = Layer.succeed(Belonging, {
  verify: Effect.void,
  quietUntil: Effect.succeed(undefined),
  remember: Effect.void
})
