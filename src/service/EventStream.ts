/** Sends a session's events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { Readable } from "node:stream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SessionEvent } from "./Api.ts"
import { monotonicMillis } from "./monotonic.ts"
import type { Follower } from "./SessionEvents.ts"

/** After this long without an event a comment is sent, so that proxies keep the connection. */
const heartbeat = Duration.seconds(15)

/** The stream of a reader that takes nothing for this long ends. It can continue with the number of its last event. */
const patience = Duration.seconds(30)

/** How long a reader may take for what is left when the stream ends. The end of the service waits for it too. */
const lastPatience = Duration.seconds(1)

export const eventStreamHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that follow nginx would hold back the events otherwise.
  "x-accel-buffering": "no"
}

const textOf = (event: SessionEvent): string =>
  `id: ${event.eventId}\nevent: change\ndata: ${JSON.stringify(event)}\n\n`

/** Why a stream ends. It has no number: a reader that comes back continues after the last change. */
const endings = {
  TooSlow: `You took nothing for ${Duration.format(patience)}. Continue after your last event.`,
  Stopping: "The service stops. Continue after your last event once it is back.",
  Forbidden: "The session is not yours any more.",
  Failed: "The changes cannot be read at this moment. Continue after your last event."
} as const

const endOf = (reason: keyof typeof endings): string =>
  `event: end\ndata: ${JSON.stringify({ reason, message: endings[reason] })}\n\n`

/**
 * Sends until the reader is gone or too slow, `end` finishes, or the session is not the user's any more. The last event
 * tells why; then the stream ends properly. Reads no more from the database than the reader takes.
 */
export const eventStream = Effect.fnUntraced(function* (follower: Follower, end: Effect.Effect<void>) {
  const wanted = yield* Effect.makeLatch()
  const body = new Readable({ read: () => void wanted.unsafeOpen() })
  // A reader that hangs up is not an error.
  body.on("error", () => undefined)

  const send = (text: string) =>
    Effect.suspend(() => {
      wanted.unsafeClose()
      return body.push(text) ? Effect.void : Effect.timeout(wanted.await, patience)
    })

  /** The number to continue from, for a reader that loses the connection before the first event. */
  const first = send(`: events of this session\nid: ${follower.position}\n\n`)

  const sendAll = Effect.gen(function* () {
    let sentAt = yield* monotonicMillis
    for (;;) {
      const now = yield* monotonicMillis
      const left = Duration.millis(Math.max(0, sentAt + Duration.toMillis(heartbeat) - now))
      const isNews = yield* Effect.raceFirst(Effect.as(follower.news, true), Effect.as(Effect.sleep(left), false))
      // Also with each heartbeat: it finds changes that nobody announced, such as rights changed by hand.
      const events = yield* follower.take
      if (events.length === 0 && isNews) continue
      yield* send(events.length === 0 ? ":\n\n" : events.map(textOf).join(""))
      sentAt = yield* monotonicMillis
    }
  })

  /** A reader that does not take the end either is cut off. */
  const finish = (reason: keyof typeof endings) =>
    Effect.async<void>((resume) => {
      if (body.destroyed) return resume(Effect.void)
      body.once("close", () => resume(Effect.void))
      body.push(endOf(reason))
      body.push(null)
    }).pipe(
      Effect.timeoutOption(reason === "Stopping" ? lastPatience : patience),
      Effect.flatMap((ended) =>
        Option.isSome(ended)
          ? Effect.void
          : Effect.zipRight(
              Effect.logInfo("A reader of events did not take the end of its stream and was cut off"),
              Effect.sync(() => void body.destroy())
            )
      )
    )

  yield* Effect.zipRight(first, sendAll).pipe(
    Effect.raceFirst(Effect.as(end, "Stopping" as const)),
    Effect.catchTags({
      Forbidden: () => Effect.succeed("Forbidden" as const),
      SqlError: ({ message }) => Effect.as(Effect.logWarning(`Cannot read events: ${message}`), "Failed" as const),
      TimeoutException: () =>
        Effect.as(Effect.logInfo("A reader of events took nothing for too long"), "TooSlow" as const)
    }),
    Effect.flatMap(finish),
    // Nobody waits for what is left once the request is over.
    Effect.ensuring(Effect.sync(() => void body.destroy())),
    Effect.forkScoped
  )
  return body
})
