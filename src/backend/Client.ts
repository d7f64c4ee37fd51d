/** The service for other programs: a client derived from the API's description, with its errors as values. */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { Api } from "./Api.ts"

export * from "./Api.ts"
export * from "./ClientStreams.ts"

export interface ClientOptions {
  /** Such as `http://127.0.0.1:3000`. */
  readonly baseUrl: string
  /** The caller's bearer token; none where the service has no accounts. */
  readonly token?: Redacted.Redacted | undefined
}

/**
 * `client.files.upload(...)`, `client.readyz()` and so on, one function per endpoint. Each fails with the
 * endpoint's own errors, `HttpClientError`, or `ParseError` where the service is another version's.
 */
export const makeClient = ({ baseUrl, token }: ClientOptions) =>
  HttpApiClient.make(Api, {
    baseUrl,
    transformClient: HttpClient.mapRequest((request) =>
      token === undefined ? request : HttpClientRequest.bearerToken(request, token)
    )
  })

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
