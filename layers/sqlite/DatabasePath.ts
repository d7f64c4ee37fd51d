/** What a database's path is. Decided here for start, status, restore, backups and health alike. */
import { resolve } from "node:path"
import type * as Path from "@effect/platform/Path"
import { files } from "../machine/files.ts"

/** A database that is only in memory. Any other name is the path of a file. */
export const isInMemory = (filename: string): boolean => filename === ":memory:"

/** The name as a refusal tells it: readable without the working directory of the process. */
export const absoluteName = (filename: string): string =>
  isInMemory(filename) || faultOfName(filename) !== undefined ? filename : resolve(filename)

/** What is wrong with the name of a database file; undefined when nothing is. */
export const faultOfName = (filename: string): string | undefined => {
  // As a path it would be one below a directory `file:`.
  if (/^file:/i.test(filename)) return "a URI is not a path"
  return isFilename(filename) ? undefined : "it does not name a file"
}

const isFilename = (filename: string): boolean =>
  // The driver would trim blanks at the ends, and open another file than the one that is looked at here.
  filename !== "" && filename === filename.trim() && !filename.includes("\0") && !/(^|[\\/])(\.{1,2})?$/.test(filename)

/**
 * The real path of a file in a directory that is there. A link is followed to the file, because SQLite puts the WAL
 * beside the file, not beside the link. Undefined for a link that leads nowhere: SQLite would make its target,
 * wherever it is and readable by everybody. Run it inside `trySync`.
 */
export const realFile = (path: Path.Path, wanted: string): string | undefined =>
  files.isLink(wanted) ? files.target(wanted) : path.join(files.realPath(path.dirname(wanted)), path.basename(wanted))
