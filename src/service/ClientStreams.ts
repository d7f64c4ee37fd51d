/** Events for other programs. The derived client cannot do this: it returns an answer only when it is complete. */
import * as HttpClient from "@effect/platform/HttpClient"
import type { HttpClientError } from "@effect/platform/HttpClientError"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ParseError } from "effect/ParseResult"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Forbidden, InternalError, SessionEvent, TooManyRequests, Unauthorized } from "./Api.ts"

export interface WatchOptions {
  /** For example `http://127.0.0.1:3000`. */
  readonly baseUrl: string
  /** The caller's bearer token; none if the service has no accounts. */
  readonly token?: Redacted.Redacted | undefined
  /** The number of the last event seen; without it, events from now on. */
  readonly after?: number | undefined
}

const Refusal = Schema.Union(Unauthorized, Forbidden, TooManyRequests, InternalError)

export type WatchError = HttpClientError | ParseError | typeof Refusal.Type

/**
 * Changes in a session as they happen, each event once. If the connection ends or the service is not there, it
 * reconnects after a second and continues after the last event. Fails if the service refuses.
 */
export const watchSession = (
  sessionId: string,
  { after, baseUrl, token }: WatchOptions
): Stream.Stream<SessionEvent, WatchError, HttpClient.HttpClient> =>
  Stream.suspend(() => {
    let position = after
    const request = Effect.suspend(() =>
      HttpClient.execute(
        HttpClientRequest.get(`${baseUrl}/api/sessions/${encodeURIComponent(sessionId)}/events`).pipe(
          HttpClientRequest.setHeaders(position === undefined ? {} : { "last-event-id": String(position) }),
          token === undefined ? (same) => same : HttpClientRequest.bearerToken(token)
        )
      )
    )
    const connection = Stream.unwrap(Effect.map(request, eventsOf)).pipe(
      Stream.tap(({ id }) =>
        Effect.sync(() => {
          position = id
        })
      ),
      Stream.filterMap(({ event }) => event),
      Stream.catchAll((error) => (isPassing(error) ? Stream.empty : Stream.fail(error)))
    )
    return Stream.concat(connection, Stream.drain(Stream.fromEffect(Effect.sleep("1 second")))).pipe(Stream.forever)
  })

/** Nobody answers, or the answer is cut off. */
const isPassing = (error: WatchError): boolean =>
  error._tag === "RequestError" || (error._tag === "ResponseError" && error.reason !== "StatusCode")

/** The events of one answer; none if the service is not ready. */
const eventsOf = (response: HttpClientResponse.HttpClientResponse): Stream.Stream<Message, WatchError> => {
  if (response.status === 503) return Stream.empty
  if (response.status !== 200) {
    return Stream.fromEffect(
      Effect.flatMap(Effect.flatMap(response.json, Schema.decodeUnknown(Refusal)), (refusal) => Effect.fail(refusal))
    )
  }
  return Stream.suspend(() => {
    const decoder = new TextDecoder()
    let rest = ""
    return response.stream.pipe(
      Stream.mapConcat((bytes) => {
        const blocks = `${rest}${decoder.decode(bytes, { stream: true })}`.split("\n\n")
        rest = blocks.pop() ?? ""
        return blocks
      }),
      Stream.mapConcatEffect(messageOf)
    )
  })
}

/** The number of an event, and the event. The first message has no event. */
interface Message {
  readonly id: number
  readonly event: Option.Option<SessionEvent>
}

/**
 * One block of the stream (https://html.spec.whatwg.org/multipage/server-sent-events.html); a comment has no number.
 */
const messageOf = (block: string): Effect.Effect<ReadonlyArray<Message>, ParseError> => {
  const field = (name: string) =>
    block
      .split("\n")
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
  const id = field("id")
  const data = field("data")
  if (id === undefined) return Effect.succeed([])
  return data === undefined
    ? Effect.succeed([{ id: Number(id), event: Option.none() }])
    : Effect.map(Schema.decode(Schema.parseJson(SessionEvent))(data), (event) => [
        { id: Number(id), event: Option.some(event) }
      ])
}
