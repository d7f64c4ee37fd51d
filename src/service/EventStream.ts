/** A session's events as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
import { Readable } from "node:stream"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { SessionEvent } from "./Api.ts"
import { monotonicMillis } from "./monotonic.ts"
import type { Follower } from "./SessionEvents.ts"

/** A comment is sent when nothing else was for as long, so that whoever is in between keeps the connection. */
const heartbeat = Duration.seconds(15)

/** A reader who takes nothing for as long is cut off. It comes again with the number of its last event. */
const patience = Duration.seconds(30)

export const eventStreamHeaders = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Proxies that follow nginx would hold the events back.
  "x-accel-buffering": "no"
}

const textOf = (event: SessionEvent): string =>
  `id: ${event.eventId}\nevent: change\ndata: ${JSON.stringify(event)}\n\n`

/**
 * Sends until the reader is gone, `end` is done, or the session is not the user's any more; then the stream ends as it
 * should. No more is read from the database than the reader takes.
 */
export const eventStream = Effect.fnUntraced(function* (follower: Follower, end: Effect.Effect<void>) {
  const wanted = yield* Effect.makeLatch()
  const body = new Readable({ read: () => void wanted.unsafeOpen() })
  // Who hangs up is told to nobody.
  body.on("error", () => undefined)

  const cutOff = Effect.zipRight(
    Effect.logInfo("A reader of events took none for too long, and is cut off"),
    Effect.sync(() => void body.destroy())
  )
  const send = (text: string) =>
    Effect.suspend(() => {
      wanted.unsafeClose()
      return body.push(text) ? Effect.void : Effect.timeout(wanted.await, patience)
    })

  /** The number from which it goes on, so that a reader who loses the connection before the first event has one. */
  const first = send(`: events of this session\nid: ${follower.position}\n\n`)

  const sending = Effect.gen(function* () {
    let sentAt = yield* monotonicMillis
    for (;;) {
      const now = yield* monotonicMillis
      const left = Duration.millis(Math.max(0, sentAt + Duration.toMillis(heartbeat) - now))
      const isNews = yield* Effect.raceFirst(Effect.as(follower.news, true), Effect.as(Effect.sleep(left), false))
      // Also with each heartbeat: what nobody told of, such as rights that were changed by hand, shows then.
      const events = yield* follower.take
      if (events.length === 0 && isNews) continue
      yield* send(events.length === 0 ? ":\n\n" : events.map(textOf).join(""))
      sentAt = yield* monotonicMillis
    }
  })

  yield* Effect.zipRight(first, sending).pipe(
    Effect.raceFirst(end),
    Effect.catchTags({
      Forbidden: () => Effect.void,
      SqlError: ({ message }) => Effect.logWarning(`Events cannot be read: ${message}`),
      TimeoutException: () => cutOff
    }),
    // A reader who has not taken what is there already would keep the end waiting.
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
