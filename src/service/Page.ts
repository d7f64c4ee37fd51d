/**
 * The page: its document at `/`, and its style and script files under `/page/`. It loads nothing from elsewhere, and
 * runs nothing that is not in one of these files.
 */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { RouteNotFound } from "./ApiErrors.ts"
import { index, scripts, styles } from "./PageFiles.ts"

/** What a browser may do here (https://www.w3.org/TR/CSP3/). It refuses scripts that turn text into HTML. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src blob: data:",
  "media-src blob:",
  "frame-src blob:",
  "connect-src 'self'",
  "form-action 'none'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'"
].join("; ")

const assetOf = (text: string, contentType: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(text, {
    contentType,
    headers: {
      // Browsers revalidate it each time, so no browser mixes two versions.
      "cache-control": "no-cache",
      "content-security-policy": policy,
      "cross-origin-opener-policy": "same-origin",
      "cross-origin-resource-policy": "same-origin",
      "referrer-policy": "no-referrer"
    }
  })

/** Otherwise a browser would find each script in another one, and request them one after the other. */
const preloads = Object.keys(scripts).map((name) => `<link rel="modulepreload" href="/page/${name}.js">\n`)
const document = index.replace('<script type="module"', (script) => `${preloads.join("")}${script}`)

const assets: ReadonlyMap<string, HttpServerResponse.HttpServerResponse> = new Map([
  ["/", assetOf(document, "text/html")],
  ...Object.entries(styles).map(([name, text]) => [`/page/${name}.css`, assetOf(text, "text/css")] as const),
  ...Object.entries(scripts).map(([name, text]) => [`/page/${name}.js`, assetOf(text, "text/javascript")] as const)
])

export const isOfPage = (path: string): boolean => path === "/" || path.startsWith("/page/")

export const page = (path: string): Effect.Effect<HttpServerResponse.HttpServerResponse, RouteNotFound> => {
  const asset = assets.get(path)
  return asset === undefined
    ? Effect.fail(new RouteNotFound({ message: `There is nothing at ${path}.` }))
    : Effect.succeed(asset)
}
