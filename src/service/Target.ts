/** What a request is for: its target in the one spelling that a path has. */

export interface Target {
  /** As it was written. */
  readonly path: string
  /** As it is spelt, with nothing encoded but what has to be. Undefined where it is not UTF-8. */
  readonly spelt: string | undefined
  /** With its question mark, where there is one. */
  readonly query: string
  /** The host, where the target names it. */
  readonly authority: string | undefined
}

/** Undefined for what is not the target of a resource (RFC 9112, 3.2). A fragment is never sent, all is ASCII. */
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
