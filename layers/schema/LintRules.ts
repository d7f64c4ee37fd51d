/** What is dangerous in one migration, given the schema before and after it. */
import type { Found } from "./LintCodes.ts"
import { remadeTables } from "./LintCopies.ts"
import { rebuildOf } from "./LintRebuilds.ts"
import { dropOf, rowsOf } from "./LintRows.ts"
import { type FileRun, livesOf } from "./LintRun.ts"
import { hiddenIn, timeIn } from "./LintStatements.ts"
import { uniquesOf } from "./LintUniques.ts"

export const lintFile = (run: FileRun): ReadonlyArray<Found> => {
  const lives = livesOf(run)
  return [
    ...run.ran.flatMap((one) => [...timeIn(one), ...hiddenIn(one, run)]),
    ...lives.flatMap((life) => [...rowsOf(life, run, lives), ...dropOf(life, run, lives)]),
    ...remadeTables(run, lives).flatMap((remade) => rebuildOf(remade, run)),
    ...uniquesOf(run, lives)
  ]
}
