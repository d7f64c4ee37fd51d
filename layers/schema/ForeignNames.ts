/** What the path of another tool's file says by itself. */
import { shortened, type Unclear } from "./ForeignLayout.ts"

/** What a path says by itself. */
export interface Named {
  readonly path: string
  readonly form: Form
  readonly number: string
  readonly name: string
  readonly half: "up" | "down"
}

export type Form = "numbered" | "folders" | "flyway" | "postgrator"

export const isSql = /\.sql$/i

const undoing = /^(?:down|undo|rollback|revert)$/i

/** Numbers, times such as `2024-01-31-120000` and `2024-01-31T1200`, and Diesel's with four digits more. */
const numberAtStart = /^(\d{4}-\d\d-\d\d(?:[-T_]?\d{4,9}(?:-\d{1,4})?Z?)?|\d+(?:\.\d+)*[a-z]{0,2})(?=[\s_.-]|$)/

/** Times such as `20240131_120000` and Laravel's `2024_01_31_120000`. */
const markedTime =
  /^((?:19|20)\d\d(_?)(?:0[1-9]|1[0-2])\2(?:0[1-9]|[12]\d|3[01])[_T-](?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d)?Z?)(?=[\s_.-]|$)/

/** What a name begins with; undefined if that is not a number. The parts of a time have hyphens between them. */
export const numberAt = (stem: string): { readonly number: string; readonly written: string } | undefined => {
  const time = markedTime.exec(stem)?.[1]
  if (time !== undefined) return { number: time.replaceAll(/[_T]/g, "-"), written: time }
  const number = numberAtStart.exec(stem)?.[1]
  return number === undefined ? undefined : { number, written: number }
}

/** What a path is, why it is not a migration, or what cannot be understood. */
export const namedOf = (path: string, scripts: ReadonlyArray<string>): Named | Unclear | string => {
  const [file = "", folder, ...above] = path.split("/").reverse()
  const [, kind = "", flyway = "", what = ""] = /^([VUBR])([\d._]*)__(.+)\.sql$/.exec(file) ?? []
  if (kind !== "") {
    if ((kind === "R") !== (flyway === "")) return { reason: "Unclear", detail: `${path} is not a name of Flyway's` }
    const number = kind === "B" ? `B${flyway}` : flyway
    return { path, form: "flyway", number, name: what, half: kind === "U" ? "down" : "up" }
  }
  if (folder === undefined) return ofFlatFile(path, scripts)
  if (above.length > 0) return "it is in a folder of a folder"
  if (/^(?:up|do)$/i.test(folder)) {
    const found = ofFlatFile(file, [])
    return typeof found === "string" ? found : { ...found, path }
  }
  if (undoing.test(folder)) return "it undoes a migration"
  const found = numberAt(folder)
  if (found === undefined) return `the folder ${folder} has no number`
  const siblings = scripts.filter((one) => one.startsWith(`${folder}/`) && one.split("/").length === 2)
  const isDown = isUndoing(path)
  const running = siblings.filter((one) => !isUndoing(one))
  if (!isDown && (running.length > 1 || !/\/(?:migration|up)\.sql$/i.test(path))) {
    return {
      reason: "Unclear",
      detail: `the folder ${folder} has ${running.length > 1 ? shortened(running) : file}, and a migration is one migration.sql or up.sql`
    }
  }
  const { number, written } = found
  return { path, form: "folders", number, name: afterNumber(folder, written), half: isDown ? "down" : "up" }
}

const isUndoing = (path: string): boolean => undoing.test(path.replace(/^.*\//, "").replace(isSql, ""))

const ofFlatFile = (path: string, scripts: ReadonlyArray<string>): Named | string => {
  const stem = path.replace(isSql, "")
  const [, postgrator = "", action = "", rest = ""] = /^(\d+)\.(do|undo)(?:\.(.*))?$/i.exec(stem) ?? []
  if (postgrator !== "") {
    return { path, form: "postgrator", number: postgrator, name: rest, half: undoing.test(action) ? "down" : "up" }
  }
  // authelia's names begin with V, as in `V0001.Name.up.sql`.
  const found = numberAt(withoutV(stem))
  if (found === undefined) return "its name has no number, so it is not a migration to other tools either"
  const { base, half } = halfOf(stem, scripts)
  return { path, form: "numbered", number: found.number, name: afterNumber(withoutV(base), found.written), half }
}

const withoutV = (stem: string): string => stem.replace(/^V(?=\d+\.)/, "")

/** A word with a dot before it always counts; one with another sign only beside its counterpart. */
const halfOf = (
  stem: string,
  scripts: ReadonlyArray<string>
): { readonly base: string; readonly half: Named["half"] } => {
  const [, base = "", sign = "", word = ""] =
    /^(.*?)(?:\.tx)?([._-])(up|down|do|undo|rollback|revert)$/i.exec(stem) ?? []
  const counterparts = undoing.test(word) ? ["up", "do"] : ["down", "undo", "rollback", "revert"]
  const isPair = (other: string) =>
    scripts.some((one) => one.toLowerCase() === `${base}${sign}${other}.sql`.toLowerCase())
  if (base === "" || (sign !== "." && !counterparts.some(isPair))) return { base: stem, half: "up" }
  return { base, half: undoing.test(word) ? "down" : "up" }
}

export const afterNumber = (stem: string, number: string): string => stem.slice(number.length).replace(/^[\s_.-]+/, "")
