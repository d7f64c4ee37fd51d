/** The target of a request, in the one spelling that its path has. */

export interface Target {
  /** As it was written. */
  readonly path: string
  /** Normalized, with only the necessary characters encoded. Undefined if it is not UTF-8. */
  readonly spelt: string | undefined
  /** With its question mark, if it has one. */
  readonly query: string
  /** The host, if the target names one. */
  readonly authority: string | undefined
}

/** Undefined if it is not the target of a resource (RFC 9112, 3.2). A fragment is never sent; everything is ASCII. */
export const targetOf = (url: string): Target | undefined => {
  const [, authority, path, query = ""] = /^(?:https?:\/\/([^/?#]+))?(\/[!-"$->@-~]*)?(\?[!-"$-~]*)?$/i.exec(url) ?? []
  if (path === undefined && authority === undefined) return undefined
  return { path: path ?? "/", spelt: speltOf(path ?? "/"), query, authority }
}

const speltOf = (path: string): string | undefined => {
  try {
    return path
      .split("/")
      .map((segment) => encodeURIComponent(decodeURIComponent(segment)))
      .join("/")
  } catch {
    return undefined
  }
}
