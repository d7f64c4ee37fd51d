/** A client of the service for other programs. It is derived from the API's description; errors are values. */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Redacted from "effect/Redacted"
import { Api } from "./Api.ts"

export * from "./Api.ts"
export * from "./ClientStreams.ts"

export interface ClientOptions {
  /** For example `http://127.0.0.1:3000`. */
  readonly baseUrl: string
  /** The caller's bearer token; none if the service has no accounts. */
  readonly token?: Redacted.Redacted | undefined
}

/**
 * One function per endpoint: `client.files.upload(...)`, `client.readyz()` and so on. Each fails with the endpoint's
 * own errors, with `HttpClientError`, or with `ParseError` if the service has another version.
 */
export const makeClient = ({ baseUrl, token }: ClientOptions) =>
  Effect.map(
    HttpApiClient.make(Api, {
      baseUrl,
      transformClient: HttpClient.mapRequest((request) =>
        token === undefined ? request : HttpClientRequest.bearerToken(request, token)
      )
    }),
    encodePaths
  )

/** The platform's client does not encode what it puts into a path, but ids may have any character. */
const encodePaths = <C extends object>(client: C): C =>
  new Proxy(client, {
    get: (target, key): unknown => {
      const found: unknown = Reflect.get(target, key)
      if (Predicate.isFunction(found)) return (request: unknown): unknown => found(encodedPath(request))
      return Predicate.isObject(found) ? encodePaths(found) : found
    }
  })

const encodedPath = (request: unknown): unknown =>
  Predicate.hasProperty(request, "path") && Predicate.isRecord(request.path)
    ? {
        ...request,
        path: Object.fromEntries(
          Object.entries(request.path).map(([name, id]) => [name, encodeURIComponent(String(id))])
        )
      }
    : request

export type Client = Effect.Effect.Success<ReturnType<typeof makeClient>>

export interface FormOptions {
  readonly type?: string | undefined
  readonly messageId?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** The payload of an upload. */
export const fileForm = (
  name: string,
  content: string | Uint8Array | Blob,
  { messageId, metadata, type = "application/octet-stream" }: FormOptions = {}
): FormData => {
  const form = new FormData()
  if (messageId !== undefined) form.append("message_id", messageId)
  if (metadata !== undefined) form.append("metadata", JSON.stringify(metadata))
  form.append("file", new Blob([content], { type }), name)
  return form
}
