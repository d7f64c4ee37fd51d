/** What a worker does with its subject. */
import { writeSync } from "node:fs"
import { fixtureIn } from "./fixture.ts"
import type { Start } from "./subject.ts"

/** Starts on one file after the other, and writes the milliseconds of each start to descriptor 3. */
export const measure = async (start: Start, folder: string, files: ReadonlyArray<string>): Promise<void> => {
  const fixture = fixtureIn(folder)
  const took: Array<number> = []
  for (const file of files) {
    const began = performance.now()
    const close = await start(file, fixture)
    took.push(performance.now() - began)
    await close()
  }
  writeSync(3, JSON.stringify(took))
}
