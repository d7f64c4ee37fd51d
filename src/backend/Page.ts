/** The page at `/`: one file, nothing loaded from elsewhere, its own script and style and no others. */
import { createHash } from "node:crypto"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import html from "./page.html"

/** The browser runs and shows what has one of these hashes, and asks nobody else (https://www.w3.org/TR/CSP3/). */
const hashesOf = (element: "script" | "style"): string =>
  [...html.matchAll(new RegExp(`<${element}>([\\s\\S]*?)</${element}>`, "g"))]
    .map(([, text = ""]) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`)
    .join(" ")

export const page = HttpServerResponse.html(html).pipe(
  HttpServerResponse.setHeaders({
    "cache-control": "no-cache",
    "content-security-policy": [
      "default-src 'none'",
      `script-src ${hashesOf("script")}`,
      `style-src ${hashesOf("style")}`,
      "img-src blob: data:",
      "media-src blob:",
      "frame-src blob:",
      "connect-src 'self'",
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'"
    ].join("; "),
    "referrer-policy": "no-referrer"
  })
)
