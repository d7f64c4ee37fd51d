/** HTTP handlers for what is sent for as long as it takes. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { CurrentUser, FilesApi } from "./Api.ts"
import { Door } from "./Door.ts"
import { eventStream, eventStreamHeaders } from "./EventStream.ts"
import { answered } from "./failures.ts"
import { Limits } from "./Limits.ts"
import { SessionEvents } from "./SessionEvents.ts"

/** Every endpoint of `StreamsGroup`. */
export const streamsHttp = HttpApiBuilder.group(
  FilesApi,
  "streams",
  Effect.fnUntraced(function* (handlers) {
    const { follow } = yield* SessionEvents
    const { left } = yield* Door
    const { holdStream } = yield* Limits

    return handlers.handleRaw("events", ({ headers, path, urlParams }) =>
      Effect.gen(function* () {
        const { name } = yield* CurrentUser
        const follower = yield* answered(follow(path.sessionId, headers["last-event-id"] ?? urlParams.after))
        yield* holdStream(`user ${name}`)
        return HttpServerResponse.raw(yield* eventStream(follower, left), { headers: eventStreamHeaders })
      })
    )
  })
)
