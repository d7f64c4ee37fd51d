/**
 * The API's description (OpenAPI 3.1): what is derived from the API, plus what every answer has. Errors are described
 * as they are sent, as problem details.
 */
import * as OpenApi from "@effect/platform/OpenApi"
import packageJson from "../../package.json" with { type: "json" }
import { Api } from "./Api.ts"
import {
  BodyTooLarge,
  ExpectationFailed,
  HeadersTooLarge,
  MalformedRequest,
  MethodNotAllowed,
  MethodNotImplemented,
  RequestTimedOut,
  RouteNotFound,
  TargetTooLong,
  TooManyRequests,
  UnsupportedMediaType
} from "./ApiErrors.ts"
import { healthReport, healthType } from "./HealthReport.ts"
import { contentType as problemType } from "./Problem.ts"
import { routeFor, routesAt } from "./Routes.ts"

/** Includes errors that the server sends before any endpoint. A typed client never meets them. */
const Described = Api.addError(MalformedRequest)
  .addError(RouteNotFound)
  .addError(MethodNotAllowed)
  .addError(RequestTimedOut)
  .addError(BodyTooLarge)
  .addError(UnsupportedMediaType)
  .addError(ExpectationFailed)
  .addError(TooManyRequests)
  .addError(TargetTooLong)
  .addError(HeadersTooLarge)
  .addError(MethodNotImplemented)

const tagDescriptions: Readonly<Record<string, string>> = {
  files: "Single files, and the files of a session",
  changes: "Texts, and changes of one or several files",
  streams: "Archives, and changes as they happen",
  sessions: "Conversations and their owners",
  account: "The user's own account",
  context: "Search in contents, and context for a model",
  experiments: "Which way of choosing context helps more",
  operator: "For the people who run the service",
  probes: "For supervisors and monitors; no token needed"
}

/** Headers of answers, with their descriptions. */
const headers = {
  Allow: "The methods that the path takes",
  Accept: "The type that a body has to have",
  "Cache-Control": "Who may store the answer",
  "Content-Range": "Which part it is, or how long the whole is",
  ETag: "Changes with every change, for If-Match and If-None-Match",
  "Last-Modified": "The second after the content was stored, once it is over",
  Link: "The next page, if there is one",
  Location: "Where the new file is, or the path in its one spelling",
  "Retry-After": "Seconds to wait before trying again",
  Vary: "The headers of the request that the answer depends on",
  "WWW-Authenticate": "How to authenticate"
} as const

type Header = keyof typeof headers

/** What the headers of an answer depend on, besides its status. */
interface Kind {
  readonly isRead: boolean
  readonly isPage: boolean
  readonly isContent: boolean
  /** Whether it has the file after a change, with its new tag. */
  readonly isChange: boolean
}

const headersOf = (status: number, { isChange, isContent, isPage, isRead }: Kind): ReadonlyArray<Header> => [
  "Cache-Control",
  "Vary",
  ...(status === 201 ? (["Location", "ETag"] as const) : []),
  ...(status === 308 ? (["Location"] as const) : []),
  ...(isRead && (status === 200 || status === 206 || status === 304) ? (["ETag"] as const) : []),
  ...(isChange && status === 200 ? (["ETag"] as const) : []),
  ...(isContent && (status === 200 || status === 206 || status === 304) ? (["Last-Modified"] as const) : []),
  ...(isPage && status === 200 ? (["Link"] as const) : []),
  ...(status === 206 || status === 416 ? (["Content-Range"] as const) : []),
  ...(status === 401 ? (["WWW-Authenticate"] as const) : []),
  ...(status === 405 ? (["Allow"] as const) : []),
  ...(status === 415 ? (["Accept"] as const) : []),
  ...(status === 429 || status === 503 ? (["Retry-After"] as const) : [])
]

const inComponents = (names: ReadonlyArray<Header>) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]))

type Operation = OpenApi.OpenAPISpecOperation
type Responses = Operation["responses"]
type Content = Readonly<Record<string, unknown>>

/** The conditional headers that a request may send. */
const conditionsOf = (method: string, { parameters, responses }: Operation) => {
  const conditions = [
    ...(method === "get" ? ["If-Match", "If-None-Match"] : []),
    ...(method === "get" && 206 in responses ? ["If-Modified-Since", "Range", "If-Range"] : []),
    ...(412 in responses ? [...(method === "get" ? [] : ["If-Match"]), "If-Unmodified-Since"] : [])
  ]
  const known = new Set(parameters.map(({ name }) => name.toLowerCase()))
  return conditions
    .filter((name) => !known.has(name.toLowerCase()))
    .map((name) => ({ name, in: "header", required: false, schema: { type: "string" } }))
}

