/** The token of a request (RFC 6750, 2.1): only that scheme, whatever the case of its letters (RFC 9110, 11.1). */
import type * as Headers from "@effect/platform/Headers"

export const bearerOf = (headers: Headers.Headers): string | undefined =>
  /^bearer +(\S+) *$/i.exec(headers["authorization"] ?? "")?.[1]
