/** The floor that also checks every page, as this library does for small files and after migrations. */
import type { Start } from "../subject.ts"
import { open } from "./floor.ts"

export const start: Start = async (file, { sql }) => {
  const db = open(file, sql)
  const found = db.pragma("quick_check", { simple: true })
  if (found !== "ok") throw new Error(`quick_check: ${found}`)
  if (db.pragma("foreign_key_check", { simple: true }) !== undefined) throw new Error("foreign keys are violated")
  return () => db.close()
}
