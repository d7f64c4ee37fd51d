/** Sends a session's events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { Readable } from "node:stream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SessionEvent } from "./Api.ts"
import { monotonicMillis } from "./monotonic.ts"
import type { Follower } from "./SessionEvents.ts"

/** After this long without an event a comment is sent, so that proxies keep the connection. */
const heartbeat = Duration.seconds(15)

/** A reader that takes nothing for this long is cut off. It can reconnect with the number of its last event. */
const patience = Duration.seconds(30)

export const eventStreamHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that follow nginx would hold back the events otherwise.
  "x-accel-buffering": "no"
}

const textOf = (event: SessionEvent): string =>
  `id: ${event.eventId}\nevent: change\ndata: ${JSON.stringify(event)}\n\n`

/**
 * Sends until the reader is gone, `end` finishes, or the session is not the user's any more; then the stream ends
 * properly. Reads no more from the database than the reader takes.
 */
export const eventStream = Effect.fnUntraced(function* (follower: Follower, end: Effect.Effect<void>) {
  const wanted = yield* Effect.makeLatch()
  const body = new Readable({ read: () => void wanted.unsafeOpen() })
  // A reader that hangs up is no error.
  body.on("error", () => undefined)

  const cutOff = Effect.zipRight(
    Effect.logInfo("A reader of events took nothing for too long and was cut off"),
    Effect.sync(() => void body.destroy())
  )
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

  yield* Effect.zipRight(first, sendAll).pipe(
    Effect.raceFirst(end),
    Effect.catchTags({
      Forbidden: () => Effect.void,
      SqlError: ({ message }) => Effect.logWarning(`Cannot read events: ${message}`),
      TimeoutException: () => cutOff
    }),
    // Otherwise a reader that has not taken what is already there would delay the end.
    Effect.ensuring(
      Effect.sync(() => {
        if (body.readableLength > body.readableHighWaterMark) body.destroy()
        else body.push(null)
      })
    ),
    Effect.forkScoped
  )
  return body
})