/** What the platform says of an answer that is text is of no use. */
const descriptionOf = (status: string, description: string) => {
  if (description !== "a string") return description
  return status === "503" ? "Not ready, with the reason" : "Success"
}

/** Health is written as text, but what it holds is an object. A content has the type that its file has. */
const contentOf = (content: Content): Content => {
  if (healthType in content) return { [healthType]: { schema: schemaOf("HealthReport") } }
  const { "application/octet-stream": bytes, ...others } = content
  return bytes === undefined ? content : { ...others, "*/*": bytes }
}

const schemaOf = (name: string) => ({ $ref: `#/components/schemas/${name}` })

const responsesOf = (path: string, method: string, responses: Responses) => {
  const isRead = method === "get"
  const route = routeFor(routesAt(path.replace(/\{(\w+)\}/g, ":$1")), method.toUpperCase())
  const isPage = isRead && route?.pageFrom !== undefined
  const kind = { isRead, isPage, isContent: 206 in responses, isChange: !isRead && 412 in responses }
  const described = Object.entries(responses).map(([status, { content, description }]) => {
    const { "application/json": json, ...others } = content ?? {}
    const told =
      json === undefined ? content : { ...others, [Number(status) < 400 ? "application/json" : problemType]: json }
    return [
      status,
      {
        description: descriptionOf(status, description),
        headers: inComponents(headersOf(Number(status), kind)),
        ...(told === undefined ? {} : { content: contentOf(told) })
      }
    ]
  })
  const same = {
    description: "Unchanged: If-None-Match or If-Modified-Since still matches",
    headers: inComponents(headersOf(304, kind))
  }
  const changed = {
    description: "PreconditionFailed",
    headers: inComponents(headersOf(412, kind)),
    content: { [problemType]: { schema: schemaOf("PreconditionFailed") } }
  }
  const elsewhere = {
    description: "Another spelling of the path, which has one",
    headers: inComponents(headersOf(308, kind))
  }
  return {
    ...(isRead && path.startsWith("/api/") ? { 304: same, 412: changed } : {}),
    308: elsewhere,
    ...Object.fromEntries(described)
  }
}

const operationOf = (path: string, method: string, operation: Operation) => ({
  ...operation,
  parameters: [...operation.parameters, ...conditionsOf(method, operation)],
  responses: responsesOf(path, method, operation.responses)
})

/** The members of every problem (RFC 9457, 3.1). */
const members = {
  type: { type: "string", format: "uri-reference", description: "Where this kind of error is described" },
  title: { type: "string" },
  status: { type: "integer" },
  detail: { type: "string", description: "The same as `message`" },
  instance: { type: "string", format: "uri-reference", description: "The path of the request, or this one occurrence" }
}

const problemSchema = (schema: object) => {
  const { properties, required }: { readonly properties?: object; readonly required?: ReadonlyArray<string> } = schema
  return {
    ...schema,
    required: ["type", "title", "status", "detail", ...(required ?? [])],
    properties: { ...members, ...properties },
    additionalProperties: true
  }
}

/** The schemas that answers with an error status refer to. */
const errorsOf = ({ paths }: OpenApi.OpenAPISpec): ReadonlySet<string> => {
  const responses = Object.values(paths).flatMap((item) =>
    Object.values(item).flatMap((operation) => Object.entries(operation.responses))
  )
  const errors = JSON.stringify(responses.filter(([status]) => Number(status) >= 400))
  return new Set([...errors.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name = ""]) => name))
}

const described = (spec: OpenApi.OpenAPISpec) => {
  const errors = errorsOf(spec)
  return {
    ...spec,
    info: {
      ...spec.info,
      version: packageJson.version,
      license: { name: packageJson.license, identifier: packageJson.license }
    },
    servers: [{ url: "/" }],
    tags: spec.tags.map((tag) => ({ ...tag, description: tagDescriptions[tag.name] ?? tag.name })),
    paths: Object.fromEntries(
      Object.entries(spec.paths).map(([path, item]) => [
        path,
        Object.fromEntries(
          Object.entries(item).map(([method, operation]) => [method, operationOf(path, method, operation)])
        )
      ])
    ),
    components: {
      ...spec.components,
      schemas: {
        ...Object.fromEntries(
          Object.entries(spec.components.schemas).map(([name, schema]) => [
            name,
            errors.has(name) && name !== "Issue" ? problemSchema(schema) : schema
          ])
        ),
        HealthReport: healthReport
      },
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: "string" } }])
      )
    }
  }
}

export const description = described(OpenApi.fromApi(Described))
