/** Measures one subject, and verifies what it did. */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import Sqlite from "better-sqlite3"
import type { Fixture } from "./fixture.ts"
import { type Look, writeFleet } from "./fleet.ts"
import type { Subject } from "./subject.ts"
import { writeConversationFiles, writeMany } from "./writeFixture.ts"

const dist = import.meta.dirname
export const root = join(dist, "../../..")

// On the disk of this checkout: a folder for temporary files may be on another one.
const work = mkdtempSync(join(dist, "work-"))
process.once("exit", () => rmSync(work, { recursive: true, force: true }))

/** The schema built into the program. */
export const conversationFiles = writeConversationFiles(work, join(root, "migrations"))
export const thousand = writeMany(work, 1000)

let folders = 0
/** A new file in a new folder. */
export const newFile = (): string => {
  folders += 1
  return join(work, "files", String(folders), "data", "app.db")
}

/** The same for a program; some need the folder to exist. */
export const newFileFor = ({ makesFolder }: Subject): string => {
  const file = newFile()
  if (!makesFolder) mkdirSync(dirname(file), { recursive: true })
  return file
}

/** Runs a process to its end and returns what it wrote to descriptor 3. Anything but success fails the subject. */
const runNode = (args: ReadonlyArray<string>) => {
  const began = performance.now()
  const { output, status, stderr, stdout } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe", "pipe"]
  })
  const wall = performance.now() - began
  if (status !== 0) throw new Error(`exit code ${status}: ${lastLine(stderr) || lastLine(stdout)}`)
  return { wall, told: output[3] ?? "" }
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1)?.replaceAll(work, "") ?? ""

const numbersIn = (json: string): ReadonlyArray<number> => {
  const numbers: unknown = JSON.parse(json)
  if (Array.isArray(numbers) && numbers.every((one) => typeof one === "number")) return numbers
  throw new Error(`these are not numbers: ${json}`)
}

/** Starts on files, one after the other in one process: the milliseconds of each, without imports. */
export const startsOf = (
  { worker }: Subject,
  { folder }: Fixture,
  files: ReadonlyArray<string>
): ReadonlyArray<number> => numbersIn(runNode([...worker, folder, ...files]).told)

/** A whole program: milliseconds of wall time, milliseconds of CPU, and megabytes at its peak. */
export const programOf = (subject: Subject, fixture: Fixture, file: string): ReadonlyArray<number> => {
  const { told, wall } = runNode(["--require", join(dist, "../usage.cjs"), ...subject.program(file, fixture)])
  // The usage of a launcher is not the usage of the program behind it.
  return [wall, ...(subject.isNode ? numbersIn(told) : [Number.NaN, Number.NaN])]
}

/** Starts so many programs at once on one file: milliseconds until the last has ended, and how many failed. */
export const stormOf = async (
  count: number,
  subject: Subject,
  fixture: Fixture,
  file: string
): Promise<ReadonlyArray<number>> => {
  const began = performance.now()
  const codes = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<number | null>((resolve, reject) => {
          const child = spawn(process.execPath, subject.program(file, fixture), { stdio: "ignore" })
          child.once("error", reject).once("exit", resolve)
        })
    )
  )
  return [performance.now() - began, codes.filter((code) => code !== 0).length]
}

/** What importing a module adds to a service with Effect and the SQLite client: milliseconds and megabytes. */
export const importOf = (module: string): ReadonlyArray<number> =>
  numbersIn(runNode([join(dist, "embed.js"), module]).told)

const fleets = new Map<number, string>()

/** A directory of so many copies of a ready file; the same one for all who are measured in this run. */
const fleetOf = (ready: Subject, fixture: Fixture, count: number): string => {
  const known = fleets.get(count)
  if (known !== undefined) return known
  const file = newFile()
  startsOf(ready, fixture, [file])
  const directory = join(work, `fleet-${count}`)
  writeFleet(directory, file, count)
  fleets.set(count, directory)
  return directory
}

/** Opens every database of a fleet in one process: milliseconds of each, of wall and CPU time, and megabytes. */
export const openingsOf = (
  name: string,
  look: Look,
  { count, fixture, ready }: { readonly ready: Subject; readonly fixture: Fixture; readonly count: number }
): ReadonlyArray<number> =>
  numbersIn(
    runNode([join(dist, "fleetWorker.js"), name, look, fleetOf(ready, fixture, count), fixture.sql, `${count}`]).told
  )

/** Grows a file to about the given size, with rows in a table that every subject has created. */
export const grow = (file: string, bytes: number): void => {
  const db = new Sqlite(file)
  const row = 4000
  db.prepare(
    `INSERT INTO conversation_files (file_id, session_id, original_filename, stored_filename, file_path, file_size, file_hash)
WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < ?)
SELECT n, n % 1000, 'a', n, hex(randomblob(${row / 2})), 0, 'b' FROM counted`
  ).run(Math.ceil(bytes / (row + 400)))
  db.close()
}

/** Checks with an independent connection: the history, the objects, sound pages. */
export const verify = ({ history }: Subject, { count, sql }: Fixture, file: string): void => {
  const db = new Sqlite(file, { fileMustExist: true })
  try {
    const recorded = db.prepare(`SELECT count(*) FROM ${history}`).pluck().get()
    if (recorded !== count) throw new Error(`${recorded} of ${count} migrations are recorded`)
    const found = new Set(objectsIn(db))
    const missing = expectedBy(sql).filter((object) => !found.has(object))
    if (missing.length > 0) throw new Error(`${missing.length} objects are missing, such as ${missing[0]}`)
    const damage = db.pragma("quick_check", { simple: true })
    if (damage !== "ok") throw new Error(`quick_check: ${damage}`)
  } finally {
    db.close()
  }
}

const objectsIn = (db: Sqlite.Database): ReadonlyArray<unknown> =>
  db.prepare("SELECT type || ' ' || name FROM sqlite_schema").pluck().all()

const expectations = new Map<string, ReadonlyArray<unknown>>()

/** The objects that the migrations alone create. */
const expectedBy = (directory: string): ReadonlyArray<unknown> => {
  const known = expectations.get(directory)
  if (known !== undefined) return known
  const db = new Sqlite(":memory:")
  for (const name of readdirSync(directory).sort()) db.exec(readFileSync(join(directory, name), "utf8"))
  const objects = objectsIn(db)
  expectations.set(directory, objects)
  return objects
}
