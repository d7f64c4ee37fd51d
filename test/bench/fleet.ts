/** What a fleet is measured with: a directory of ready files, and somebody who opens one after the other. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** How far the look goes: at history and schema, or at the pages too. */
export type Look = "schema" | "pages"

/** Opens databases of one directory. Up to `kept` stay open; then the one that was opened first is closed. */
export interface Fleet {
  /** Opens one and looks at it. Gives what is wrong with it, undefined if it is ready. */
  readonly open: (name: string) => Promise<string | undefined>
  readonly close: () => Promise<void>
}

/** What each module in `fleets/` exports. */
export type OpenFleet = (directory: string, migrations: string, look: Look) => Promise<Fleet>

/** How many stay open. */
export const kept = 100

/** The one that is damaged: in the middle, so that there are others before and after it. */
export const damagedIn = (names: ReadonlyArray<string>): string => names[names.length >> 1] ?? ""

export const namesOf = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, at) => `tenant-${String(at).padStart(5, "0")}`)

/** A directory with copies of a ready file, one of them damaged. */
export const writeFleet = (directory: string, ready: string, count: number): void => {
  mkdirSync(directory, { recursive: true })
  const names = namesOf(count)
  for (const name of names) copyFileSync(ready, join(directory, `${name}.db`))
  writeFileSync(join(directory, `${damagedIn(names)}.db`), "damaged ".repeat(1000))
}
