/** Which files of a directory are migrations, by their names: ours, and other tools' if the meaning is clear. */

/** What is in a directory, or in a record. */
export interface Entry {
  readonly name: string
  /** The names in it, if it is a folder. */
  readonly inside?: ReadonlyArray<string>
  /** What it is, if it is neither a file nor a folder. */
  readonly kind?: string
}

/** A file that is a migration. */
export interface MigrationFile {
  readonly path: string
  /** The number as it is written, in digits alone; `R_` for a repeatable one. */
  readonly version: string
  readonly name: string
}

/** A file that cannot be run, and what to do about it. */
export interface Misplaced {
  readonly reason: "BadName" | "BadLayout"
  readonly path: string
  readonly detail: string
  /** Undefined if the reason says it all. */
  readonly remedy?: string
}

/**
 * Refuses every other `.sql` file and everything else that begins with a number: something that looks like a migration
 * but does not run was probably forgotten. A file that undoes a migration which is here is skipped.
 */
export const migrationFilesOf = (entries: ReadonlyArray<Entry>): ReadonlyArray<MigrationFile> | Misplaced => {
  const found: Array<MigrationFile> = []
  const downs: Array<MigrationFile> = []
  const names = new Set(entries.map(({ name }) => name))
  for (const entry of entries) {
    const { name } = entry
    if (!looksLikeOne.test(name) || leftBehind.test(name)) continue
    const [, original = ""] = copy.exec(name) ?? []
    if (names.has(original)) continue
    const file = entry.inside === undefined || isSql.test(name) ? fileOf(entry) : folderOf(entry.name, entry.inside)
    if ("reason" in file) return file
    const tooLong = tooManyDigits(file)
    if (tooLong !== undefined) return tooLong
    const list = "undoes" in file ? downs : found
    list.push(file)
  }
  const alone = downs.find((down) => !found.some(isSame(down)))
  return alone === undefined ? found : downAlone(alone)
}

/** In the place of the number, so that the title is `R__name`. */
export const repeatableVersion = "R_"

