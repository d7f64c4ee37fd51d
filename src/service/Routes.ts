/** Which methods exist at which path: of the API, and of the other files that are served. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Option from "effect/Option"
import * as SchemaAST from "effect/SchemaAST"
import { Api } from "./Api.ts"

export interface Route {
  /** As the API writes it: `/api/files/:fileId`. */
  readonly path: string
  readonly method: string
  /** Whether its body is JSON that the platform reads. */
  readonly takesJson: boolean
  /** The parameter for where a page of its list begins. */
  readonly pageFrom: string | undefined
}

const otherFiles: ReadonlyArray<Route> = ["/", "/page/:file", "/openapi.json"].map((path) => ({
  path,
  method: "GET",
  takesJson: false,
  pageFrom: undefined
}))

/** What is needed of an endpoint here, whatever its types. */
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

/** Paths without parameters first: they win if both match. */
const routes = [
  ...otherFiles,
  ...Object.values(Api.groups).flatMap(({ endpoints }) => Object.values(endpoints).map((endpoint) => routeOf(endpoint)))
]
  .map((route) => ({ ...route, segments: route.path.split("/") }))
  .sort((a, b) => a.segments.filter(isParameter).length - b.segments.filter(isParameter).length)

/** All paths. Metrics have one series per route. */
export const paths: ReadonlyArray<string> = [...new Set(routes.map(({ path }) => path))]

const ofLength = new Map<number, typeof routes>()
for (const route of routes) ofLength.set(route.segments.length, [...(ofLength.get(route.segments.length) ?? []), route])

/** The routes of a path in its one spelling, for any method. */
export const routesAt = (path: string): ReadonlyArray<Route> => {
  const given = path.split("/")
  return (ofLength.get(given.length) ?? []).filter(({ segments }) =>
    segments.every((segment, index) => segment === given[index] || (isParameter(segment) && isId(given[index])))
  )
}

/** Clients resolve dots, in any encoding, as path steps (https://url.spec.whatwg.org). */
const isId = (segment: string | undefined): boolean => segment !== undefined && !/^\.{0,2}$/.test(segment)

/** The methods of some routes. GET implies HEAD, and OPTIONS is allowed everywhere. */
export const methodsOf = (found: ReadonlyArray<Route>): ReadonlyArray<string> => {
  const methods = new Set(found.map(({ method }) => method))
  if (methods.has("GET")) methods.add("HEAD")
  return [...methods.add("OPTIONS")].sort()
}

/** The route whose handler is called. */
export const routeFor = (found: ReadonlyArray<Route>, method: string): Route | undefined =>
  found.find((route) => route.method === method) ??
  (method === "HEAD" ? found.find((route) => route.method === "GET") : undefined)

/** Every method that some path takes. */
export const allMethods: ReadonlyArray<string> = methodsOf(routes)
