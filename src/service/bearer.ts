/** The token of a request (RFC 6750, 2.1): only this scheme, in any case (RFC 9110, 11.1). */

export const bearerOf = (headers: Readonly<Record<string, string | undefined>>): string | undefined =>
  /^bearer +(\S+) *$/i.exec(headers["authorization"] ?? "")?.[1]
