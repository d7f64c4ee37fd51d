/** What a database's path means, decided once for start, status, restore, backups and health. */
import { resolve } from "node:path"
import type * as Path from "@effect/platform/Path"
import { files } from "../machine/files.ts"

/** `:memory:` is a database in memory. Any other name is the path of a file. */
export const isInMemory = (filename: string): boolean => filename === ":memory:"

/** The name for messages: clear without knowing the working directory of the process. */
export const absoluteName = (filename: string): string =>
  isInMemory(filename) || faultOfName(filename) !== undefined ? withoutSecrets(filename) : resolve(filename)

/**
 * How a URL begins, such as `postgres://`; undefined for a path. As a path it would mean a directory named `postgres:`.
 * One slash is enough: a function that joins paths removes the second. A drive has one letter.
 */
export const urlOf = (filename: string): string | undefined => {
  const [, scheme] = /^((?:[a-z][a-z0-9+.-]+:)+)\/+/i.exec(filename) ?? []
  return scheme === undefined || isUri(filename) ? undefined : `${scheme.toLowerCase()}//`
}

/** SQLite's own, which name a file. */
export const isUri = (filename: string): boolean => /^(?:jdbc:)?(?:file|sqlite\d?):/i.test(filename)

/** The name as it may be shown. Of a URL only how it begins: what follows may be a password. */
export const withoutSecrets = (filename: string): string => {
  const url = urlOf(filename)
  return url === undefined ? filename : `${url}...`
}

/** What is wrong with the name of a database file; undefined if nothing is. */
export const faultOfName = (filename: string): string | undefined => {
  // As a path it would mean a directory named `file:`.
  if (isUri(filename)) return "a URI is not a path"
  if (urlOf(filename) !== undefined) return "a URL is not a path"
  // What Node.js makes of other bytes: it would be the name of another file.
  if (filename.includes("\uFFFD")) return "its bytes are not UTF-8"
  return isFilename(filename) ? undefined : "it does not name a file"
}

const isFilename = (filename: string): boolean =>
  // The driver trims blanks at the ends, and would open another file than the one checked here.
  filename !== "" && filename === filename.trim() && !filename.includes("\0") && !/(^|[\\/])(\.{1,2})?$/.test(filename)

/**
 * The real path of a file in an existing directory. Follows a link to the file, because SQLite puts the WAL beside the
 * file, not beside the link. Undefined for a link that leads nowhere: SQLite would create its target, wherever that is
 * and readable by everyone. Run it inside `trySync`.
 */
export const realFile = (path: Path.Path, wanted: string): string | undefined =>
  files.isLink(wanted) ? files.target(wanted) : path.join(files.realPath(path.dirname(wanted)), path.basename(wanted))