const isSql = /\.sql$/i
export const looksLikeOne = /\.sql$|^\d/i
/** Files that archives of other systems and open editors put beside a file: they have its name, but are not text. */
const leftBehind = /^\.[_#]/
/** Copies that editors and merges keep of a file that is still there. */
const copy = /^(.+\.sql)(?:~|\.orig|\.bak|\.swp)$/i

type Found = MigrationFile | (MigrationFile & { readonly undoes: true }) | Misplaced

const fileOf = ({ inside, kind, name: path }: Entry): Found => {
  const notAFile = kind ?? (inside === undefined ? undefined : "Directory")
  if (notAFile !== undefined) return { reason: "BadName", path, detail: `it is not a file: ${notAFile}` }
  const [, repeatable = ""] = /^R__([^/\\]+)\.sql$/.exec(path) ?? []
  if (repeatable !== "") return { path, version: repeatableVersion, name: repeatable }
  const [, version = "", name = "", half = ""] =
    /^(\d+)_([^/\\]+?)(?:(?:\.tx)?\.(up|down|undo|rollback|revert))?\.sql$/.exec(path) ?? []
  if (version === "" || name === "") return explainBadName(path)
  return half === "" || half === "up" ? { path, version, name } : { path, version, name, undoes: true }
}

/** Prisma, Drizzle 1.0 (`migration.sql`) and Diesel (`up.sql`, `down.sql`, a number with hyphens). */
const folderOf = (folder: string, inside: ReadonlyArray<string>): Found => {
  const [, number = "", name = ""] = /^(\d[\d-]*)_(.+)$/.exec(folder) ?? []
  const scripts = inside.filter((file) => isSql.test(file) && !leftBehind.test(file))
  const others = scripts.filter((file) => file !== "down.sql")
  const [script, another] = others
  const bad = (detail: string, remedy: string): Misplaced => ({ reason: "BadLayout", path: folder, detail, remedy })
  if (script === undefined) {
    return bad(
      scripts.length > 0
        ? "its only SQL file is a down.sql, which undoes a migration"
        : "the folder has no SQL file in it",
      "Put the folder's migration.sql or up.sql back, or move the folder out of the directory."
    )
  }
  if (another !== undefined || !/^(?:migration|up)\.sql$/.test(script)) {
    return bad(
      `the folder has ${others.join(", ")}`,
      "Put everything into one migration.sql or up.sql in the folder, or each file as NNN_name.sql directly into the migrations directory."
    )
  }
  if (name === "") {
    return bad("a folder that is a migration is named NNN_name", `Name it like ${number || folder}_create_users.`)
  }
  return { path: `${folder}/${script}`, version: number.replaceAll("-", ""), name }
}

const isSame = (one: MigrationFile) => (other: MigrationFile) =>
  other.name === one.name && Number(other.version) === Number(one.version)

const downAlone = ({ name, path, version }: MigrationFile): Misplaced => ({
  reason: "BadLayout",
  path,
  detail: `it undoes ${version}_${name}, which is not here`,
  remedy: `Put ${version}_${name}.up.sql beside it, or move ${path} out of the directory. Do not number it as a migration: what it undoes would be lost.`
})

/** A JavaScript number holds any 15 digits exactly. */
const tooManyDigits = ({ path, version }: MigrationFile): Misplaced | undefined =>
  version.length <= 15
    ? undefined
    : {
        reason: "BadName",
        path,
        detail: `its number has ${version.length} digits, and only 15 are compared exactly`,
        remedy: `Drop the digits after the seconds or the leading zeros, here and in the other numbers like it, as in ${version.slice(0, 14)}_name.sql. If files share that second, count up from it. A file that this library has applied anywhere keeps its number.`
      }

/** What each name means, most special first. The remedy gives the new name only if it is clear. */
const explainBadName = (path: string): Misplaced => {
  const bad = (detail: string, remedy?: string): Misplaced =>
    remedy === undefined ? { reason: "BadName", path, detail } : { reason: "BadName", path, detail, remedy }
  const layout = (detail: string, remedy: string): Misplaced => ({ reason: "BadLayout", path, detail, remedy })

  const [, kind = "", flyway = "", what = ""] = /^([VUR])([\d._]*)__(.+)\.sql$/i.exec(path) ?? []
  if (/u/i.test(kind)) return layout(`it is a Flyway script that undoes version ${flyway}`, out)
  if (/r/i.test(kind)) {
    return bad(
      "a repeatable migration is named R__name.sql, with a capital letter and without a number",
      `Name it R__${what}.sql. Such files run in the order of their names.`
    )
  }
  if (/v/i.test(kind)) {
    const name = `${flyway}_${what.replaceAll(/\W+/g, "_")}.sql`
    return layout(
      flyway === "" ? "it is named for Flyway" : `it is named for Flyway, version ${flyway}`,
      /^\d+$/.test(flyway)
        ? `Name it ${name}.`
        : "Name it NNN_name.sql, with one whole number for each version, in Flyway's order."
    )
  }
  if (
    /[._-](?:down|undo|rollback|revert)(?:\.[^.]+)?\.sql$|^\d+\.undo\.|^(?:down|undo|rollback|revert)\.sql$/i.test(path)
  ) {
    return layout("it undoes a migration, and this library undoes nothing", out)
  }
  const [, postgrator = "", rest = ""] = /^(\d+)\.do(?:\.(.+))?\.sql$/i.exec(path) ?? []
  if (postgrator !== "") {
    return layout(
      "it is named for Postgrator",
      `Name it ${postgrator}_${(rest || "name").replaceAll(/\W+/g, "_")}.sql.`
    )
  }
  const [, lettered = ""] = /^(\d+[a-z]{1,2})[_.-]/i.exec(path) ?? []
  if (lettered !== "") {
    return bad(
      `${lettered} has a letter after its number, and only numbers are ordered`,
      "Give it and the files after it whole numbers, in the order in which they should run. A file that any database has applied keeps its number: give new files numbers above it."
    )
  }
  if (/^\d+(?:\.\d+)+[_.-].*\.sql$/i.test(path) && !withMarks.test(path)) {
    return bad(
      "its number has parts, and only whole numbers are ordered",
      "Give each file one whole number, in the order in which they should run. A file that any database has applied keeps its number."
    )
  }
  if (copy.test(path)) {
    return bad(
      "it looks like a copy that an editor or a merge left, of a file that is not here",
      "Give it back its name, NNN_name.sql, or move it out of the directory."
    )
  }
  if (/^.+[/\\]/.test(path)) return bad("expected NNN_name.sql, or NNN_name/migration.sql, without a folder before it")
  const [, date = "", time = "", named = ""] =
    withMarks.exec(path)?.map(withoutMarks) ?? /^(\d{1,15})(?:T(\d{4,6})Z?)?[\s_.-]+(.+)\.sql$/i.exec(path) ?? []
  const clear = `${date}${time}_${named.replaceAll(/[^\p{L}\p{N}]+/gu, "_")}.sql`
  return named === ""
    ? bad("expected NNN_name.sql")
    : bad("expected NNN_name.sql", `Name it ${clear}, or move it out of the directory.`)
}

/** A day with hyphens or points, and a time of day if there is one. */
const withMarks =
  /^((?:19|20)\d\d[-.](?:0[1-9]|1[0-2])[-.](?:0[1-9]|[12]\d|3[01]))(?:[-._T ]((?:[01]\d|2[0-3])[-.:]?[0-5]\d(?:[-.:]?[0-5]\d)?)Z?(?=[\s_.-]))?[\s_.-]+(.+)\.sql$/i
const withoutMarks = (part: string | undefined, index: number): string =>
  index === 1 || index === 2 ? (part ?? "").replaceAll(/\D/g, "") : (part ?? "")

const out = "Move it out of the directory. Do not number it as a migration: what it undoes would be lost."
