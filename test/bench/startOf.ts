/** One subject's module, and no other's. */
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Start } from "./subject.ts"

export const startOf = async (name: string): Promise<Start> => {
  const { start }: { readonly start: Start } = await import(
    pathToFileURL(join(import.meta.dirname, "subjects", `${name}.js`)).href
  )
  return start
}
