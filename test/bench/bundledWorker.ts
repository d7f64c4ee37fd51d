/** The same for this library in a program that is one file: `launchWorker.cjs FIXTURE FILE...`. */
import { measure } from "./measure.ts"
import { start } from "./subjects/ours.ts"

const [, , folder = "", ...files] = process.argv
export const main = (): void => {
  measure(start, folder, files).catch((thrown) => {
    console.error(thrown)
    process.exitCode = 1
  })
}
