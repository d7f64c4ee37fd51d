/** Refusals that pass: when to come again, in the body and in the header alike. */
import * as HttpApp from "@effect/platform/HttpApp"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"

/** Fails with the refusal, and lets the answer carry its seconds as `Retry-After` (RFC 9110, 10.2.3). */
export const retryAfter = <E extends { readonly retryAfterSeconds: number }>(refusal: E): Effect.Effect<never, E> =>
  Effect.zipRight(
    HttpApp.appendPreResponseHandler((_, response) =>
      Effect.succeed(HttpServerResponse.setHeader(response, "retry-after", String(refusal.retryAfterSeconds)))
    ),
    Effect.fail(refusal)
  )
