/** What is at which path, and with which methods: by the API, and the files that are served beside it. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Option from "effect/Option"
import * as SchemaAST from "effect/SchemaAST"
import { Api } from "./Api.ts"

export interface Route {
  /** As the API has it: `/api/files/:fileId`. */
  readonly path: string
  readonly method: string
  /** Whether its body is JSON that the platform reads. */
  readonly takesJson: boolean
  /** The parameter that says where a page of its list begins. */
  readonly pageFrom: string | undefined
}

const beside: ReadonlyArray<Route> = ["/", "/page/:file", "/openapi.json"].map((path) => ({
  path,
  method: "GET",
  takesJson: false,
  pageFrom: undefined
}))

/** What is asked of an endpoint here, whatever its types. */
interface Endpoint {
  readonly method: string
  readonly path: string
  readonly payloadSchema: Option.Option<{ readonly ast: SchemaAST.AST }>
  readonly urlParamsSchema: Option.Option<{ readonly ast: SchemaAST.AST }>
}

const routeOf = ({ method, path, payloadSchema, urlParamsSchema }: Endpoint): Route => ({
  path,
  method,
  takesJson: Option.exists(
    payloadSchema,
    ({ ast }) =>
      HttpApiSchema.getMultipart(ast) === undefined &&
      HttpApiSchema.getMultipartStream(ast) === undefined &&
      HttpApiSchema.getEncoding(ast).kind === "Json"
  ),
  pageFrom: Option.match(urlParamsSchema, {
    onNone: () => undefined,
    onSome: ({ ast }) =>
      SchemaAST.getPropertySignatures(SchemaAST.encodedAST(ast))
        .map(({ name }) => String(name))
        .find((name) => name === "after" || name === "before")
  })
})

const isParameter = (segment: string): boolean => segment.startsWith(":")

/** Those without parameters first: they are meant where both fit. */
const routes = [
  ...beside,
  ...Object.values(Api.groups).flatMap(({ endpoints }) => Object.values(endpoints).map((endpoint) => routeOf(endpoint)))
]
  .map((route) => ({ ...route, segments: route.path.split("/") }))
  .sort((a, b) => a.segments.filter(isParameter).length - b.segments.filter(isParameter).length)

/** The paths of all, for metrics that have as many series as there are routes. */
export const paths: ReadonlyArray<string> = [...new Set(routes.map(({ path }) => path))]

const ofLength = new Map<number, typeof routes>()
for (const route of routes) ofLength.set(route.segments.length, [...(ofLength.get(route.segments.length) ?? []), route])

/** What fits a path in its one spelling, whatever the method. */
export const routesAt = (path: string): ReadonlyArray<Route> => {
  const given = path.split("/")
  return (ofLength.get(given.length) ?? []).filter(({ segments }) =>
    segments.every((segment, index) => segment === given[index] || (isParameter(segment) && isId(given[index])))
  )
}

/** Clients take dots for the way up or nowhere, however they are spelt (https://url.spec.whatwg.org). */
const isId = (segment: string | undefined): boolean => segment !== undefined && !/^\.{0,2}$/.test(segment)

/** The methods of some routes. Where there is GET there is HEAD; what is allowed can be asked everywhere. */
export const methodsOf = (found: ReadonlyArray<Route>): ReadonlyArray<string> => {
  const methods = new Set(found.map(({ method }) => method))
  if (methods.has("GET")) methods.add("HEAD")
  return [...methods.add("OPTIONS")].sort()
}

/** The one whose handler is asked. */
export const routeFor = (found: ReadonlyArray<Route>, method: string): Route | undefined =>
  found.find((route) => route.method === method) ??
  (method === "HEAD" ? found.find((route) => route.method === "GET") : undefined)

/** What one path or another takes. */
export const allMethods: ReadonlyArray<string> = methodsOf(routes)
