/** HTTP handlers for long answers: archives and event streams. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { HttpApiDecodeError } from "@effect/platform/HttpApiError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import contentDisposition from "content-disposition"
import * as Effect from "effect/Effect"
import { ArchivedFiles, CurrentUser, FilesApi } from "./Api.ts"
import { Archives } from "./Archives.ts"
import { Door } from "./Door.ts"
import { eventStream, eventStreamHeaders } from "./EventStream.ts"
import { withApiErrors } from "./failures.ts"
import { Limits } from "./Limits.ts"
import { SessionEvents } from "./SessionEvents.ts"

/** Reads the body as the platform does, for a handler that builds its own answer. */
const wanted = HttpServerRequest.schemaBodyJson(ArchivedFiles).pipe(
  Effect.catchTags({
    ParseError: (error) => Effect.flatMap(HttpApiDecodeError.fromParseError(error), Effect.fail),
    RequestError: Effect.die
  })
)

export const streamsHttp = HttpApiBuilder.group(
  FilesApi,
  "streams",
  Effect.fnUntraced(function* (handlers) {
    const archives = yield* Archives
    const { follow } = yield* SessionEvents
    const { left } = yield* Door
    const { holdStream } = yield* Limits

    return handlers
      .handleRaw("archive", ({ path }) =>
        Effect.gen(function* () {
          const { fileIds } = yield* wanted
          const rows = yield* withApiErrors(archives.filesOf(path.sessionId, fileIds))
          return HttpServerResponse.raw(yield* archives.archive(rows), {
            headers: {
              "content-type": "application/zip",
              "content-disposition": contentDisposition(`${path.sessionId}.zip`),
              "cache-control": "no-store"
            }
          })
        })
      )
      .handleRaw("events", ({ headers, path, urlParams }) =>
        Effect.gen(function* () {
          const { name } = yield* CurrentUser
          const follower = yield* withApiErrors(follow(path.sessionId, headers["last-event-id"] ?? urlParams.after))
          yield* holdStream(name)
          return HttpServerResponse.raw(yield* eventStream(follower, left), { headers: eventStreamHeaders })
        })
      )
  })
)
